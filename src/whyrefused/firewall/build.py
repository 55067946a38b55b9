"""How do tests, effects and actions become rules and chains that the walk passes through fast?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from whyrefused.firewall.model import (
    NAMED,
    Action,
    Among,
    Chain,
    Change,
    Field,
    Guard,
    Op,
    Rewrite,
    Row,
    Rule,
    Touch,
    Untrack,
    Verdicts,
)
from whyrefused.firewall.ranges import tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from whyrefused.firewall.ranges import Range

Text = str | dict[str, Any]
EFFECTS = (Change, Untrack, Touch, Rewrite, Action, Verdicts)
MOST_ROWS = 64
"""Concatenations with more elements get no guard: finding it would cost every rule that uses the set."""


FEWEST_TO_SORT = 8
"""Elements from which on they are kept by port."""


class ByPort(NamedTuple):
    """The elements of a set or map by the one destination port that each is for, and those that are for more."""

    rows: Mapping[int, tuple[Row, ...]] | None = None
    others: tuple[Row, ...] = ()


def by_port(fields: Sequence[Field], rows: Sequence[Row]) -> ByPort:
    """Which elements can a destination port find? Not told where one for many ports stands before one for a single."""
    if Field.DPORT not in fields or len(rows) < FEWEST_TO_SORT:
        return ByPort()
    at = fields.index(Field.DPORT)
    found: dict[int, list[Row]] = {}
    others: list[Row] = []
    for row in rows:
        cell = row.cells[at]
        if len(cell) == 1 and cell[0][0] == cell[0][1]:
            if others:
                return ByPort()
            found.setdefault(int(cell[0][0]), []).append(row)
        else:
            others.append(row)
    return ByPort({port: (*own, *others) for port, own in found.items()}, tuple(others))


def one_of(field: Field, ranges: Iterable[Range], text: Text, *, negated: bool = False, named: str = "") -> Among:
    """Which test asks whether a field is in these ranges?"""
    listed = list(ranges)
    ports = field is Field.DPORT and not negated
    return Among(
        fields=(field,),
        rows=(Row(cells=(tidy(listed),)),),
        text=text,
        negated=negated,
        named=named,
        exact=frozenset(low for low, high in listed if low == high) if ports else frozenset(),
    )


def any_bit(field: Field, mask: int, text: Text, *, negated: bool = False) -> Among:
    """Which test asks whether any of these bits is set?"""
    return Among(fields=(field,), rows=(Row(cells=(((1, max(mask, 1)),),)),), mask=mask, text=text, negated=negated)


def masked(field: Field, mask: int, value: int, text: Text, *, negated: bool = False) -> Among:
    """Which test asks whether a field is this value under a mask?"""
    return Among(fields=(field,), rows=(Row(cells=(((value, value),),)),), mask=mask, text=text, negated=negated)


def interface(field: Field, patterns: Sequence[str], text: Text, *, negated: bool = False) -> Among:
    """Which test asks for an interface by name, `eth*` for all that begin so?"""
    return Among(fields=(field,), rows=(Row(cells=(tuple(patterns),)),), text=text, negated=negated)


def _span(field: Field, cell: Any) -> tuple[Any, Any] | None:  # noqa: ANN401 - ranges or names
    if not cell:
        return None
    if field not in NAMED:
        return cell[0][0], cell[-1][1]
    return None if any(name.endswith("*") for name in cell) else (min(cell), max(cell))


def _guard(table: Among, column: int) -> Guard | None:
    field = table.fields[column]
    spans = [_span(field, row.cells[column]) for row in table.rows]
    known = [span for span in spans if span]
    if not known or len(known) != len(spans):
        return None
    return int(field), min(low for low, _ in known), max(high for _, high in known)


def _guards(ops: Iterable[Op]) -> Iterator[Guard]:
    for op in ops:
        table = op.table if isinstance(op, Verdicts) else op
        if isinstance(table, Among) and not table.negated and table.mask is None and len(table.rows) <= MOST_ROWS:
            for column in range(len(table.fields)):
                if guard := _guard(table, column):
                    yield guard
        if isinstance(op, EFFECTS):
            return


def _telling(guard: Guard) -> int:
    """How soon is this bound asked? Ports tell most rules apart, the family and the protocol hardly any."""
    return 0 if guard[0] == Field.DPORT else 2 if guard[0] in (Field.FAMILY, Field.PROTOCOL) else 1


def rule(
    ops: Iterable[Op],
    text: Text,
    *,
    handle: int | None = None,
    comment: str = "",
    counter: tuple[int, int] | None = None,
) -> Rule:
    """Which rule do these operations make?"""
    ops = tuple(ops)
    return Rule(
        ops=ops,
        text=text,
        handle=handle,
        comment=comment,
        counter=counter,
        guards=tuple(sorted(_guards(ops), key=_telling)),
        ports=frozenset().union(*(op.exact for op in ops if isinstance(op, Among))),
    )


def chain(name: str, rules: Iterable[Rule], **base: Any) -> Chain:  # noqa: ANN401 - the fields of Chain
    """Which chain do these rules make?"""
    rules = tuple(rules)
    live = tuple(
        (rule.guards, index, rule)
        for index, rule in enumerate(rules, 1)
        if any(isinstance(op, EFFECTS) for op in rule.ops)
    )
    return Chain(name=name, rules=rules, live=live, **base)


def linear(old: Field | None, keep: int, flip: int, target: Field) -> Change:
    """Which effect sets a mark to (old & keep) ^ flip, where `old` may be another mark?"""
    if old is target:
        return Change(field=target, keep=keep, flip=flip)
    return Change(field=target, copied=old, mask=keep, flip=flip)
