"""What do the expressions of nft's JSON ask, and what values do they compare with?

libnftables-json(5) is the grammar. What is not understood raises `Unmodelled`; the caller makes it an open question.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cache
from typing import Any

from whyrefused.firewall.build import one_of
from whyrefused.firewall.model import (
    ADDRESSES,
    CHANCES,
    FLAGS,
    ICMP_CODES,
    ICMP_TYPES,
    ICMPV6_CODES,
    ICMPV6_TYPES,
    NAMED,
    PACKET_TYPES,
    PROTOCOLS,
    ROUTE_TYPES,
    STATES,
    STATUSES,
    Among,
    Field,
    Never,
    Test,
)
from whyrefused.firewall.ranges import Ranges, tidy

Json = Any
Cell = Ranges | tuple[str, ...]
IPV4, IPV6 = 4, 6
EVERYTHING = ((0, (1 << 128) - 1),)
FRAGMENT_OFFSET = 0x1FFF


class Unmodelled(Exception):  # noqa: N818 - says what the expression is
    """An expression or a value that the walk has no notion of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One property that an expression reads, and what must hold before it can be read."""

    field: Field
    needs: tuple[Test, ...] = ()
    mask: int | None = None


@cache
def family(version: int) -> Among:
    """Which test lets one IP version through?"""
    return one_of(Field.FAMILY, [(version, version)], "ip version")


@cache
def protocol(number: int) -> Among:
    """Which test lets one transport protocol through?"""
    return one_of(Field.PROTOCOL, [(number, number)], "meta l4proto")


PAYLOADS = {
    ("ip", "saddr"): Field.SOURCE, ("ip", "daddr"): Field.DESTINATION, ("ip", "protocol"): Field.PROTOCOL,
    ("ip", "version"): Field.FAMILY, ("ip", "frag-off"): Field.FRAGMENT,
    ("ip6", "saddr"): Field.SOURCE, ("ip6", "daddr"): Field.DESTINATION, ("ip6", "nexthdr"): Field.PROTOCOL,
    ("ip6", "version"): Field.FAMILY,
    ("tcp", "flags"): Field.FLAGS,
    ("icmp", "type"): Field.ICMP_TYPE, ("icmp", "code"): Field.ICMP_CODE,
    ("icmpv6", "type"): Field.ICMPV6_TYPE, ("icmpv6", "code"): Field.ICMPV6_CODE,
}  # fmt: skip
NETWORKS = {"ip": IPV4, "ip6": IPV6}
TRANSPORTS = {name: PROTOCOLS[name] for name in ("tcp", "udp", "sctp", "dccp", "udplite")}
METAS = {
    "iifname": Field.IIF, "iif": Field.IIF, "oifname": Field.OIF, "oif": Field.OIF, "mark": Field.MARK,
    "l4proto": Field.PROTOCOL, "nfproto": Field.FAMILY, "protocol": Field.FAMILY, "skuid": Field.UID,
    "skgid": Field.GID, "pkttype": Field.PACKET_TYPE,
}  # fmt: skip
TRACKED = {
    "state": Field.STATE, "status": Field.STATUS, "mark": Field.CT_MARK, "direction": Field.DIRECTION,
    "l3proto": Field.FAMILY, "protocol": Field.PROTOCOL,
}  # fmt: skip
ORIGINALS = {
    "saddr": Field.ORIGINAL_SOURCE, "ip saddr": Field.ORIGINAL_SOURCE, "ip6 saddr": Field.ORIGINAL_SOURCE,
    "daddr": Field.ORIGINAL_DESTINATION, "ip daddr": Field.ORIGINAL_DESTINATION,
    "ip6 daddr": Field.ORIGINAL_DESTINATION,
    "proto-dst": Field.ORIGINAL_DPORT, "proto-src": Field.ORIGINAL_SPORT,
}  # fmt: skip
NAMES: dict[Field, dict[str, int]] = {
    Field.FAMILY: {"ipv4": 4, "ip": 4, "ipv6": 6, "ip6": 6, "arp": 0, "vlan": 0, "8021q": 0},
    Field.PROTOCOL: PROTOCOLS,
    Field.STATE: STATES,
    Field.STATUS: STATUSES,
    Field.FLAGS: FLAGS,
    Field.DIRECTION: {"original": 0, "reply": 1},
    Field.PACKET_TYPE: PACKET_TYPES,
    Field.ICMP_TYPE: ICMP_TYPES,
    Field.ICMP_CODE: ICMP_CODES,
    Field.ICMPV6_TYPE: ICMPV6_TYPES,
    Field.ICMPV6_CODE: ICMPV6_CODES,
    Field.TYPE_OF_SOURCE: ROUTE_TYPES,
    Field.TYPE_OF_DESTINATION: ROUTE_TYPES,
}
BITS = frozenset({Field.STATE, Field.STATUS, Field.FLAGS})


def columns(left: Json) -> tuple[Column, ...]:
    """Which properties does the left side of a match, or the key of a map, read?"""
    if isinstance(left, dict) and isinstance(left.get("concat"), list):
        found = tuple(_column(part) for part in left["concat"])
        if not found or any(column.mask is not None for column in found):
            raise Unmodelled
        return found
    return (_column(left),)


def _column(left: Json) -> Column:
    if not isinstance(left, dict) or len(left) != 1:
        raise Unmodelled
    ((key, value),) = left.items()
    if key == "&" and isinstance(value, list) and len(value) == 2:  # noqa: PLR2004 - value and mask
        inner = _column(value[0])
        return Column(field=inner.field, needs=inner.needs, mask=number(inner.field, value[1]))
    readers = {"payload": _payload, "meta": _meta, "ct": _ct, "fib": _fib, "exthdr": _extension, "socket": _socket}
    reader = readers.get(key)
    if not reader or not isinstance(value, dict):
        raise Unmodelled
    return reader(value)


def _payload(value: dict[str, Json]) -> Column:
    layer, name = value.get("protocol"), value.get("field")
    if not isinstance(layer, str) or not isinstance(name, str):
        raise Unmodelled
    if layer in NETWORKS and (layer, name) in PAYLOADS:
        return Column(field=PAYLOADS[layer, name], needs=(family(NETWORKS[layer]),))
    if layer in (*TRANSPORTS, "th") and name in ("dport", "sport"):
        needs = (protocol(TRANSPORTS[layer]),) if layer in TRANSPORTS else ()
        return Column(field=Field.DPORT if name == "dport" else Field.SPORT, needs=needs)
    if (layer, name) in PAYLOADS:
        return Column(field=PAYLOADS[layer, name], needs=(protocol(PROTOCOLS[layer]),))
    raise Unmodelled


def impossible(left: Json, known: tuple[int, ...] = (6, 17)) -> tuple[Test, ...]:
    """What must hold before an expression that is not modelled can match at all?"""
    if not isinstance(left, dict):
        return ()
    for key, value in left.items():
        if key == "payload" and isinstance(value, dict):
            layer = value.get("protocol")
            if layer in ("arp", "dccp", "sctp") or (layer in PROTOCOLS and PROTOCOLS[layer] not in known):
                return (protocol(PROTOCOLS[layer]),) if layer in PROTOCOLS else (Never(),)
            if layer in NETWORKS:
                return (family(NETWORKS[layer]),)
            if layer in TRANSPORTS:
                return (protocol(TRANSPORTS[layer]),)
        if key == "exthdr":
            return (Never(),)
        if key == "tcp option":
            return (protocol(PROTOCOLS["tcp"]),)
        if key in ("&", "|", "^", "<<", ">>", "concat") and isinstance(value, list):
            return tuple(test for part in value for test in impossible(part))
    return ()


def _meta(value: dict[str, Json]) -> Column:
    if value.get("key") not in METAS:
        raise Unmodelled
    return Column(field=METAS[value["key"]])


def _ct(value: dict[str, Json]) -> Column:
    key, direction = value.get("key"), value.get("dir")
    if direction == "original" and key in ORIGINALS:
        version = NETWORKS.get(str(key).split(" ", 1)[0])
        return Column(field=ORIGINALS[key], needs=(family(version),) if version else ())
    if direction is None and key in TRACKED:
        return Column(field=TRACKED[key])
    raise Unmodelled


def _socket(value: dict[str, Json]) -> Column:
    # The JSON leaves out the level, which is the depth of the path in a rule that can match at all.
    if value.get("key") != "cgroupv2":
        raise Unmodelled
    return Column(field=Field.CGROUP)


def _fib(value: dict[str, Json]) -> Column:
    flags = value.get("flags")
    asked = {flags} if isinstance(flags, str) else set(flags if isinstance(flags, list) else ()) - {"mark"}
    result = value.get("result")
    if result == "type" and asked == {"daddr"}:
        return Column(field=Field.TYPE_OF_DESTINATION)
    if result == "type" and asked == {"saddr"}:
        return Column(field=Field.TYPE_OF_SOURCE)
    if result in ("oif", "oifname") and asked in ({"saddr", "iif"}, {"saddr"}):
        return Column(field=Field.ROUTE_BACK)
    raise Unmodelled


def _extension(value: dict[str, Json]) -> Column:
    # A plain SYN or datagram carries no extension header; `exists` then compares 0 with true.
    if set(value) == {"name"}:
        return Column(field=Field.FRAGMENT, needs=(family(IPV6),))
    raise Unmodelled


def number(field: Field, value: Json) -> int:
    """Which number is a value that a field is compared with?"""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, dict) and isinstance(value.get("|"), list):
        value = value["|"]
    if isinstance(value, list) and field in BITS:
        bits = 0
        for item in value:
            bits |= number(field, item)
        return bits
    if isinstance(value, str):
        return _word(field, value)
    raise Unmodelled


def _word(field: Field, text: str) -> int:
    if field in ADDRESSES:
        try:
            return int(ipaddress.ip_address(text))
        except ValueError as error:
            raise Unmodelled from error
    known = NAMES.get(field, {})
    if text in known:
        return known[text]
    try:
        return int(text, 0)
    except ValueError as error:
        raise Unmodelled from error


def cell(field: Field, value: Json) -> Cell:
    """Which numbers, or interface names, does one element stand for?"""
    if isinstance(value, dict) and isinstance(value.get("elem"), dict):
        value = value["elem"].get("val")
    if value == "*" and field not in NAMED:
        return EVERYTHING
    if field is Field.CGROUP:
        # A number is a control group that is no more.
        return group(value) if isinstance(value, str) else ()
    if field in NAMED:
        if not isinstance(value, str):
            raise Unmodelled  # the index of an interface that has no name here
        return (value,)
    if isinstance(value, dict) and isinstance(value.get("range"), list) and len(value["range"]) == 2:  # noqa: PLR2004
        return ((number(field, value["range"][0]), number(field, value["range"][1])),)
    if isinstance(value, dict) and isinstance(value.get("prefix"), dict):
        return (prefix(field, value["prefix"]),)
    found = number(field, value)
    return ((found, found),)


def group(path: str) -> tuple[str, ...]:
    """Which control groups are meant by a path: this one, and those in it?"""
    # On hosts with both versions, version 2 is mounted in a folder of its own (systemd's hybrid hierarchy).
    path = f"/{path.strip('/').removeprefix('unified/')}"
    return path, f"{path}/*"


def prefix(field: Field, value: dict[str, Json]) -> tuple[int, int]:
    """Which range of addresses is a prefix?"""
    length = value.get("len")
    if not isinstance(length, int) or field not in ADDRESSES:
        raise Unmodelled
    try:
        network = ipaddress.ip_network((str(value.get("addr")), length), strict=False)
    except ValueError as error:
        raise Unmodelled from error
    return int(network.network_address), int(network.broadcast_address)


def draws(key: Json, elements: Json) -> tuple[tuple[Ranges, Json], ...]:
    """Which chances has each element of a map that a generated number chooses from? None where the key is another.

    One after the other, as `inc` has it, is as unforeseen as `random`.
    """
    drawn = key.get("numgen") if isinstance(key, dict) else None
    if not isinstance(drawn, dict):
        return ()
    most, first = number(Field.CHANCE, drawn.get("mod")), number(Field.CHANCE, drawn.get("offset", 0))
    spans = [_drawn(element[0]) for element in elements]
    if most < 1 or sum(high - low + 1 for low, high in spans) != most or tidy(spans) != ((first, first + most - 1),):
        raise Unmodelled  # some numbers have no element
    share = (CHANCES[1] + 1) // most
    found = [((low - first) * share, (high - first + 1) * share - 1) for low, high in spans]
    # What the others did not take is the last one's for sure.
    found[-1] = CHANCES
    return tuple(((span,), element[1]) for span, element in zip(found, elements, strict=True))


def _drawn(value: Json) -> tuple[int, int]:
    (found,) = cell(Field.CHANCE, value)
    if isinstance(found, str):
        raise Unmodelled
    return found


def cells(fields: tuple[Field, ...], value: Json) -> tuple[Cell, ...]:
    """What does one element of a set stand for, column by column?"""
    if isinstance(value, dict) and isinstance(value.get("elem"), dict):
        value = value["elem"].get("val")
    if value == "*":
        return tuple(("*",) if field in NAMED else EVERYTHING for field in fields)
    if len(fields) == 1:
        return (cell(fields[0], value),)
    parts = value.get("concat") if isinstance(value, dict) else None
    if not isinstance(parts, list) or len(parts) != len(fields):
        raise Unmodelled
    return tuple(cell(field, part) for field, part in zip(fields, parts, strict=True))


def alike(found: list[tuple[Cell, ...]], field: Field) -> tuple[Cell, ...]:
    """Which one cell stands for all elements of a set with a single column?"""
    if field in NAMED:
        return (tuple(name for (names,) in found for name in names if isinstance(name, str)),)
    return (tidy(span for (spans,) in found for span in spans if not isinstance(span, str)),)
