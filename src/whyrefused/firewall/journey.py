"""Through which hooks does a packet come, and what is known of it there?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from whyrefused.firewall.flow import Doubt, Flow, State, Value, changed
from whyrefused.firewall.model import Action, Chain, Field, Packet, Ruleset, Table, Untrack
from whyrefused.firewall.ranges import Range, Ranges, address_range, both, either
from whyrefused.firewall.start import Hook, answering, new, own, route_type, start, type_of
from whyrefused.firewall.walk import ACCEPT, End, Visit, Walk, ordered, tied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whyrefused.firewall.flow import Manip

TRACKING = -200
"""Where connection tracking hooks in: NF_IP_PRI_CONNTRACK of linux/netfilter_ipv4.h."""
MOST_PAIRS = 4096
"""Ways through earlier chains times ways through the next; beyond, the earlier ones are not told apart."""
BEFORE: dict[str, tuple[str, ...]] = {
    "input": ("ingress", "prerouting"), "forward": ("ingress", "prerouting"), "output": ("output",),
    "loop": ("output",),
}  # fmt: skip
AFTER: dict[str, tuple[str, ...]] = {
    "input": ("input",), "forward": ("forward", "postrouting", "egress"), "output": ("postrouting", "egress"),
    "loop": ("postrouting", "egress", "ingress", "prerouting", "input"),
}  # fmt: skip
"""`loop` is the way of what a host sends to itself, through its loopback interface."""
MANIPS: dict[str, Manip] = {
    "prerouting": "destination", "output": "destination", "postrouting": "source", "input": "source",
}  # fmt: skip
"""What NAT may rewrite at which hook: HOOK2MANIP of linux/netfilter/nf_nat.h."""
NAT: dict[Manip, int] = {"destination": -100, "source": 100}
"""Where NAT hooks in: NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC of linux/netfilter_ipv4.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the way of some sources ends, in one of its readings."""

    action: Action
    flow: Flow
    visits: tuple[Visit, ...]
    hook: str  # where it ended; for what goes through, which way it went


def journeys(  # noqa: PLR0913 - the question, and a way to read the rules
    ruleset: Ruleset, packet: Packet, hook: Hook, version: int, sources: Ranges, *, at_rest: bool = False
) -> list[Outcome]:
    """How does the way of each source end, in every order of the chains that is possible?"""
    outcomes = Journey(ruleset, packet, version, at_rest=at_rest).first(hook, sources)
    if tied(ruleset.tables):
        other = Journey(ruleset, packet, version, at_rest=at_rest, legacy_first=False).first(hook, sources)
        outcomes += [replace(each, flow=doubted(each.flow, OTHER_ORDER)) for each in other]
    return outcomes


OTHER_ORDER = Doubt(
    text="iptables-legacy", why="whether its rules or nftables' of the same priority come first is not known"
)


def doubted(flow: Flow, why: Doubt | None) -> Flow:
    """Which flow is the same in a reading that is one of several?"""
    return flow if why is None or flow.doubt else Flow(flow.state, flow.sources, why, flow.way)


class Journey:
    """The way of one packet, or of the one that answers it, through all hooks."""

    def __init__(  # noqa: PLR0913 - the question, and three ways to read the rules
        self,
        ruleset: Ruleset,
        packet: Packet,
        version: int,
        *,
        at_rest: bool = False,
        legacy_first: bool = True,
        loops: bool = False,
    ) -> None:
        self.ruleset = ruleset
        self.packet = packet
        self.version = version
        self.at_rest = at_rest
        self.legacy_first = legacy_first
        self.loops = loops  # what this host sends to itself comes in again
        self.out_interface = packet.out_interface
        self.track: Callable[[State], State] = self._answering if packet.reply else new
        self.restore: dict[Manip, Callable[[State], State]] = {}
        self.out: list[Outcome] = []

    def first(self, hook: str, sources: Ranges) -> list[Outcome]:
        """How does the way of each source end?"""
        asked: Hook = "output" if hook == "loop" else hook  # type: ignore[assignment]
        flows = [Flow(start(self.packet, asked, self.version), sources)]
        for name in BEFORE[hook]:
            flows = self._hook(name, flows)
        for way, after in self._routed(hook, flows):
            self._rest(way, after)
        return self.out

    def back(self, way: str, flow: Flow) -> list[Outcome]:
        """How does the way of a packet end that needs no routing by NAT: an answer, or an error?"""
        flows = [flow]
        for name in BEFORE[way]:
            flows = self._hook(name, flows)
        self._rest(way, [flow.into(self._going(flow.state, way)) for flow in flows])
        return self.out

    def _rest(self, way: str, flows: list[Flow]) -> None:
        for name in AFTER[way]:
            flows = self._hook(name, flows)
        self.out.extend(Outcome(action=ACCEPT, flow=flow, visits=flow.way, hook=way) for flow in flows)

    def _answering(self, state: State) -> State:
        chains = [chain for table in self.ruleset.tables for chain in table.chains.values() if chain.live]
        alone = any(isinstance(op, Untrack) for chain in chains for _, _, rule in chain.live for op in rule.ops)
        nat = any(chain.kind == "nat" for chain in chains)
        return answering(state, untracked=None if alone else False, nat=nat)

    def _hook(self, hook: str, flows: list[Flow]) -> list[Flow]:
        """Which flows leave a hook?"""
        flows = [flow.into(_entered(hook, flow.state)) for flow in flows]
        pending = self._events(hook)
        for table, chain in ordered(self.ruleset.tables, hook, self.version, legacy_first=self.legacy_first):
            while pending and chain.priority > pending[0][0]:
                flows = _all(pending.pop(0)[1], flows)
            if chain.live or chain.policy != "accept":
                flows = self._base(table, chain, flows)
            if not flows:
                return []
        for _, event in pending:
            flows = _all(event, flows)
        manip = MANIPS.get(hook)
        return flows if manip is None else [flow.into(_bound(flow.state, manip)) for flow in flows]

    def _events(self, hook: str) -> list[tuple[int, Callable[[State], State]]]:
        """What does the kernel itself do at this hook, behind which priority?"""
        found: list[tuple[int, Callable[[State], State]]] = []
        if hook in ("prerouting", "output"):
            found.append((TRACKING, self._tracked))
        manip = MANIPS.get(hook)
        if manip in self.restore:
            found.append((NAT[manip], self._restored(manip)))
        return found

    def _tracked(self, state: State) -> State:
        # What comes in by the loopback interface was seen when it went out.
        return state if state.seen else replace(self.track(state), seen=True)

    def _restored(self, manip: Manip) -> Callable[[State], State]:
        def restored(state: State) -> State:
            if state.untracked or manip in state.restored:
                return state
            return replace(self.restore[manip](state), restored=state.restored | {manip})

        return restored

    def _base(self, table: Table, chain: Chain, flows: list[Flow]) -> list[Flow]:
        """Which flows does a base chain accept?"""
        out: list[Flow] = []
        for alike in _alike(flows):
            first = alike[0].state
            skipped = chain.kind == "nat" and (MANIPS.get(chain.hook) in first.bound or first.untracked)
            here = _device(chain, first)
            if skipped or here is False:
                out.extend(alike)
                continue
            if here is None:
                out.extend(alike)
                why = Doubt(text=f"chain {chain.name}", why="which device it belongs to is not known")
                alike = [doubted(flow, why) for flow in alike]  # noqa: PLW2901
            out.extend(self._through(table, chain, alike))
        return out

    def _through(self, table: Table, chain: Chain, alike: list[Flow]) -> list[Flow]:
        sources = alike[0].sources
        for flow in alike[1:]:
            sources = either(sources, flow.sources)
        ends = Walk(table, chain, at_rest=self.at_rest).run(Flow(alike[0].state, sources, alike[0].doubt))
        if len(alike) * len(ends) > MOST_PAIRS:
            alike = [Flow(alike[0].state, sources, alike[0].doubt)]
        out = []
        for flow in alike:
            for end in ends:
                if shared := both(flow.sources, end.flow.sources):
                    state = self._retyped(flow.state, end.flow.state)
                    left = Flow(state, shared, end.flow.doubt, flow.way + _shown(end, chain))
                    out.extend(self._leave(end, left, chain.hook))
        return out

    def _leave(self, end: End, flow: Flow, hook: str) -> list[Flow]:
        if end.action.kind == "accept":
            return [flow]
        self.out.append(Outcome(action=end.action, flow=flow, visits=flow.way, hook=hook))
        return []

    def _retyped(self, before: State, after: State) -> State:
        """Are the addresses that NAT gave the host's own?"""
        if after.moved is not None and after.moved != before.moved:
            address, mine = after.moved
            local = True if mine else own(self.packet, self.version, address)
            after = changed(after, Field.TYPE_OF_DESTINATION, type_of(local))
        if after.source_moved and not before.source_moved:
            address = after.values[Field.SOURCE]  # type: ignore[assignment]
            # masquerade gives one of the host's own
            local = True if address is None else own(self.packet, self.version, address)
            after = changed(after, Field.TYPE_OF_SOURCE, type_of(local))
        return after

    def _routed(self, hook: str, flows: list[Flow]) -> list[tuple[str, list[Flow]]]:
        """Which way does each flow go on, once NAT had its say about the destination?"""
        ways: dict[str, list[Flow]] = {}
        for flow in flows:
            for way, sure in self._where(hook, flow.state):
                text = f"destination {flow.state.rewritten}"
                why = None if sure else Doubt(text=text, why="whether that is an address of this host is not known")
                here = doubted(flow, why)
                ways.setdefault(way, []).append(here.into(self._going(flow.state, way)))
        return list(ways.items())

    def _where(self, hook: str, state: State) -> list[tuple[str, bool]]:
        if state.moved is None or (hook == "output" and not self.loops):
            return [(hook, True)]
        address, mine = state.moved
        here = True if mine else own(self.packet, self.version, address)
        inside, outside = ("loop", "output") if hook in ("output", "loop") else ("input", "forward")
        if here is None and hook in ("input", "forward") and address is not None and self.packet.destination:
            asked = address_range(self.packet.destination)[1]
            here = (hook == "input") if address == asked else None
        if here is None:
            # The reading that the question takes for granted stays the sure one.
            return [(inside, hook == inside), (outside, hook == outside)]
        return [(inside if here else outside, True)]

    def _going(self, state: State, way: str) -> State:
        """What is known of the packet once it is routed?"""
        if state.moved is not None and way in ("input", "forward"):
            state = changed(state, Field.TYPE_OF_DESTINATION, route_type("local" if way == "input" else "unicast"))
        if way == "loop":
            return changed(state, Field.OIF, "lo")
        if way == "output" and "destination" in state.restored:
            return changed(state, Field.OIF, self.out_interface)
        if way != "forward" and not (way == "output" and state.moved is not None):
            return state
        out = self.out_interface if state.moved is None else None
        return changed(state, Field.OIF, out or self._route(state.values[Field.DESTINATION]))

    def _route(self, destination: Value) -> str | None:
        """Through which interface does the longest matching route lead?"""
        found: tuple[int, str] | None = None
        for network, interface in self.packet.routes:
            version, span = address_range(network)
            if version == self.version and isinstance(destination, tuple):
                size = span[1] - span[0]
                inside = span[0] <= destination[0] and destination[1] <= span[1]
                if inside and (found is None or size < found[0]):
                    found = (size, interface)
        return found[1] if found else None


def _all(event: Callable[[State], State], flows: list[Flow]) -> list[Flow]:
    return [flow.into(event(flow.state)) for flow in flows]


def _entered(hook: str, state: State) -> State:
    """What does a packet that a host sends itself look like when it comes in again?"""
    if hook in ("ingress", "prerouting") and state.values[Field.OIF] == "lo":
        return changed(changed(state, Field.IIF, "lo"), Field.OIF, "")
    return state


def _bound(state: State, manip: Manip) -> State:
    return state if manip in state.bound else replace(state, bound=state.bound | {manip})


def _alike(flows: Sequence[Flow]) -> list[list[Flow]]:
    groups: dict[tuple[Any, ...], list[Flow]] = {}
    for flow in flows:
        groups.setdefault((flow.state, id(flow.doubt)), []).append(flow)
    return list(groups.values())


def _device(chain: Chain, state: State) -> bool | None:
    """Does the packet come through the device of this ingress or egress chain?"""
    if chain.hook not in ("ingress", "egress"):
        return True
    name = state.values[Field.IIF if chain.hook == "ingress" else Field.OIF]
    if chain.devices is None or name is None:
        return None
    return name in chain.devices


def _shown(end: End, chain: Chain) -> tuple[Visit, ...]:
    """What of a way through a base chain is worth telling?"""
    policy = bool(end.visits) and end.visits[-1].rule is None
    if (
        policy
        and end.action.kind == "accept"
        and (chain.kind != "filter" or chain.hook in ("prerouting", "postrouting"))
    ):
        return ()
    return end.visits


def span_of(source: str, version: int) -> Range:
    """Which addresses does a packet's `source` mean?"""
    if source == "any":
        return 0, (1 << (32 if version == 4 else 128)) - 1  # noqa: PLR2004 - IP version
    return address_range(source)[1]
