"""What comes of a connection: does its first packet get there, and what of what comes back?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.firewall import reply
from whyrefused.firewall.flow import Flow
from whyrefused.firewall.journey import OTHER_ORDER, Journey, Outcome, doubted, span_of
from whyrefused.firewall.model import Action, RoundTrip
from whyrefused.firewall.ranges import address_range, in_words
from whyrefused.firewall.start import own, start
from whyrefused.firewall.verdict import cut, how_of, trace_of, verdict_of, version_of, why_of
from whyrefused.firewall.walk import tied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.firewall.model import Packet, Ruleset, Verdict
    from whyrefused.firewall.ranges import Ranges
    from whyrefused.firewall.start import Hook

MOST_WAYS = 64
"""Ways out and back that are told apart; a ruleset with more is beyond reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One way out, and one way back where there is one."""

    there: Outcome
    back: Outcome | None = None
    known: bool | None = True  # the client knows what comes back

    @property
    def sources(self) -> Ranges:
        return (self.back or self.there).flow.sources

    @property
    def verdict(self) -> Verdict:
        there = verdict_of(self.there)
        if self.back is None:
            return there
        back = verdict_of(self.back)
        if back == "cannot-tell" or (back == "accept" and self.known is None):
            return "cannot-tell"
        return there if back == "accept" and self.known else "drop"

    @property
    def possible(self) -> set[Verdict]:
        """What may come of it?"""
        unsure = self.verdict == "cannot-tell" and self.known is None
        return {verdict_of(self.there), "drop"} if unsure else {self.verdict}


def round_trip(ruleset: Ruleset, packet: Packet, hook: Hook = "input") -> tuple[RoundTrip, ...]:
    """What does each source see of a connection that these rules stand in the way of, out and back?

    `hook` is the first that the packet is asked about: input for what this host takes, forward for what goes through
    it, output for what it opens itself (by the loopback interface too, where the destination is its own). An accept
    that stays without an answer, because the rules keep that back, is a drop; so is a reject whose error is kept back.
    """
    version = version_of(packet)
    way = "loop" if hook == "output" and _loops(packet, version) else hook
    sources = (span_of(packet.source, version),)
    readings = _readings(ruleset, packet, way, version, sources, legacy_first=True)
    if tied(ruleset.tables):
        readings += [
            replace(each, there=replace(each.there, flow=doubted(each.there.flow, OTHER_ORDER)))
            for each in _readings(ruleset, packet, way, version, sources, legacy_first=False)
        ]
    return tuple(
        _trip([readings[at] for at in chosen], ranges, ruleset, version)
        for ranges, chosen in cut([one.sources for one in readings])
    )


def _loops(packet: Packet, version: int) -> bool:
    destination = address_range(packet.destination)[1] if packet.destination else None
    return packet.interface == "lo" or own(packet, version, destination) is True


def _readings(  # noqa: PLR0913 - the question, and an order of the chains
    ruleset: Ruleset, packet: Packet, way: str, version: int, sources: Ranges, *, legacy_first: bool
) -> list[_Reading]:
    first = start(packet, "output" if way == "loop" else way, version)  # type: ignore[arg-type]
    found: list[_Reading] = []
    outcomes = Journey(ruleset, packet, version, legacy_first=legacy_first, loops=True).first(way, sources)
    for there in outcomes:
        last = there.flow.state
        if there.action.kind == "accept":
            back = reply.answer(first, last, there.hook)
        elif there.action.kind == "reject":
            back = reply.error(first, last, how_of(there, version))
        else:
            found.append(_Reading(there=there))
            continue
        if len(found) > MOST_WAYS:
            unread = Action(kind="unknown", how="there are too many ways through the rules", text="the answer")
            found.append(_Reading(there=replace(there, action=unread)))
            continue
        found += [
            _Reading(there=there, back=each, known=reply.knows(first, last, each.flow.state))
            for each in _backs(ruleset, packet, version, there, back, legacy_first=legacy_first)
        ]
    return found


def _backs(  # noqa: PLR0913 - the question, and an order of the chains
    ruleset: Ruleset, packet: Packet, version: int, there: Outcome, back: reply.Return, *, legacy_first: bool
) -> list[Outcome]:
    journey = Journey(ruleset, packet, version, legacy_first=legacy_first)
    journey.track, journey.restore, journey.out_interface = back.track, back.restore, back.out_interface
    flow = Flow(back.state, there.flow.sources, there.flow.doubt)
    return journey.back(back.way, flow)


def _trip(readings: list[_Reading], ranges: Ranges, ruleset: Ruleset, version: int) -> RoundTrip:
    """What do the readings of one source mean together?"""
    there = trace_of(_outcomes(one.there for one in readings), ruleset, version)
    backs = _outcomes(one.back for one in readings if one.back)
    back = trace_of(backs, ruleset, version) if backs else None
    verdicts = {one.verdict for one in readings}
    unsure = len(verdicts) > 1 or "cannot-tell" in verdicts
    why = next((one.why for one in (there, back) if one and one.why), "") if unsure or ruleset.unseen else ""
    if unsure and not why:
        why = _why(readings)
    verdict = readings[0].verdict
    rejects = [one.there for one in readings if one.verdict == "reject"]
    return RoundTrip(
        sources=tuple(in_words(span, version) for span in ranges),
        verdict="cannot-tell" if why else verdict,
        there=there,
        back=back,
        how="" if why else " or ".join(dict.fromkeys(how_of(one, version) for one in rejects)),
        why=why,
        readings=tuple(sorted(set().union(*(one.possible for one in readings)) - {"cannot-tell"})) if why else (),
        reaches=tuple(dict.fromkeys(one.there.flow.state.rewritten for one in readings if one.verdict == "accept")),
    )


def _outcomes(found: Iterable[Outcome]) -> list[Outcome]:
    return list({id(one): one for one in found}.values())


def _why(readings: list[_Reading]) -> str:
    if any(one.known is None for one in readings):
        return "cannot tell whether the client knows what comes back: NAT gave an address that the rules do not name"
    return why_of([one for reading in readings for one in (reading.there, reading.back) if one])
