"""What do the ways of all sources mean: one verdict for each, and the rules that decided it?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.firewall import render
from whyrefused.firewall.author import author
from whyrefused.firewall.journey import Outcome, journeys, span_of
from whyrefused.firewall.model import Field, Packet, Part, Ruleset, Step, Trace, Verdict
from whyrefused.firewall.ranges import Range, Ranges, in_words, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whyrefused.firewall.start import Hook
    from whyrefused.firewall.walk import Visit

ICMPX = {
    4: {"port-unreachable": "icmp port-unreachable", "admin-prohibited": "icmp admin-prohibited",
        "no-route": "icmp net-unreachable", "host-unreachable": "icmp host-unreachable"},
    6: {"port-unreachable": "icmpv6 port-unreachable", "admin-prohibited": "icmpv6 admin-prohibited",
        "no-route": "icmpv6 no-route", "host-unreachable": "icmpv6 addr-unreachable"},
}  # fmt: skip
"""What `reject with icmpx` sends: nft_reject_icmp_code and nft_reject_icmpv6_code of the Linux kernel."""
MOST_QUIET = 32
"""Parts for which the verdict at rest is worked out; a ruleset with more of them is beyond reading anyway."""


def judge(ruleset: Ruleset, packet: Packet, hook: Hook = "input") -> Trace:
    """What do the rules do with this packet?

    With more than one source the answer holds for all of them; where they differ it is cannot-tell, and `judge_all`
    has the parts. `any` means the sources of the destination's IP version, IPv4 without a destination.
    """
    version = version_of(packet)
    parts = _parts(ruleset, packet, hook, version, (span_of(packet.source, version),))
    if len(parts) == 1:
        return parts[0][1]
    alike = {trace.verdict for _, trace in parts}
    if len(alike) == 1:
        return max(parts, key=lambda part: sum(high - low for low, high in part[0]))[1]
    spans = [(in_words(ranges[0], version), trace.verdict) for ranges, trace in parts[:2]]
    return Trace(
        verdict="cannot-tell",
        why="the sources differ: " + ", ".join(f"{source} {verdict}" for source, verdict in spans) + ", …",
        readings=tuple(sorted(alike)),
    )


def judge_all(ruleset: Ruleset, packet: Packet, hook: Hook = "input") -> tuple[Part, ...]:
    """Which of the packet's sources do the rules treat alike, and how?

    The parts are exact: every address of `packet.source` is in one of them. `any` without a destination means IPv4 and
    IPv6, each in parts of its own.
    """
    versions = (4, 6) if packet.source == "any" and not packet.destination else (version_of(packet),)
    found = []
    for version in versions:
        for ranges, trace in _parts(ruleset, packet, hook, version, (span_of(packet.source, version),)):
            found.append(Part(sources=tuple(in_words(span, version) for span in ranges), trace=trace))
    return tuple(found)


def version_of(packet: Packet) -> int:
    """Of which IP version is the question? Raises ValueError where its addresses are of two."""
    versions = set()
    if packet.source != "any":
        versions.add(ipaddress.ip_network(packet.source.partition("-")[0], strict=False).version)
    if packet.destination:
        versions.add(ipaddress.ip_address(packet.destination).version)
    if len(versions) > 1:
        raise ValueError(f"{packet.source} and {packet.destination} are not of one IP version")
    return versions.pop() if versions else 4


def _parts(ruleset: Ruleset, packet: Packet, hook: Hook, version: int, sources: Ranges) -> list[tuple[Ranges, Trace]]:
    """Which sources share a trace?"""
    outcomes = journeys(ruleset, packet, hook, version, sources)
    parts: list[tuple[Ranges, Trace]] = []
    for ranges, readings in cut([outcome.flow.sources for outcome in outcomes]):
        trace = trace_of([outcomes[at] for at in readings], ruleset, version)
        if trace.verdict == "cannot-tell" and len(parts) < MOST_QUIET:
            trace = _with_quiet(trace, ruleset, packet, hook, version, ranges)
        parts.append((ranges, trace))
    return parts


def _with_quiet(  # noqa: PLR0913, PLR0917 - the question once more
    trace: Trace, ruleset: Ruleset, packet: Packet, hook: Hook, version: int, ranges: Ranges
) -> Trace:
    outcomes = journeys(ruleset, packet, hook, version, ranges, at_rest=True)
    quiet = {
        trace_of([outcomes[at] for at in readings], ruleset, version).verdict
        for _, readings in cut([outcome.flow.sources for outcome in outcomes])
    }
    return replace(trace, quiet=quiet.pop() if len(quiet) == 1 and quiet != {"cannot-tell"} else None)


def cut(sources: Sequence[Ranges]) -> Iterable[tuple[Ranges, tuple[int, ...]]]:
    """Into which parts do sets that may overlap cut everything, and which of the sets (by position) holds each?"""
    events: list[tuple[int, int, int]] = []
    for at, ranges in enumerate(sources):
        for low, high in ranges:
            events.append((low, 1, at))
            events.append((high + 1, -1, at))
    events.sort(key=lambda event: event[0])
    active: dict[int, int] = {}
    groups: dict[tuple[int, ...], list[Range]] = {}
    start = 0
    for point, step, at in events:
        if active and point > start:
            groups.setdefault(tuple(sorted(active)), []).append((start, point - 1))
        start = point
        active[at] = active.get(at, 0) + step
        if not active[at]:
            del active[at]
    for holding, spans in groups.items():
        yield tidy(spans), holding


def verdict_of(outcome: Outcome) -> Verdict:
    """Which verdict is the end of a way?"""
    kind = outcome.action.kind
    return "cannot-tell" if kind == "unknown" else kind  # type: ignore[return-value]


def how_of(outcome: Outcome, version: int) -> str:
    """With what does a rule reject? Empty where it does not."""
    kind, _, code = outcome.action.how.partition(" ")
    if outcome.action.kind != "reject":
        return ""
    return ICMPX[version].get(code, outcome.action.how) if kind == "icmpx" else outcome.action.how


def trace_of(readings: list[Outcome], ruleset: Ruleset, version: int) -> Trace:
    """Which trace do the readings of one source make?"""
    readings = sorted(readings, key=lambda outcome: outcome.flow.doubt is not None)
    first = readings[0]
    verdicts = {verdict_of(outcome) for outcome in readings}
    why = ""
    if len(verdicts) > 1 or "cannot-tell" in verdicts:
        why = why_of(readings)
    elif ruleset.unseen and "accept" in verdicts:
        why = f"cannot tell: {ruleset.unseen[0]}"
        verdicts |= {"reject", "drop"}
    steps = _steps(first)
    port = first.flow.lows[Field.DPORT]
    refused = first.action.kind in ("reject", "drop")
    return Trace(
        verdict="cannot-tell" if why else verdict_of(first),
        how=" or ".join(dict.fromkeys(filter(None, (how_of(outcome, version) for outcome in readings))))
        if not why
        else "",
        why=why,
        steps=steps,
        names_port=_names_port(first.visits, refused=refused),
        author=author(_deciding(first.visits, refused=refused)),
        redirected=_redirected(readings),
        port=port if port == first.flow.highs[Field.DPORT] else None,
        readings=tuple(sorted(verdicts - {"cannot-tell"})) if why else (),
        quiet=None if why else verdict_of(first),
    )


def _redirected(readings: list[Outcome]) -> str:
    """Where does NAT send it? A balancer draws one of several destinations."""
    told = {outcome.flow.state.rewritten for outcome in readings}
    return readings[0].flow.state.rewritten if "" in told else " or ".join(sorted(told))


def why_of(readings: list[Outcome]) -> str:
    """Which match keeps us from telling?"""
    for outcome in readings:
        if outcome.flow.doubt is not None:
            text = outcome.flow.doubt.text
            written = text if isinstance(text, str) else render.statement(text)
            return f"cannot tell because of `{written[:300]}`: {outcome.flow.doubt.why}"
    for outcome in readings:
        if outcome.action.kind == "unknown":
            return f"cannot tell because of `{outcome.action.text[:300]}`: {outcome.action.how}"
    return "cannot tell: the rules can be read in more than one way"


def _names_port(visits: tuple[Visit, ...], *, refused: bool) -> bool:
    """Does the deciding rule, or a jump that led to it, name the port? A policy never does."""
    if not visits or visits[-1].rule is None:
        return not refused and any(visit.names_port for visit in visits)
    if refused:
        visits = tuple(visit for visit in visits if visit.base is visits[-1].base)
    return any(visit.names_port for visit in visits)


def _deciding(visits: tuple[Visit, ...], *, refused: bool) -> Visit | None:
    """Which visit had the last word? As `Trace.decided` has it."""
    words = [visit for at, visit in enumerate(visits) if _leaves(visits, at)]
    if refused or not words:
        return visits[-1] if visits else None
    return next((visit for visit in reversed(words) if visit.rule is not None), words[-1])


def _leaves(visits: tuple[Visit, ...], at: int) -> bool:
    """Does the packet leave a base chain at this visit?"""
    if at + 1 == len(visits) or visits[at].rule is None:
        return True
    here, following = visits[at], visits[at + 1]
    return (following.table, following.hook, following.base) != (here.table, here.hook, here.base)


def _steps(outcome: Outcome) -> tuple[Step, ...]:
    """Which rules and policies does the trace show?"""
    visits = outcome.visits
    last = outcome.action.kind in ("reject", "drop")
    steps = []
    for at, visit in enumerate(visits):
        steps.append(step(visit, decided=_leaves(visits, at) and (at + 1 == len(visits) or not last)))
    return tuple(steps)


def step(visit: Visit, *, decided: bool) -> Step:
    """How is one rule on the way shown?"""
    rule = visit.rule
    text = f"policy {visit.chain.policy}"
    if rule is not None:
        text = rule.text if isinstance(rule.text, str) else render.rule(rule.text)
    native = rule is None or not isinstance(rule.text, str)
    return Step(
        tool="nft" if native and rule is not None else visit.table.tool,
        family=visit.table.family,
        table=visit.table.name,
        chain=visit.chain.name,
        hook=visit.hook,
        rule=text,
        handle=rule.handle if rule else None,
        index=visit.number,
        comment=rule.comment if rule else "",
        counter=rule.counter if rule else None,
        decided=decided,
        names_port=visit.names_port,
    )
