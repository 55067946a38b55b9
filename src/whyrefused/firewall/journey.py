"""Through which hooks does a packet come, and what is known of it there?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from whyrefused.firewall.flow import ABSENT, Doubt, Flow, State, Value, changed
from whyrefused.firewall.model import (
    CHANCES,
    FLAGS,
    PROTOCOLS,
    ROUTE_TYPES,
    STATES,
    STATUSES,
    Action,
    Chain,
    Field,
    Packet,
    Ruleset,
    Table,
    Untrack,
)
from whyrefused.firewall.ranges import Range, Ranges, address_range, both, either
from whyrefused.firewall.walk import ACCEPT, End, Visit, Walk, ordered, tied

if TYPE_CHECKING:
    from collections.abc import Sequence

Hook = Literal["input", "output", "forward"]
TRACKING = -200
"""Where connection tracking hooks in: NF_IP_PRI_CONNTRACK of linux/netfilter_ipv4.h."""
EPHEMERAL = (1024, 65535)
TRACKED = (Field.STATUS, Field.CT_MARK, Field.DIRECTION, Field.ORIGINAL_DESTINATION, Field.ORIGINAL_DPORT)
MOST_PAIRS = 4096
"""Ways through earlier chains times ways through the next; beyond, the earlier ones are not told apart."""
BEFORE = {"input": ("ingress", "prerouting"), "forward": ("ingress", "prerouting"), "output": ("output",)}
AFTER = {"input": ("input",), "forward": ("forward", "postrouting", "egress"), "output": ("postrouting", "egress")}
LOOPBACK = {4: address_range("127.0.0.0/8")[1], 6: address_range("::1")[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the way of some sources ends, in one of its readings."""

    action: Action
    flow: Flow
    visits: tuple[Visit, ...]


def journeys(  # noqa: PLR0913 - the question, and a way to read the rules
    ruleset: Ruleset, packet: Packet, hook: Hook, version: int, sources: Ranges, *, at_rest: bool = False
) -> list[Outcome]:
    """How does the way of each source end, in every order of the chains that is possible?"""
    outcomes = Journey(ruleset, packet, hook, version, at_rest=at_rest).run(sources)
    if tied(ruleset.tables):
        other = Journey(ruleset, packet, hook, version, at_rest=at_rest, legacy_first=False).run(sources)
        why = Doubt(
            text="iptables-legacy", why="whether its rules or nftables' of the same priority come first is not known"
        )
        outcomes += [
            replace(each, flow=Flow(each.flow.state, each.flow.sources, each.flow.doubt or why, each.flow.way))
            for each in other
        ]
    return outcomes


class Journey:
    """One packet's way through all hooks."""

    def __init__(  # noqa: PLR0913 - the question, and two ways to read the rules
        self,
        ruleset: Ruleset,
        packet: Packet,
        hook: Hook,
        version: int,
        *,
        at_rest: bool = False,
        legacy_first: bool = True,
    ) -> None:
        self.ruleset = ruleset
        self.packet = packet
        self.hook = hook
        self.version = version
        self.at_rest = at_rest
        self.legacy_first = legacy_first
        self.out: list[Outcome] = []

    def run(self, sources: Ranges) -> list[Outcome]:
        """How does the way of each source end?"""
        flows = [Flow(self._start(), sources)]
        for hook in BEFORE[self.hook]:
            flows = self._hook(hook, flows)
        for hook, after in self._routed(flows):
            for name in AFTER[hook]:
                after = self._hook(name, after)  # noqa: PLW2901 - what is left goes on to the next hook
            self.out.extend(Outcome(action=ACCEPT, flow=flow, visits=flow.way) for flow in after)
        return self.out

    def _start(self) -> State:
        """What is known of the packet where the host first sees it?"""
        packet = self.packet
        values: list[Value] = [None] * len(Field)
        protocol = PROTOCOLS.get(packet.protocol) or int(packet.protocol)
        values[Field.FAMILY] = (self.version, self.version)
        values[Field.PROTOCOL] = (protocol, protocol)
        values[Field.DESTINATION] = address_range(packet.destination)[1] if packet.destination else None
        values[Field.SPORT] = (packet.source_port,) * 2 if packet.source_port is not None else EPHEMERAL
        values[Field.DPORT] = (packet.port, packet.port)
        values[Field.IIF], values[Field.OIF] = (
            ("", packet.interface) if self.hook == "output" else (packet.interface, "")
        )
        values[Field.MARK] = (packet.mark, packet.mark)
        values[Field.STATE] = (STATES["invalid"],) * 2
        for field in TRACKED:
            values[field] = ABSENT
        values[Field.FLAGS] = (FLAGS["syn"] | (FLAGS["ack"] if packet.reply else 0),) * 2
        self._owned(values)
        values[Field.TYPE_OF_SOURCE] = self._type_of_source()
        values[Field.TYPE_OF_DESTINATION] = self._type_of_destination(values[Field.DESTINATION])
        values[Field.ROUTE_BACK] = None if packet.route_back is None else (int(packet.route_back),) * 2
        values[Field.PACKET_TYPE] = (0, 0)
        values[Field.FRAGMENT] = (0, 0)
        values[Field.CHANCE] = CHANCES
        return State(values=tuple(values))

    def _owned(self, values: list[Value]) -> None:
        """Put in whose packet it is. An answer belongs to a socket that the question does not tell."""
        packet = self.packet
        if packet.reply:
            values[Field.DPORT] = (packet.port, packet.port) if packet.port else EPHEMERAL
        elif self.hook == "output":
            for field, owner in ((Field.UID, packet.uid), (Field.GID, packet.gid)):
                values[field] = None if owner is None else (owner, owner)
            values[Field.CGROUP] = packet.cgroup
            values[Field.SAME_CGROUP] = (1, 1) if packet.same_cgroup else None
        else:
            values[Field.UID] = values[Field.GID] = ABSENT
            values[Field.CGROUP] = ""

    def _type_of_source(self) -> Value:
        # From outside, an address of the host itself would be a martian.
        local = self.hook == "output" or self.packet.interface == "lo"
        kind = ROUTE_TYPES["local" if local else "unicast"]
        return kind, kind

    def _type_of_destination(self, destination: Value) -> Value:
        """Is the destination local? It is what the question's hook says: only local packets come to input."""
        if isinstance(destination, tuple) and destination[0] == destination[1]:
            address = (ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address)(destination[0])  # noqa: PLR2004 - IP version
            if address.is_multicast:
                return (ROUTE_TYPES["multicast"],) * 2
            if self.version == 4 and destination[0] == LIMITED_BROADCAST:  # noqa: PLR2004 - IP version
                return (ROUTE_TYPES["broadcast"],) * 2
        local = self.hook == "input" if self.hook != "output" else self._own(destination)
        if local is None:
            return None
        return (ROUTE_TYPES["local" if local else "unicast"],) * 2

    def _own(self, destination: Value) -> bool | None:
        """Is this one of the host's own addresses?"""
        if not isinstance(destination, tuple):
            return None
        low, high = LOOPBACK[self.version]
        if low <= destination[0] and destination[1] <= high:
            return True
        if self.packet.addresses is None:
            return None
        own = {int(one) for one in map(ipaddress.ip_address, self.packet.addresses) if one.version == self.version}
        inside = sum(destination[0] <= one <= destination[1] for one in own)
        return False if not inside else True if inside == destination[1] - destination[0] + 1 else None

    def _hook(self, hook: str, flows: list[Flow]) -> list[Flow]:
        """Which flows leave a hook?"""
        tracked = hook not in ("prerouting", "output", "ingress")
        flows = [flow.into(replace(flow.state, translated=False)) for flow in flows]
        for table, chain in ordered(self.ruleset.tables, hook, self.version, legacy_first=self.legacy_first):
            if not tracked and chain.priority > TRACKING and hook != "ingress":
                flows, tracked = [flow.into(self._tracked(flow.state)) for flow in flows], True
            if chain.live or chain.policy != "accept":
                flows = self._base(table, chain, flows)
            if not flows:
                return []
        return flows if tracked or hook == "ingress" else [flow.into(self._tracked(flow.state)) for flow in flows]

    def _tracked(self, state: State) -> State:
        """What is known of the packet behind connection tracking?"""
        return _answering(state, self.ruleset) if self.packet.reply and not state.untracked else _tracked(state)

    def _base(self, table: Table, chain: Chain, flows: list[Flow]) -> list[Flow]:
        """Which flows does a base chain accept?"""
        out: list[Flow] = []
        for alike in _alike(flows):
            first = alike[0]
            # NAT rules see the first packet of a connection only; those after it go the same way.
            # Of what a host sends itself, the first hook was output: prerouting comes after NAT has decided.
            later = self.packet.reply or (chain.hook == "prerouting" and self.packet.interface == "lo")
            skipped = chain.kind == "nat" and (later or first.state.translated or first.state.untracked)
            here = _device(chain, first.state)
            if skipped or here is False:
                out.extend(alike)
                continue
            if here is None:
                out.extend(alike)
                why = Doubt(text=f"chain {chain.name}", why="which device it belongs to is not known")
                alike = [Flow(flow.state, flow.sources, flow.doubt or why, flow.way) for flow in alike]  # noqa: PLW2901
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
                    out.extend(
                        self._leave(end, Flow(end.flow.state, shared, end.flow.doubt, flow.way + _shown(end, chain)))
                    )
        return out

    def _leave(self, end: End, flow: Flow) -> list[Flow]:
        if end.action.kind == "accept":
            return [flow]
        self.out.append(Outcome(action=end.action, flow=flow, visits=flow.way))
        return []

    def _routed(self, flows: list[Flow]) -> list[tuple[Hook, list[Flow]]]:
        """At which hook does each flow go on, once NAT had its say about the destination?"""
        ways: dict[Hook, list[Flow]] = {}
        for flow in flows:
            for hook, sure in self._where(flow.state):
                why = None
                if not sure:
                    text = f"destination {flow.state.rewritten}"
                    why = Doubt(text=text, why="whether that is an address of this host is not known")
                state = self._arrived(flow.state, hook)
                ways.setdefault(hook, []).append(Flow(state, flow.sources, flow.doubt or why, flow.way))
        return list(ways.items())

    def _where(self, state: State) -> list[tuple[Hook, bool]]:
        if self.hook == "output" or state.moved is None:
            return [(self.hook, True)]
        address, own = state.moved
        here = True if own else self._own(address)
        if here is None and address is not None and self.packet.destination:
            asked = address_range(self.packet.destination)[1]
            here = (self.hook == "input") if address == asked else None
        if here is None:
            # The reading that the question takes for granted stays the sure one.
            return [("input", self.hook == "input"), ("forward", self.hook == "forward")]
        return [("input" if here else "forward", True)]

    def _arrived(self, state: State, hook: Hook) -> State:
        """What is known of the packet once it is routed?"""
        if state.moved is not None:
            kind = ROUTE_TYPES["local" if hook == "input" else "unicast"]
            state = changed(state, Field.TYPE_OF_DESTINATION, (kind, kind) if hook != "output" else None)
        if hook != "forward":
            return state
        out = self.packet.out_interface if state.moved is None else None
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


LIMITED_BROADCAST = 0xFFFFFFFF


def _answering(state: State, ruleset: Ruleset) -> State:
    """What is known behind connection tracking of a packet that answers the first one of a connection?"""
    chains = [chain for table in ruleset.tables for chain in table.chains.values() if chain.live]
    # Where some connections are left alone, whether this is one of them depends on its first packet.
    alone = any(isinstance(op, Untrack) for chain in chains for _, _, rule in chain.live for op in rule.ops)
    nat = any(chain.kind == "nat" for chain in chains)
    values = list(state.values)
    values[Field.STATE] = None if alone else (STATES["established"],) * 2
    values[Field.DIRECTION] = None if alone else (1, 1)
    values[Field.STATUS] = None if alone or nat else (STATUSES["seen-reply"] | STATUSES["confirmed"],) * 2
    values[Field.CT_MARK] = values[Field.ORIGINAL_DESTINATION] = values[Field.ORIGINAL_DPORT] = None
    return replace(state, values=tuple(values))


def _tracked(state: State) -> State:
    """What is known of a new connection's packet behind connection tracking?"""
    if state.untracked:
        return changed(state, Field.STATE, (STATES["untracked"],) * 2)
    values = list(state.values)
    values[Field.STATE] = (STATES["new"],) * 2
    values[Field.STATUS] = values[Field.CT_MARK] = values[Field.DIRECTION] = (0, 0)
    values[Field.ORIGINAL_DESTINATION] = values[Field.DESTINATION]
    values[Field.ORIGINAL_DPORT] = values[Field.DPORT]
    return replace(state, values=tuple(values))


def _alike(flows: Sequence[Flow]) -> list[list[Flow]]:
    groups: dict[tuple[State, int], list[Flow]] = {}
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
