"""Where is a packet, and what is known of it, while it walks through the rules?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from whyrefused.firewall.model import (
    NAMED,
    STATES,
    UNKNOWN_BECAUSE,
    Among,
    AnyOf,
    Change,
    Field,
    Never,
    Open,
    Row,
    Test,
    Touch,
    Untrack,
)
from whyrefused.firewall.ranges import Range, Ranges, both, either, holds, without

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT = (1, -1)
"""The value of what this packet does not have: no test on it matches, negated or not."""
TRACKED = tuple((STATES[name],) * 2 for name in ("new", "established", "related"))
"""The states of what connection tracking has already."""
EVERY_NAME = "\U0010ffff"
Value = Range | str | None
Split = tuple[Ranges, Ranges]
Manip = Literal["source", "destination"]
"""What NAT may rewrite: enum nf_nat_manip_type of linux/netfilter/nf_nat.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What rules may change on the way. Equal states walk on together."""

    values: tuple[Value, ...]  # by Field; None: not known; those of peers are not used
    peers: frozenset[Field] = frozenset({Field.SOURCE})  # the fields that hold what the flow's `sources` are
    touched: frozenset[str] = frozenset()  # sets that the packet may have been added to or removed from
    untracked: bool = False
    seen: bool = False  # connection tracking has looked at it
    attached: bool = False  # it is an error for a packet that connection tracking did not know
    restored: frozenset[Manip] = frozenset()  # what NAT has put back in an answer
    bound: frozenset[Manip] = frozenset()  # what NAT has decided already
    rewritten: str = ""  # ADDRESS:PORT of the new destination
    moved: tuple[Range | None, bool] | None = None  # the new destination address and whether it is the host's own
    source_moved: bool = False  # NAT has given another source


class Flow:
    """Sources in one state, with bounds for skipping rules fast."""

    __slots__ = ("doubt", "highs", "lows", "sources", "state", "way")

    def __init__(self, state: State, sources: Ranges, doubt: Doubt | None = None, way: tuple[Any, ...] = ()) -> None:
        self.state = state
        self.sources = sources
        self.doubt = doubt  # why this is only one of the possible readings
        self.way = way  # the rules that decided in earlier base chains
        self.lows, self.highs = _bounds(state, sources)

    def only(self, sources: Ranges, doubt: Doubt | None = None) -> Flow:
        """Which flow is the part with these sources?"""
        if sources is self.sources and doubt is None:
            return self
        part = Flow.__new__(Flow)
        part.state, part.sources, part.doubt, part.way = self.state, sources, self.doubt or doubt, self.way
        # The bounds of all that the sources are not stay.
        part.lows, part.highs = self.lows.copy(), self.highs.copy()
        for peer in self.state.peers:
            part.lows[peer], part.highs[peer] = sources[0][0], sources[-1][1]
        return part

    def into(self, state: State) -> Flow:
        """Which flow is this one in another state?"""
        return Flow(state, self.sources, self.doubt, self.way)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A test that could not be answered, and why."""

    text: str | Mapping[str, Any]
    why: str

    __hash__ = object.__hash__  # JSON is not hashable; a doubt is itself


def _bounds(state: State, sources: Ranges) -> tuple[list[Any], list[Any]]:
    lows: list[Any] = []
    highs: list[Any] = []
    for at, value in enumerate(state.values):
        if at in NAMED:
            lows.append("" if value is None else value)
            highs.append(EVERY_NAME if value is None else value)
        else:
            low, high = value if isinstance(value, tuple) else (0, 1 << 129)
            lows.append(low)
            highs.append(high)
    for peer in state.peers:
        lows[peer], highs[peer] = sources[0][0], sources[-1][1]
    return lows, highs


def changed(state: State, field: Field, value: Value) -> State:
    """Which state has this value?"""
    return replace(state, values=(*state.values[:field], value, *state.values[field + 1 :]))


def differ(before: Value, after: Value) -> bool | None:
    """Are these two different? None where that is not known."""
    if not isinstance(before, tuple) or not isinstance(after, tuple):
        return None
    if before[1] < after[0] or after[1] < before[0]:
        return True
    return False if before == after and before[0] == before[1] else None


def apply(op: Change | Untrack | Touch, state: State) -> State:
    """What does an effect make of a packet?"""
    if isinstance(op, Untrack):
        # What connection tracking already has stays tracked.
        if state.values[Field.STATE] in TRACKED or (op.xt and state.attached):
            return state
        return replace(changed(state, Field.STATE, (STATES["untracked"],) * 2), untracked=True)
    if isinstance(op, Touch):
        return replace(state, touched=state.touched | {op.named})
    old = state.values[op.field]
    if old == ABSENT:
        return state
    kept, copied = _part(old, op.keep), _part(state.values[op.copied] if op.copied is not None else (0, 0), op.mask)
    if op.flip is None or kept is None or copied is None:
        return changed(state, op.field, None)
    value = kept ^ copied ^ op.flip
    return changed(state, op.field, (value, value))


def _part(value: Value, mask: int) -> int | None:
    if mask == 0:
        return 0
    if not isinstance(value, tuple) or value[0] != value[1]:
        return None
    return value[0] & mask


def _named(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _cell(field: Field, cell: Any, value: Value, mask: int | None) -> bool | None:  # noqa: ANN401 - ranges or names
    """Is the value one of those in the cell? None when that is not known."""
    if field in NAMED:
        if value is None:
            return None if any(pattern != "lo" for pattern in cell) else False
        return any(_named(pattern, str(value)) for pattern in cell)
    if not isinstance(value, tuple):
        return None if cell else False
    if mask is None:
        return holds(cell, value)
    if value[0] != value[1]:
        return None
    return holds(cell, (value[0] & mask, value[0] & mask))


def answer(test: Test, flow: Flow) -> bool | Split | None:
    """Which sources pass the test? All, none, nobody knows, or (those that do, those of whom nobody knows)."""
    if isinstance(test, Among):
        return _among(test, flow)
    if isinstance(test, AnyOf):
        return _any(test, flow)
    return False if isinstance(test, Never) else None


def _among(test: Among, flow: Flow) -> bool | Split | None:
    if test.named and test.named in flow.state.touched:
        return None
    if len(test.fields) == 1 and len(test.rows) == 1:
        field = test.fields[0]
        cell: Any = test.rows[0].cells[0]
        if field in flow.state.peers:
            return _sources(test, cell, flow.sources)
        value = flow.state.values[field]
        if value == ABSENT:
            return False
        found = _cell(field, cell, value, test.mask)
        return found if found is None else found is not test.negated
    yes: Ranges = ()
    maybe: Ranges = ()
    for row in test.rows_at(flow.state.values[Field.DPORT]):
        sure, possible = row_split(test, row, flow)
        if sure:
            yes = either(yes, sure)
        if possible:
            maybe = either(maybe, possible)
    if any(flow.state.values[field] == ABSENT for field in test.fields if field not in flow.state.peers):
        return False
    return _inverse(yes, maybe, flow.sources) if test.negated else (yes, without(maybe, yes))


def _inverse(yes: Ranges, maybe: Ranges, sources: Ranges) -> Split:
    maybe = without(maybe, yes)
    return without(without(sources, yes), maybe), maybe


def _sources(test: Among, cell: Ranges, sources: Ranges) -> bool | Split | None:
    if test.mask is not None:
        if len(sources) > 1 or sources[0][0] != sources[0][1]:
            return None
        masked = sources[0][0] & test.mask
        return holds(cell, (masked, masked)) is not test.negated
    inside = both(sources, cell)
    if inside == sources:
        return not test.negated
    if not inside:
        return test.negated
    return (without(sources, inside) if test.negated else inside), ()


def row_split(test: Among, row: Row, flow: Flow) -> Split:
    """Which sources find this element of a set or map, and of which does nobody know?"""
    sources, peers = flow.sources, flow.state.peers
    unsure = test.named in flow.state.touched if test.named else False
    for field, cell in zip(test.fields, row.cells, strict=True):
        if field in peers:
            continue
        value = flow.state.values[field]
        found = False if value == ABSENT else _cell(field, cell, value, test.mask)
        if found is False:
            return (), ()
        unsure |= found is None
    for field, cell in zip(test.fields, row.cells, strict=True):
        if field in peers:
            if test.mask is not None:
                unsure = True
            else:
                sources = both(sources, cell)  # type: ignore[arg-type]
    return ((), sources) if unsure else (sources, ())


def _any(test: AnyOf, flow: Flow) -> bool | Split | None:
    yes: Ranges = ()
    maybe: Ranges = ()
    for inner in test.tests:
        found = answer(inner, flow)
        if found is True:
            yes = flow.sources
        elif found is None:
            maybe = flow.sources
        elif found is not False:
            yes, maybe = either(yes, found[0]), either(maybe, found[1])
    return _inverse(yes, maybe, flow.sources) if test.negated else (yes, without(maybe, yes))


def doubt(test: Test, flow: Flow) -> Doubt:
    """Why can this test not be answered?"""
    if isinstance(test, Open):
        return Doubt(text=test.text, why=test.why)
    inner = test.tests if isinstance(test, AnyOf) else (test,) if isinstance(test, Among) else ()
    for one in inner:
        if one.named and one.named in flow.state.touched:
            return Doubt(text=test.text, why=f"the packet itself may change what is in {one.named}")
        for field in one.fields:
            value = flow.state.values[field]
            if field not in flow.state.peers and (value is None or (isinstance(value, tuple) and value[0] != value[1])):
                return Doubt(text=test.text, why=UNKNOWN_BECAUSE.get(field, "what it asks about is not known"))
    return Doubt(text=test.text, why="it splits the sources bit by bit")
