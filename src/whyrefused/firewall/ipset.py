"""What is in the sets that `ipset save` prints? (ipset(8))"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whyrefused.firewall import build
from whyrefused.firewall.iptables_words import words
from whyrefused.firewall.model import PROTOCOLS, Among, AnyOf, Field, Never, Open, Row, Test, Unreadable
from whyrefused.firewall.ranges import address_range, either, tidy, without

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whyrefused.firewall.ranges import Range, Ranges

DIMENSIONS = {
    ("ip", "src"): Field.SOURCE, ("ip", "dst"): Field.DESTINATION,
    ("net", "src"): Field.SOURCE, ("net", "dst"): Field.DESTINATION,
    ("port", "src"): Field.SPORT, ("port", "dst"): Field.DPORT,
    ("iface", "src"): Field.IIF, ("iface", "dst"): Field.OIF,
    ("mark", "src"): Field.MARK, ("mark", "dst"): Field.MARK,
}  # fmt: skip
NESTED = 8
"""list:set may not hold list:set; a hostile text may."""


@dataclass(slots=True, kw_only=True)
class Set:
    """One set: its type, IP version and elements."""

    kind: str
    version: int | None
    elements: list[tuple[str, bool]] = field(default_factory=list)  # as printed, and whether it is a `nomatch`
    tests: dict[tuple[object, ...], Test] = field(default_factory=dict)  # by question, once for all rules that ask it


Sets = dict[str, Set]


def parse(text: str) -> Sets:
    """Which sets does the text hold? Raises `Unreadable`."""
    found: Sets = {}
    for number, line in enumerate(text.splitlines(), 1):
        parts = words(line)
        if not parts or parts[0].startswith("#"):
            continue
        if parts[0] == "create" and len(parts) > 2:  # noqa: PLR2004 - create NAME TYPE
            family = parts[parts.index("family") + 1] if "family" in parts[:-1] else ""
            version = {"inet": 4, "inet6": 6}.get(family, 4 if parts[2].startswith("bitmap:ip") else None)
            found[parts[1]] = Set(kind=parts[2], version=version)
        elif parts[0] == "add" and len(parts) > 2 and parts[1] in found:  # noqa: PLR2004 - add NAME ELEMENT
            found[parts[1]].elements.append((parts[2], "nomatch" in parts[3:]))
        else:
            raise Unreadable(f"ipset save, line {number}: {line[:200]!r} neither creates a set nor adds to one")
    return found


def lookup(  # noqa: PLR0913, PLR0917 - the question, and how deep it is nested
    sets: Sets | None, name: str, flags: Sequence[str], version: int, text: str, depth: int = 0
) -> Test:
    """Which test asks whether a packet's source, destination, ... is in this set?"""
    if sets is None or name not in sets or depth > NESTED:
        return Open(text=text, why=f"what is in the set {name} is not known")
    found = sets[name]
    key = (tuple(flags), version)
    if key not in found.tests:
        try:
            found.tests[key] = _test(sets, found, name, flags, version, text, depth)
        except (ValueError, KeyError):
            found.tests[key] = Open(text=text, why=f"sets of the type {found.kind} are not modelled")
    return found.tests[key]


def _test(  # noqa: PLR0913, PLR0917 - the question, and how deep it is nested
    sets: Sets, found: Set, name: str, flags: Sequence[str], version: int, text: str, depth: int
) -> Test:
    if found.kind == "list:set":
        return _members(sets, found, flags, version, text, depth)
    if found.version not in (None, version):
        return Never(text=text)
    kinds = found.kind.partition(":")[2].split(",")
    fields = tuple(DIMENSIONS[kind, flag] for kind, flag in zip(kinds, flags, strict=False))
    if len(fields) != len(kinds):
        raise ValueError(found.kind)
    if len(fields) == 1 and fields[0] is not Field.DPORT:
        rows: tuple[Row, ...] = (Row(cells=(_flat(fields[0], found.elements),)),)
        return Among(fields=fields, rows=rows, text=text, named=name)
    if any(excepted for _, excepted in found.elements):
        raise ValueError("nomatch")
    protocols = "port" in kinds and not found.kind.startswith("bitmap:")
    rows = tuple(_row(fields, element, protocols=protocols) for element, _ in found.elements)
    exact = frozenset(_ports(fields, rows))
    kept = build.by_port(fields, rows)
    return Among(
        fields=(*fields, Field.PROTOCOL) if protocols else fields, rows=rows, text=text, named=name, exact=exact,
        by_port=kept.rows, others=kept.others,
    )  # fmt: skip


def _ports(fields: Sequence[Field], rows: Sequence[Row]) -> Iterator[int]:
    """Which destination ports stand in the rows one by one?"""
    for row in rows:
        for asked, cell in zip(fields, row.cells, strict=False):
            if asked is Field.DPORT:
                yield from (span[0] for span in cell if not isinstance(span, str) and span[0] == span[1])


def _flat(asked: Field, elements: Sequence[tuple[str, bool]]) -> Ranges:
    """Which numbers are in a set of one dimension? The longest prefix wins, `nomatch` or not (ipset(8))."""
    if not any(excepted for _, excepted in elements):
        return tidy(_span(asked, element) for element, _ in elements)
    inside: Ranges = ()
    for element, excepted in sorted(elements, key=lambda item: _size(_span(asked, item[0])), reverse=True):
        span = (_span(asked, element),)
        inside = without(inside, span) if excepted else either(inside, span)
    return inside


def _size(span: Range) -> int:
    return span[1] - span[0]


def _span(asked: Field, element: str) -> Range:
    if asked in (Field.SOURCE, Field.DESTINATION):
        return address_range(element)[1]
    low, dash, high = element.partition("-")
    return int(low, 0), int(high if dash else low, 0)


def _row(fields: Sequence[Field], element: str, *, protocols: bool) -> Row:
    parts = element.split(",")
    if len(parts) != len(fields):
        raise ValueError(element)
    cells: list[Ranges | tuple[str, ...]] = []
    transport = PROTOCOLS["tcp"]
    for asked, part in zip(fields, parts, strict=True):
        word = part
        if asked in (Field.SPORT, Field.DPORT) and ":" in part:
            name, _, word = part.partition(":")
            transport = PROTOCOLS[name] if name in PROTOCOLS else int(name)
        if asked in (Field.IIF, Field.OIF):
            if ":" in part:
                raise ValueError(part)  # physdev:
            cells.append((part,))
        else:
            cells.append((_span(asked, word),))
    if protocols:
        cells.append(((transport, transport),))
    return Row(cells=tuple(cells))


def _members(  # noqa: PLR0913, PLR0917 - the question, and how deep it is nested
    sets: Sets, found: Set, flags: Sequence[str], version: int, text: str, depth: int
) -> Test:
    tests: list[Among] = []
    for element, _ in found.elements:
        inner = lookup(sets, element, flags, version, text, depth + 1)
        if isinstance(inner, Open):
            return inner
        tests.extend(inner.tests if isinstance(inner, AnyOf) else [inner] if isinstance(inner, Among) else [])
    return AnyOf(tests=tuple(tests), text=text)
