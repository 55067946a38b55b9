"""What is known of a new connection's first packet where the host first sees it?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from whyrefused.firewall.flow import ABSENT, State, Value
from whyrefused.firewall.model import CHANCES, FLAGS, PROTOCOLS, ROUTE_TYPES, STATES, STATUSES, Field, Packet
from whyrefused.firewall.ranges import Range, address_range

if TYPE_CHECKING:
    from whyrefused.firewall.flow import Manip

Hook = Literal["input", "output", "forward"]
EPHEMERAL = (1024, 65535)
LOOPBACK = {4: address_range("127.0.0.0/8")[1], 6: address_range("::1")[1]}
LIMITED_BROADCAST = 0xFFFFFFFF
TRACKED = (
    Field.STATUS, Field.CT_MARK, Field.DIRECTION,
    Field.ORIGINAL_SOURCE, Field.ORIGINAL_SPORT, Field.ORIGINAL_DESTINATION, Field.ORIGINAL_DPORT,
)  # fmt: skip
"""What connection tracking tells; absent where it leaves a packet alone."""
ICMP = (Field.ICMP_TYPE, Field.ICMP_CODE, Field.ICMPV6_TYPE, Field.ICMPV6_CODE)
OWNER = (Field.UID, Field.GID)
BOTH: frozenset[Manip] = frozenset({"source", "destination"})


def start(packet: Packet, hook: Hook, version: int) -> State:
    """What is known of it before the first rule? Of an answer too, as far as the question tells."""
    protocol = PROTOCOLS.get(packet.protocol) or int(packet.protocol)
    destination = address_range(packet.destination)[1] if packet.destination else None
    known: dict[Field, Value] = {
        Field.FAMILY: (version, version),
        Field.PROTOCOL: (protocol, protocol),
        Field.DESTINATION: destination,
        Field.SPORT: (packet.source_port,) * 2 if packet.source_port is not None else EPHEMERAL,
        Field.DPORT: (packet.port, packet.port),
        Field.IIF: "" if hook == "output" else packet.interface,
        Field.OIF: packet.interface if hook == "output" else "",
        Field.MARK: (packet.mark, packet.mark),
        Field.FLAGS: (FLAGS["syn"] | (FLAGS["ack"] if packet.reply else 0),) * 2,
        Field.TYPE_OF_SOURCE: _type_of_source(packet, hook),
        Field.TYPE_OF_DESTINATION: _type_of_destination(packet, hook, version, destination),
        Field.ROUTE_BACK: None if packet.route_back is None else (int(packet.route_back),) * 2,
        **_owned(packet, hook),
    }
    state = fresh(known)
    # NAT rules see the first packet of a connection only, and of what a host sends itself that was at output.
    return replace(
        state, bound=BOTH if packet.reply or (packet.interface == "lo" and hook != "output") else frozenset()
    )


def fresh(known: dict[Field, Value]) -> State:
    """Which state is a packet in that connection tracking has not seen?"""
    values: list[Value] = [None] * len(Field)
    for field in (*TRACKED, *ICMP):
        values[field] = ABSENT
    values[Field.STATE] = (STATES["invalid"],) * 2
    values[Field.PACKET_TYPE] = values[Field.FRAGMENT] = (0, 0)
    values[Field.CHANCE] = CHANCES
    for field, value in known.items():
        values[field] = value
    return State(values=tuple(values))


def _owned(packet: Packet, hook: Hook) -> dict[Field, Value]:
    """Whose packet is it? An answer belongs to a socket that the question does not tell."""
    if packet.reply:
        port: Value = (packet.port, packet.port) if packet.port else EPHEMERAL
        return {Field.DPORT: port, **(foreign() if hook == "forward" else {})}
    if hook != "output":
        return foreign()
    return {
        Field.UID: None if packet.uid is None else (packet.uid, packet.uid),
        Field.GID: None if packet.gid is None else (packet.gid, packet.gid),
        Field.CGROUP: packet.cgroup,
        Field.SAME_CGROUP: (1, 1) if packet.same_cgroup else None,
    }


def foreign() -> dict[Field, Value]:
    """What is known of a packet that no program of this host sent?"""
    return {Field.UID: ABSENT, Field.GID: ABSENT, Field.CGROUP: ""}


def _type_of_source(packet: Packet, hook: Hook) -> Value:
    # From outside, an address of the host itself would be a martian.
    return route_type("local" if hook == "output" or packet.interface == "lo" else "unicast")


def _type_of_destination(packet: Packet, hook: Hook, version: int, destination: Range | None) -> Value:
    """Is the destination local? It is what the question's hook says: only local packets come to input."""
    if destination is not None and destination[0] == destination[1]:
        address = (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(destination[0])  # noqa: PLR2004 - IP version
        if address.is_multicast:
            return route_type("multicast")
        if version == 4 and destination[0] == LIMITED_BROADCAST:  # noqa: PLR2004 - IP version
            return route_type("broadcast")
    if hook != "output":
        return route_type("local" if hook == "input" else "unicast")
    return type_of(own(packet, version, destination))


def route_type(name: str) -> Range:
    """Which value has a kind of address?"""
    return ROUTE_TYPES[name], ROUTE_TYPES[name]


def type_of(local: bool | None) -> Value:  # noqa: FBT001 - three-valued
    """Which value has an address that is, is not, or may be the host's own?"""
    return None if local is None else route_type("local" if local else "unicast")


def own(packet: Packet, version: int, address: Value) -> bool | None:
    """Is this one of the host's own addresses?"""
    if not isinstance(address, tuple):
        return None
    low, high = LOOPBACK[version]
    if low <= address[0] and address[1] <= high:
        return True
    if packet.addresses is None:
        return None
    mine = {int(one) for one in map(ipaddress.ip_address, packet.addresses) if one.version == version}
    inside = sum(address[0] <= one <= address[1] for one in mine)
    return False if not inside else True if inside == address[1] - address[0] + 1 else None


Tracking = "Callable[[State], State]"


def new(state: State) -> State:
    """What is known of a new connection's packet behind connection tracking?"""
    values = list(state.values)
    if state.untracked:
        values[Field.STATE] = (STATES["untracked"],) * 2
        return replace(state, values=tuple(values))
    values[Field.STATE] = (STATES["new"],) * 2
    values[Field.STATUS] = values[Field.CT_MARK] = values[Field.DIRECTION] = (0, 0)
    for original, now in ORIGINALS:
        values[original] = values[now]
    peers = state.peers | {original for original, now in ORIGINALS if now in state.peers}
    return replace(state, values=tuple(values), peers=peers)


ORIGINALS = (
    (Field.ORIGINAL_SOURCE, Field.SOURCE), (Field.ORIGINAL_SPORT, Field.SPORT),
    (Field.ORIGINAL_DESTINATION, Field.DESTINATION), (Field.ORIGINAL_DPORT, Field.DPORT),
)  # fmt: skip


def answering(state: State, *, untracked: bool | None, nat: bool) -> State:
    """What is known behind connection tracking of an answer, when its connection's first packet is not?

    `untracked` is None where some connections are left alone: whether this is one depends on its first packet.
    """
    if state.untracked:
        return new(state)
    values = list(state.values)
    alone = untracked is None
    values[Field.STATE] = None if alone else (STATES["established"],) * 2
    values[Field.DIRECTION] = None if alone else (1, 1)
    values[Field.STATUS] = None if alone or nat else (STATUSES["seen-reply"] | STATUSES["confirmed"],) * 2
    for field in (*TRACKED[3:], Field.CT_MARK):
        values[field] = None
    return replace(state, values=tuple(values))
