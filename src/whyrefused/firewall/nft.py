"""What rules does `nft -j list ruleset` hold? (libnftables-json(5))"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whyrefused.firewall import build, render
from whyrefused.firewall.model import (
    LOAD,
    NOT_MODELLED,
    Action,
    Among,
    Chain,
    Change,
    Field,
    Op,
    Open,
    Rewrite,
    Row,
    Rule,
    Table,
    Test,
    Touch,
    Unreadable,
    Untrack,
    Verdicts,
)
from whyrefused.firewall.nft_values import (
    BITS,
    FRAGMENT_OFFSET,
    NETWORKS,
    Unmodelled,
    alike,
    cells,
    columns,
    draws,
    family,
    impossible,
    number,
    prefix,
    protocol,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whyrefused.firewall.ranges import Range

Json = Any
TOP = (1 << 128) - 1
MARKS = (Field.MARK, Field.CT_MARK)
WORD = 0xFFFFFFFF
OUTSIDE = {"bridge": "bridged frames", "arp": "ARP"}
IDLE = frozenset({"counter", "log", "last", "dup", "flow", "ct helper", "ct timeout", "ct expectation", "secmark"})

ICMPX_CODES = frozenset({"port-unreachable", "admin-prohibited", "no-route", "host-unreachable"})
"""nft(8), REJECT STATEMENT: the codes that stand for one of ICMP and one of ICMPv6."""


@dataclass(slots=True, kw_only=True)
class Parsed:
    """What the JSON lists, before it is joined with what iptables-save says of the same tables."""

    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Sets:
    """The named sets and maps of one table; elements are converted once for all rules that ask alike."""

    elements: dict[str, Json] = field(default_factory=dict)
    rows: dict[tuple[str, tuple[Field, ...]], tuple[Row, ...]] = field(default_factory=dict)
    exact: dict[tuple[str, tuple[Field, ...]], frozenset[int]] = field(default_factory=dict)
    by_port: dict[tuple[str, tuple[Field, ...]], build.ByPort] = field(default_factory=dict)


def parse(text: str) -> Parsed:
    """Which tables, chains and rules does the JSON list? Raises `Unreadable`."""
    try:
        document = json.loads(text)
        return _parse(document)
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"`nft -j list ruleset` printed no ruleset: {type(error).__name__}: {error}"[:300]) from error


def _parse(document: Json) -> Parsed:
    objects = document.get("nftables") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        raise Unreadable("`nft -j list ruleset` printed JSON without `nftables`")
    listed = _Listed()
    for entry in objects:
        for kind, value in entry.items():
            listed.take(kind, value)
    return listed.close()


class _Listed:
    """The objects of the list, while they come in."""

    def __init__(self) -> None:
        self.found = Parsed()
        self.sets: dict[tuple[str, str], _Sets] = {}
        self.chains: dict[tuple[str, str, str], tuple[dict[str, Json], list[dict[str, Json]]]] = {}

    def take(self, kind: str, value: Json) -> None:
        """Take in one object."""
        place = (str(value.get("family")), str(value.get("table", value.get("name"))))
        if kind == "table":
            _table(self.found, place)
        elif kind in ("set", "map"):
            self.sets.setdefault(place, _Sets()).elements[str(value["name"])] = value.get("elem") or []
        elif kind == "chain":
            self.chains[*place, str(value["name"])] = (value, [])
        elif kind == "rule":
            if (*place, str(value["chain"])) not in self.chains:
                raise Unreadable(f"`nft -j list ruleset` has a rule in the unlisted chain {value['chain']!r}")
            self.chains[*place, str(value["chain"])][1].append(value)
        elif kind == "flowtable":
            self.found.notes.append(f"flowtable {value.get('name')}: packets of offloaded connections are not judged")

    def close(self) -> Parsed:
        """Which tables have come in? Rules may name sets and chains that stand behind them."""
        grouped: dict[tuple[str, str], dict[str, Chain]] = {}
        for order, ((kin, table, name), (base, rules)) in enumerate(self.chains.items()):
            if (kin, table) in self.found.tables:
                reader = _Reader(kin, self.sets.setdefault((kin, table), _Sets()))
                read = [reader.rule(rule) for rule in rules]
                grouped.setdefault((kin, table), {})[name] = _chain(base, read, order)
        for place, members in grouped.items():
            named = self.sets[place].elements
            self.found.tables[place] = Table(tool="nft", family=place[0], name=place[1], chains=members, sets=named)
        return self.found


def _table(found: Parsed, place: tuple[str, str]) -> None:
    kin, name = place
    if kin in OUTSIDE:
        found.notes.append(f"table {kin} {name} judges {OUTSIDE[kin]} and is not walked")
    else:
        found.tables[place] = Table(tool="nft", family=kin, name=name)


def _chain(base: dict[str, Json], rules: list[Rule], order: int) -> Chain:
    name = str(base["name"])
    if not base.get("hook"):
        return build.chain(name, rules, order=order)
    device = base.get("dev")
    listed = tuple(map(str, device)) if isinstance(device, list) else (str(device),) if device else None
    return build.chain(
        name,
        rules,
        kind=str(base.get("type")),
        hook=str(base["hook"]),
        priority=int(base.get("prio", 0)),
        policy=str(base.get("policy", "accept")),
        devices=listed if base["hook"] in ("ingress", "egress") else (),
        order=order,
    )


class _Reader:
    """Reads the rules of one table."""

    def __init__(self, kin: str, sets: _Sets) -> None:
        self.kin = kin
        self.sets = sets

    def rule(self, value: dict[str, Json]) -> Rule:
        """Which rule is this?"""
        ops: list[Op] = []
        try:
            for item in value.get("expr") or []:
                ops.extend(self._statement(item))
        except (KeyError, TypeError, AttributeError, ValueError, Unmodelled):
            ops.append(Action(kind="unknown", how="this rule is not modelled", text=render.rule(value)))
        count = next((item["counter"] for item in value.get("expr") or [] if _counts(item)), None)
        return build.rule(
            ops,
            value,
            handle=value.get("handle"),
            comment=str(value.get("comment") or ""),
            counter=(count["packets"], count.get("bytes", 0)) if count else None,
        )

    def _statement(self, item: Json) -> Iterator[Op]:
        if not isinstance(item, dict) or len(item) != 1:
            yield Action(kind="unknown", how="this statement is not modelled", text=str(item)[:200])
            return
        ((key, value),) = item.items()
        if key in IDLE:
            return
        if key in ("accept", "drop", "return", "continue"):
            yield Action(kind=key)
        elif key in ("jump", "goto"):
            yield Action(kind=key, target=str(value["target"]))
        else:
            reader = getattr(self, f"_{key.replace(' ', '_')}", None)
            if key in STATEMENTS and reader:
                yield from reader(value, item)
            else:
                yield Action(kind="unknown", how="this statement is not modelled", text=_text(item))

    def _match(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        try:
            yield from self._compare(value, item)
        except Unmodelled:
            yield from impossible(value.get("left"))
            yield Open(text=item, why=NOT_MODELLED)

    def _compare(self, value: Json, item: dict[str, Json]) -> Iterator[Test]:
        asked, op, right = columns(value["left"]), value.get("op", "=="), value["right"]
        needs = tuple(test for column in asked for test in column.needs)
        fields = tuple(column.field for column in asked)
        mask = asked[0].mask
        if len(asked) > 1 or (isinstance(right, dict) and "set" in right) or _named(right):
            test: Test = self._lookup(fields, right, item, negated=op == "!=", mask=mask)
        else:
            test = self._single(fields[0], op, right, item, mask)
        if fields[0] is Field.FRAGMENT and mask is not None and mask & ~FRAGMENT_OFFSET:
            raise Unmodelled  # the flags beside the offset: DF depends on the sender
        yield from (need for need in needs if not self._given(need))
        yield test

    def _given(self, need: Test) -> bool:
        """Does the table's own family make this test superfluous?"""
        known = {"ip": 4, "ip6": 6}.get(self.kin)
        return known is not None and need == family(known)

    def _single(self, asked: Field, op: str, right: Json, item: Json, mask: int | None) -> Test:
        if op in ("in", "!") and asked in BITS:
            return build.any_bit(asked, number(asked, right), item, negated=op == "!")
        if op in ("<", ">", "<=", ">="):
            if mask is not None:
                raise Unmodelled
            return build.one_of(asked, [_open_range(op, number(asked, right))], item)
        if op not in ("==", "!=", "in"):
            raise Unmodelled
        return self._lookup((asked,), {"set": [right]}, item, negated=op == "!=", mask=mask)

    def _lookup(
        self, fields: tuple[Field, ...], right: Json, item: Json, *, negated: bool = False, mask: int | None = None
    ) -> Among:
        name = _named(right)
        rows, exact = self._rows(fields, right, name)
        sorted_ = self.sets.by_port.get((name, fields)) or build.by_port(fields, rows)
        if name:
            self.sets.by_port[name, fields] = sorted_
        return Among(
            by_port=sorted_.rows if mask is None else None,
            others=sorted_.others,
            fields=fields,
            rows=rows,
            text=item,
            mask=mask,
            negated=negated,
            named=name,
            exact=frozenset() if negated or mask is not None else exact,
        )

    def _rows(self, fields: tuple[Field, ...], right: Json, name: str) -> tuple[tuple[Row, ...], frozenset[int]]:
        key = (name, fields)
        if name and key in self.sets.rows:
            return self.sets.rows[key], self.sets.exact[key]
        if name and name not in self.sets.elements:
            raise Unmodelled
        elements = self.sets.elements[name] if name else right["set"] if isinstance(right, dict) else [right]
        found = [cells(fields, element) for element in elements]
        rows = (Row(cells=alike(found, fields[0])),) if len(fields) == 1 else tuple(Row(cells=each) for each in found)
        exact = _exact(fields, found)
        if name:
            self.sets.rows[key], self.sets.exact[key] = rows, exact
        return rows, exact

    def _vmap(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        yield from self._map(value["key"], value["data"], item, _verdict)

    def _map(self, key: Json, data: Json, item: Json, read: Any) -> Iterator[Op]:  # noqa: ANN401 - a function
        try:
            name = _named(data)
            elements = self.sets.elements[name] if name else data["set"]
            if drawn := draws(key, elements):
                rows = tuple(Row(cells=(cell,), data=read(each)) for cell, each in drawn)
                yield Verdicts(table=Among(fields=(Field.CHANCE,), rows=rows, text=item))
                return
            asked = columns(key)
            fields = tuple(column.field for column in asked)
            mask = asked[0].mask
            pairs = sorted(elements, key=_is_rest)
            found = [(cells(fields, each[0]), read(each[1])) for each in pairs]
            rows = tuple(Row(cells=key, data=data, ports=_exact(fields, [key])) for key, data in found)
        except (Unmodelled, KeyError):
            yield from impossible(key)
            yield Open(text=item, why=NOT_MODELLED)
            yield Action(kind="unknown", how=NOT_MODELLED, text=_text(item))
            return
        yield from (need for column in asked for need in column.needs if not self._given(need))
        sorted_ = build.by_port(fields, rows) if mask is None else build.ByPort()
        yield Verdicts(
            table=Among(
                fields=fields, rows=rows, text=item, mask=mask, named=name, by_port=sorted_.rows, others=sorted_.others
            )
        )

    def _mangle(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:  # noqa: ARG002 - one signature for all
        try:
            (target,) = columns(value["key"])
        except Unmodelled:
            return
        if target.field not in (*MARKS, Field.DESTINATION, Field.DPORT, Field.SPORT):
            return
        yield from (need for need in target.needs if not self._given(need))
        try:
            old, keep, flip = _linear(target.field, value["value"])
        except Unmodelled:
            yield Change(field=target.field)
            return
        yield build.linear(old, keep, flip, target.field)

    def _limit(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        inverted = isinstance(value, dict) and bool(value.get("inv"))
        rest = None if isinstance(value, str) else not inverted
        yield Open(text=item, why=LOAD, rest=rest)

    _quota = _ct_count = _limit

    def _set(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        yield Touch(named=str(value.get("set", "")).lstrip("@"))
        for inner in value.get("stmt") or ():
            if isinstance(inner, dict) and set(inner) & {"limit", "quota", "ct count"}:
                over = any(isinstance(each, dict) and each.get("inv") for each in inner.values())
                yield Open(text=item, why=LOAD, rest=not over)

    def _meter(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        inner = value.get("stmt")
        over = isinstance(inner, dict) and any(isinstance(each, dict) and each.get("inv") for each in inner.values())
        yield Open(text=item, why=LOAD, rest=not over)

    def _reject(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        value = value or {}
        kind, code = value.get("type") or "icmpx", value.get("expr") or "port-unreachable"
        if kind == "tcp reset":
            yield protocol(6)
            yield Action(kind="reject", how="tcp reset")
            return
        if kind in ("icmp", "icmpv6"):
            need = family(4 if kind == "icmp" else 6)
            if not self._given(need):
                yield need
        if kind in {"icmp", "icmpv6"} or (kind == "icmpx" and code in ICMPX_CODES):
            yield Action(kind="reject", how=f"{kind} {code}")
        else:
            yield Action(kind="unknown", how=NOT_MODELLED, text=_text(item))

    def _dnat(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        yield from self._translate(value or {}, item, source=False)

    def _snat(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        yield from self._translate(value or {}, item, source=True)

    def _translate(self, value: dict[str, Json], item: dict[str, Json], *, source: bool) -> Iterator[Op]:
        if value.get("family") in NETWORKS and not self._given(family(NETWORKS[value["family"]])):
            yield family(NETWORKS[value["family"]])
        unknown = Rewrite(known=False, source=source, says=_text(item))
        target = value.get("addr")
        netmap = bool(value.get("type_flags")) or value.get("flags") == "netmap"
        if isinstance(target, dict) and "map" in target:
            fixed = _span(Field.DPORT, value.get("port"))
            yield from self._map(
                target["map"]["key"],
                target["map"]["data"],
                item,
                lambda data: unknown if netmap else _target(data, fixed, item, source=source),
            )
            return
        try:
            address, port = _span(Field.DESTINATION, target), _span(Field.DPORT, value.get("port"))
        except Unmodelled:
            yield unknown
        else:
            # With `prefix` the rest of the address stays, which is not modelled.
            yield unknown if netmap else Rewrite(address=address, port=port, source=source, says=_text(item))

    def _redirect(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        port = (value or {}).get("port")
        if isinstance(port, dict) and "map" in port:
            yield from self._map(
                port["map"]["key"],
                port["map"]["data"],
                item,
                lambda data: Rewrite(own=True, port=_span(Field.DPORT, data), says=_text(item)),
            )
            return
        try:
            yield Rewrite(own=True, port=_span(Field.DPORT, port), says=_text(item))
        except Unmodelled:
            yield Rewrite(own=True, port=(0, 65535), says=_text(item))

    def _masquerade(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        try:
            yield Rewrite(own=True, source=True, port=_span(Field.SPORT, (value or {}).get("port")), says=_text(item))
        except Unmodelled:
            yield Rewrite(known=False, source=True, says=_text(item))

    def _notrack(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:  # noqa: ARG002 - one signature for all
        yield Untrack()

    def _queue(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:  # noqa: ARG002 - one signature for all
        yield Action(kind="unknown", how="a program in user space decides", text=_text(item))

    def _tproxy(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:  # noqa: ARG002 - one signature for all
        yield Action(kind="unknown", how="a transparent proxy takes the connection", text=_text(item))

    def _synproxy(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:  # noqa: ARG002 - one signature for all
        yield Action(kind="unknown", how="a SYN proxy answers in the server's place", text=_text(item))

    def _xt(self, value: Json, item: dict[str, Json]) -> Iterator[Op]:
        # nft cannot print what iptables-nft keeps in compatibility expressions: only their names.
        why = "nft does not print iptables' own extensions; only iptables-save does"
        if isinstance(value, dict) and value.get("type") == "target":
            if value.get("name") not in ("LOG", "NFLOG", "TCPMSS", "CHECKSUM", "TRACE"):
                yield Action(kind="unknown", how=why, text=_text(item))
        elif not (isinstance(value, dict) and value.get("name") == "comment"):
            yield Open(text=item, why=why)


STATEMENTS = frozenset({
    "match", "vmap", "mangle", "limit", "quota", "ct count", "set", "meter", "reject", "dnat", "redirect", "snat",
    "masquerade", "notrack", "queue", "tproxy", "synproxy", "xt",
})  # fmt: skip


_text = render.statement


def _counts(item: Json) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("counter"), dict)
        and isinstance(item["counter"].get("packets"), int)
    )


def _named(right: Json) -> str:
    return right[1:] if isinstance(right, str) and right.startswith("@") else ""


def _is_rest(pair: Json) -> bool:
    return bool(pair[0] == "*")


def _exact(fields: Sequence[Field], found: Sequence[Sequence[Any]]) -> frozenset[int]:
    if Field.DPORT not in fields:
        return frozenset()
    at = fields.index(Field.DPORT)
    return frozenset(low for each in found for low, high in each[at] if low == high)


def _open_range(op: str, value: int) -> Range:
    return {"<": (0, value - 1), "<=": (0, value), ">": (value + 1, TOP), ">=": (value, TOP)}[op]


def _verdict(data: Json) -> Action:
    if isinstance(data, dict) and len(data) == 1:
        ((key, value),) = data.items()
        if key in ("accept", "drop", "return", "continue"):
            return Action(kind=key)
        if key in ("jump", "goto") and isinstance(value, dict):
            return Action(kind=key, target=str(value.get("target")))
    raise Unmodelled


def _span(asked: Field, value: Json) -> Range | None:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(value.get("range"), list) and len(value["range"]) == 2:  # noqa: PLR2004
        return number(asked, value["range"][0]), number(asked, value["range"][1])
    if isinstance(value, dict) and isinstance(value.get("prefix"), dict):
        return prefix(asked, value["prefix"])
    found = number(asked, value)
    return found, found


def _target(data: Json, port: Range | None, item: Json, *, source: bool) -> Rewrite:
    if isinstance(data, dict) and isinstance(data.get("concat"), list) and len(data["concat"]) == 2:  # noqa: PLR2004
        data, port = data["concat"][0], _span(Field.DPORT, data["concat"][1])
    return Rewrite(address=_span(Field.DESTINATION, data), port=port, source=source, says=_text(item))


def _linear(target: Field, value: Json) -> tuple[Field | None, int, int]:
    """As what does a mark expression change a mark: (old & keep) ^ flip?"""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if key in ("meta", "ct") and target in MARKS and inner == {"key": "mark"}:
            return (Field.MARK if key == "meta" else Field.CT_MARK), WORD, 0
        if key in ("&", "|", "^") and isinstance(inner, list) and len(inner) == 2:  # noqa: PLR2004 - two operands
            old, keep, flip = _linear(target, inner[0])
            constant = number(target, inner[1])
            if key == "&":
                return old, keep & constant, flip & constant
            if key == "^":
                return old, keep, flip ^ constant
            return old, keep & ~constant, (flip & ~constant) | constant
    return None, 0, number(target, value)
