"""Where do a packet's sources end up when they walk through one base chain?

All sources walk at once: a rule that matches a part of them splits the flow. A test that nobody can answer sends its
sources both ways, the matched way marked with the doubt; at the end the readings of each source are compared. Flows in
the same state join again behind each rule, so the work grows with the rules and not with the readings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from whyrefused.firewall.flow import ABSENT, Doubt, Flow, State, Value, answer, apply, changed, differ, doubt, row_split
from whyrefused.firewall.model import (
    STATUSES,
    Action,
    Among,
    AnyOf,
    Chain,
    Change,
    Field,
    Never,
    Op,
    Open,
    Rewrite,
    Rule,
    Table,
    Test,
    Touch,
    Untrack,
    Verdicts,
)
from whyrefused.firewall.ranges import both, either, in_words, without

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.firewall.flow import Manip
    from whyrefused.firewall.ranges import Range, Ranges

TESTS = (Among, AnyOf, Open, Never)
LOOPBACK: dict[object, Range] = {(4, 4): (0x7F000001, 0x7F000001), (6, 6): (1, 1)}
"""Where a redirect of what the host sends itself leads: nf_nat_redirect_ipv4 and _ipv6 of the Linux kernel."""
SOURCE: frozenset[Manip] = frozenset({"source"})
DESTINATION: frozenset[Manip] = frozenset({"destination"})
DEEPEST = 40
"""nft allows 16 nested jumps, iptables as many as fit; only a hostile text has more."""
MOST_FLOWS = 48
"""More states than this at once are given up as not modelled."""
MOST_WORK = 200_000
"""Rules asked in one base chain, over all jumps; more is a hostile text."""


class Visit(NamedTuple):
    """A rule that a packet took, or the policy of the chain where `rule` is None."""

    table: Table
    chain: Chain
    hook: str
    number: int
    rule: Rule | None
    names_port: bool
    base: Chain  # that the packet came through


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where some sources leave a base chain."""

    action: Action
    flow: Flow
    visits: tuple[Visit, ...]


ACCEPT, DROP = Action(kind="accept"), Action(kind="drop")


class Walk:
    """One walk through one base chain."""

    def __init__(self, table: Table, chain: Chain, *, at_rest: bool) -> None:
        self.table = table
        self.base = chain
        self.at_rest = at_rest
        self.ends: list[End] = []
        self.work = 0

    def run(self, flow: Flow) -> list[End]:
        """Where do the sources of this flow leave?"""
        back = self._chain(self.base, flow, (), 0)
        policy = Visit(self.table, self.base, self.base.hook, 0, None, names_port=False, base=self.base)
        action = DROP if self.base.policy == "drop" else ACCEPT
        self.ends.extend(End(action=action, flow=rest, visits=(policy,)) for rest in back)
        return self.ends

    def _chain(self, chain: Chain, flow: Flow, way: tuple[Visit, ...], depth: int) -> list[Flow]:
        """Which flows come back from a chain?"""
        flows: list[Flow] = [flow]
        returned: list[Flow] = []
        self.work += len(chain.live)
        if depth > DEEPEST or self.work > MOST_WORK:
            self._give_up(flow, way, "its chains jump too deep or too often")
            return []
        for guards, index, rule in chain.live:
            after: list[Flow] | None = None
            for at, here in enumerate(flows):
                lows, highs = here.lows, here.highs
                for field, low, high in guards:
                    if highs[field] < low or lows[field] > high:
                        break
                else:
                    rest = self._rule(_Place(chain, index, rule, way, depth), here, returned)
                    if rest is not None:
                        after = flows[:at] if after is None else after
                        after.extend(rest)
                        continue
                if after is not None:
                    after.append(here)
            if after is not None:
                flows = self._join(after, way)
                if not flows:
                    break
        return self._join(flows + returned, way)

    def _join(self, flows: list[Flow], way: tuple[Visit, ...]) -> list[Flow]:
        """Which flows are these once those in the same state have joined?"""
        if len(flows) < 2:  # noqa: PLR2004 - nothing to join
            return flows
        sure: dict[State, list[Flow]] = {}
        doubted: dict[State, list[Flow]] = {}
        for flow in flows:
            (doubted if flow.doubt else sure).setdefault(flow.state, []).append(flow)
        out = [_union(alike) for alike in sure.values()]
        for state, alike in doubted.items():
            joined = _union(alike)
            plain = next((flow.sources for flow in out if flow.state == state and flow.doubt is None), ())
            if left := without(joined.sources, plain):
                out.append(joined.only(left))
        if len(out) > MOST_FLOWS:
            for flow in out[MOST_FLOWS:]:
                self._give_up(flow, way, "its marks take too many values")
            del out[MOST_FLOWS:]
        return out

    def _give_up(self, flow: Flow, way: tuple[Visit, ...], why: str) -> None:
        action = Action(kind="unknown", how=why, text=f"table {self.table.name} chain {self.base.name}")
        self.ends.append(End(action=action, flow=flow, visits=way))

    def _rule(self, place: _Place, flow: Flow, returned: list[Flow]) -> list[Flow] | None:
        """Which flows go on to the next rule? None when the rule changed nothing."""
        live: list[Flow] = [flow]
        passed: list[Flow] = []
        tests: list[Test] = []
        for op in place.rule.ops:
            if isinstance(op, TESTS):
                tests.append(op)
                continue
            if tests:
                live = self._filter(tests, live, passed)
                tests = []
            if not live:
                break
            live = [more for here in live for more in self._op(place, op, here, passed, returned)]
        else:
            if tests:
                live = self._filter(tests, live, passed)
        passed.extend(live)
        return None if len(passed) == 1 and passed[0] is flow else passed

    def _filter(self, tests: list[Test], live: list[Flow], passed: list[Flow]) -> list[Flow]:
        """Which flows match all the tests, or may? Those that do not, or may not, are put with the passed ones."""
        matched = []
        for here in live:
            yes, maybe, why = self._all(tests, here)
            if not yes and not maybe:
                passed.append(here)
                continue
            if rest := without(here.sources, yes):
                passed.append(here.only(rest))
            if yes:
                matched.append(here.only(yes))
            if maybe:
                matched.append(here.only(maybe, why))
        return matched

    def _all(self, tests: list[Test], flow: Flow) -> tuple[Ranges, Ranges, Doubt | None]:
        """Which sources pass every test, and of which does nobody know?"""
        yes: Ranges = flow.sources
        maybe: Ranges = ()
        why: Doubt | None = None
        for test in tests:
            found = test.rest if self.at_rest and isinstance(test, Open) else answer(test, flow)
            if found is True:
                continue
            if found is False:
                return (), (), None
            if found is None:
                yes, maybe = (), either(yes, maybe)
                why = why or doubt(test, flow)
                continue
            sure, possible = found
            both_ways = both(either(yes, maybe), either(sure, possible))
            yes = both(yes, sure)
            maybe = without(both_ways, yes)
            if possible and maybe and why is None:
                why = doubt(test, flow)
            if not both_ways:
                return (), (), None
        return yes, maybe, why

    def _op(self, place: _Place, op: Op, flow: Flow, passed: list[Flow], returned: list[Flow]) -> list[Flow]:
        """Which flows go on within the rule?"""
        if isinstance(op, (Change, Untrack, Touch)):
            state = apply(op, flow.state)
            return [flow if state == flow.state else flow.into(state)]
        if isinstance(op, Verdicts):
            return self._lookup(place, op, flow, passed, returned)
        if isinstance(op, Rewrite):
            self._end(place, ACCEPT, flow.into(rewritten(op, flow, self.base.hook)))
            return []
        if isinstance(op, Action):
            return self._act(place, op, flow, passed, returned)
        return [flow]

    def _lookup(self, place: _Place, op: Verdicts, flow: Flow, passed: list[Flow], returned: list[Flow]) -> list[Flow]:
        on: list[Flow] = []
        left = flow
        for row in op.table.rows_at(flow.state.values[Field.DPORT]):
            yes, maybe = row_split(op.table, row, left)
            if not yes and not maybe:
                continue
            here = replace(place, exact=row.ports)
            if yes:
                on.extend(self._op(here, row.data, left.only(yes), passed, returned))
            if maybe:
                on.extend(self._op(here, row.data, left.only(maybe, doubt(op.table, left)), passed, returned))
            rest = without(left.sources, yes)
            if not rest:
                return on
            left = left.only(rest)
        passed.append(left)
        return on

    def _act(self, place: _Place, op: Action, flow: Flow, passed: list[Flow], returned: list[Flow]) -> list[Flow]:
        if op.kind == "continue":
            return [flow]
        if op.kind == "return":
            returned.append(flow)
        elif op.kind in ("jump", "goto"):
            back = self._jump(place, op, flow)
            (passed if op.kind == "jump" else returned).extend(back)
        else:
            self._end(place, op, flow)
        return []

    def _jump(self, place: _Place, op: Action, flow: Flow) -> list[Flow]:
        target = self.table.chains.get(op.target)
        if target is None:
            self._end(place, Action(kind="unknown", how="the chain is not listed", text=f"chain {op.target}"), flow)
            return []
        return self._chain(target, flow, (*place.way, self._visit(place, flow)), place.depth + 1)

    def _end(self, place: _Place, action: Action, flow: Flow) -> None:
        self.ends.append(End(action=action, flow=flow, visits=(*place.way, self._visit(place, flow))))

    def _visit(self, place: _Place, flow: Flow) -> Visit:
        port = flow.lows[Field.DPORT]
        names = port == flow.highs[Field.DPORT] and (port in place.rule.ports or port in place.exact)
        return Visit(self.table, place.chain, self.base.hook, place.index, place.rule, names, self.base)


@dataclass(frozen=True, slots=True)
class _Place:
    """The rule that is being asked, and how the packet got there."""

    chain: Chain
    index: int
    rule: Rule
    way: tuple[Visit, ...]
    depth: int
    exact: frozenset[int] = frozenset()  # ports that the element of a verdict map names


def _union(alike: list[Flow]) -> Flow:
    if len(alike) == 1:
        return alike[0]
    sources = alike[0].sources
    for flow in alike[1:]:
        sources = either(sources, flow.sources)
    return alike[0].only(sources)


def rewritten(op: Rewrite, flow: Flow, hook: str) -> State:
    """What does NAT make of a packet?"""
    return _sourced(op, flow) if op.source else _led(op, flow.state, hook)


def _sourced(op: Rewrite, flow: Flow) -> State:
    state = replace(flow.state, bound=flow.state.bound | SOURCE)
    before = flow.state.values[Field.SOURCE] if Field.SOURCE not in state.peers else _one(flow.sources)
    address = op.address if op.known and not op.own else None
    if op.known and not op.own and address is None:
        moved: bool | None = False  # only the port is another
    else:
        moved = differ(before, address)
        if moved is not False:
            state = replace(
                changed(state, Field.SOURCE, address), peers=state.peers - {Field.SOURCE}, source_moved=True
            )
    if op.port is None and op.known:
        return _marked(state, "snat", (moved,))
    port = op.port if op.known else None
    return _marked(changed(state, Field.SPORT, port), "snat", (moved, differ(state.values[Field.SPORT], port)))


def _led(op: Rewrite, state: State, hook: str) -> State:
    version, before = state.values[Field.FAMILY], state
    # A redirect of what comes in leads to an address of the interface, which the rules do not tell.
    address = LOOPBACK.get(version) if op.own and hook == "output" else op.address
    port = state.values[Field.DPORT] if op.port is None else op.port
    if not op.known:
        port = None
    if not op.known or (op.own and address is None):
        state = changed(state, Field.DESTINATION, None)
    elif address is not None:
        state = changed(state, Field.DESTINATION, address)
    state = changed(state, Field.DPORT, port)
    rewritten = [Field.DPORT] if op.known and not op.own and address is None else [Field.DESTINATION, Field.DPORT]
    state = _marked(state, "dnat", [differ(before.values[at], state.values[at]) for at in rewritten])
    text = "" if op.own or address is None else _address(address, version)
    text = f"{text}:{_port(port)}" if op.known else op.says
    same = op.known and not op.own and address is None
    return replace(
        state, bound=state.bound | DESTINATION, rewritten=text, moved=state.moved if same else (address, op.own)
    )


def _one(sources: Ranges) -> Value:
    return sources[0] if len(sources) == 1 else None


def _marked(state: State, name: str, moved: Iterable[bool | None]) -> State:
    """Does connection tracking call it translated? Only if NAT changed something (nf_nat_setup_info of the kernel)."""
    status, moved = state.values[Field.STATUS], list(moved)
    if not isinstance(status, tuple) or status == ABSENT:
        return state
    if True in moved:
        return changed(state, Field.STATUS, (status[0] | STATUSES[name],) * 2)
    return changed(state, Field.STATUS, None) if None in moved else state


def _address(address: Range, version: object) -> str:
    written = in_words(address, 6 if version == (6, 6) else 4)
    return f"[{written}]" if version == (6, 6) else written


def _port(port: object) -> str:
    if not isinstance(port, tuple):
        return "?"
    return str(port[0]) if port[0] == port[1] else f"{port[0]}-{port[1]}"


def ordered(tables: Iterable[Table], hook: str, version: int, *, legacy_first: bool) -> list[tuple[Table, Chain]]:
    """In which order does a packet of this IP version come through the base chains of a hook?

    By priority; among equals the chain that was registered last comes first (nf_hook_entries_grow of the Linux kernel),
    which nft's list tells, but not of iptables-legacy's tables: they are as the caller supposes.
    NAT chains of all tables run together where NAT hooks in, by their own priority (nf_nat_inet_fn).
    """
    found = [
        (table, chain)
        for table in tables
        if table.sees(version)
        for chain in table.chains.values()
        if chain.hook == hook
    ]
    numbered = list(enumerate(found))
    numbered.sort(key=lambda item: (*_position(item[1][1], hook), is_legacy(item[1][0]) != legacy_first, -item[0]))
    return [pair for _, pair in numbered]


def is_legacy(table: Table) -> bool:
    """Is this a table of iptables-legacy, which nft does not list?"""
    return "legacy" in table.tool


def tied(tables: Iterable[Table]) -> bool:
    """Do iptables-legacy and nftables hook in at the same place, so that their order is not known?"""
    places: dict[bool, set[tuple[object, ...]]] = {True: set(), False: set()}
    for table in tables:
        for chain in table.chains.values():
            if chain.hook and (chain.live or chain.policy != "accept"):
                versions = [version for version in (4, 6) if table.sees(version)]
                places[is_legacy(table)].update(
                    (version, chain.hook, _position(chain, chain.hook)) for version in versions
                )
    return bool(places[True] & places[False])


def _position(chain: Chain, hook: str) -> tuple[int, int]:
    if chain.kind != "nat":
        return chain.priority, 0
    return (-100 if hook in ("prerouting", "output") else 100), chain.priority
