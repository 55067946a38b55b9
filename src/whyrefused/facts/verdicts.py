"""What do a host's firewall rules do with the connections that are declared? Pure.

Joins the evidence of a host (its rules, addresses and interfaces) with `whyrefused.firewall`, which knows only rules
and packets.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused import firewall
from whyrefused.facts import routing
from whyrefused.facts.addresses import V4, V6, plain
from whyrefused.probes.dials import SYMPTOMS
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.firewall import Part, Trace
    from whyrefused.firewall import Verdict as Answer
    from whyrefused.plan.keys.firewall import FirewallItem
    from whyrefused.probes.listeners import Listener
    from whyrefused.records import Line, Symptom


BY_A_RULE = {4: {(3, code) for code in (2, 3, 9, 10, 13)}, 6: {(1, code) for code in (1, 4, 5, 6)}}
"""Types and codes of ICMP errors that only a rule makes: a kernel answers a closed TCP port with a reset.

RFC 792 and RFC 1812 (5.2.7.1) for IPv4, RFC 4443 (3.1) for IPv6.
"""
SHOWN = 3  # sources named in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules do with connections from some sources to one address of a host."""

    sources: tuple[str, ...]
    destination: str
    port: int
    packet: firewall.Packet
    trace: Trace
    hook: firewall.Hook = "input"
    silent: bool = False  # what the rule sends back is kept back by another

    @property
    def answer(self) -> Answer:
        """Is it let in? Where only a rate or a number of connections hangs on it: while none of them is exceeded."""
        if self.trace.verdict == "cannot-tell" and self.trace.quiet is not None:
            return self.trace.quiet
        return self.trace.verdict

    @property
    def refused(self) -> bool:
        """Does a rule keep it out for certain?"""
        return self.answer in {"reject", "drop"}

    @property
    def symptom(self) -> Symptom:
        """What does a client see of a rule that refuses? One that keeps back an answer leaves it waiting."""
        if self.answer == "drop" or self.packet.reply or self.silent:
            return "timed-out"
        # EACCES is what an IPv6 client gets for "administratively prohibited".
        return "unreachable" if self.trace.errno == "EACCES" else SYMPTOMS.get(self.trace.errno, "unreachable")


def of_item(evidence: Evidence, item: FirewallItem) -> tuple[Verdict, ...]:
    """What do the rules do with each part of the declared source? Raises `CouldNotLook`."""
    host = evidence[item.host]
    found: list[Verdict] = []
    for source, version in _sources(evidence, item):
        for destination in _destinations(host, item.bind, item.address, version):
            found += _judge(host, source, destination, item.protocol, item.port)
    if not found:
        raise CouldNotLook(f"{item.host}: which address {item.source.name} would come from is not known")
    return tuple(found)


def of_path(server: HostEvidence, source: str, destination: Address, port: int) -> tuple[Verdict, ...]:
    """What do the server's rules do with a TCP connection from this source to this address of it?"""
    return judged(server, source, destination, "tcp", port)


def judged(host: HostEvidence, source: str, destination: Address, protocol: str, port: int) -> tuple[Verdict, ...]:
    """What do the rules of a host do with new connections from these sources to this address of it?"""
    return tuple(_judge(host, source, destination, protocol, port))


def for_listener(host: HostEvidence, listener: Listener) -> tuple[Verdict, ...]:
    """What do the rules do with anybody who dials a listener that is bound wide?"""
    family = listener.address.version
    return tuple(
        verdict
        for version in (V4, V6)
        if version == family or (family == V6 and listener.v6only is False)
        for destination in _of_family(host, version)
        for verdict in _judge(host, "any", destination, listener.protocol, listener.port)
    )


def shut(found: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Which rules keep everybody from an address, naming this very port? None where anybody at all may come in."""
    everywhere: list[Verdict] = []
    for destination in dict.fromkeys(one.destination for one in found):
        parts = [one for one in found if one.destination == destination]
        if all(one.refused for one in parts):
            everywhere += [one for one in parts if one.trace.names_port]
    return tuple(everywhere)


def silent(host: HostEvidence, packet: firewall.Packet, hook: firewall.Hook, trace: Trace) -> bool:
    """Do the host's rules keep back the error with which one of them rejects?"""
    if trace.verdict != "reject":
        return False
    return all(trip.verdict == "drop" for trip in firewall.round_trip(host.rules, packet, hook))


def answers(host: HostEvidence, found: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """What do the rules for what goes out do with the host's answers to clients that it lets in?"""
    return tuple(_answer(host, one) for one in found if one.packet.interface != "lo" and _goes_back(one))


def _goes_back(verdict: Verdict) -> bool:
    """Does the host itself answer one known client? What it forwards is answered by another."""
    forwarded = any(step.hook == "forward" for step in verdict.trace.steps)
    return verdict.packet.source != "any" and "/" not in verdict.packet.source and not forwarded


def _answer(host: HostEvidence, verdict: Verdict) -> Verdict:
    asked = verdict.packet
    packet = firewall.Packet(
        protocol=asked.protocol, source=verdict.destination, source_port=verdict.trace.port or verdict.port,
        destination=asked.source, interface=asked.interface, addresses=asked.addresses, reply=True,
    )  # fmt: skip
    (trip,) = firewall.round_trip(host.rules, asked)
    trace = trip.back if trip.there.verdict == "accept" else None
    trace = trace or firewall.judge(host.rules, packet, hook="output")
    return Verdict(
        sources=(f"the answer to {asked.source}",), destination=asked.source, port=verdict.port, packet=packet,
        trace=trace, hook="output",
    )  # fmt: skip


def lines(host: HostEvidence, verdict: Verdict) -> tuple[Line, ...]:
    """Which rules decided, in the host's own words?"""
    steps = [step for step in verdict.trace.steps if step.decided] or list(verdict.trace.steps[-1:])
    return tuple(host.line(step.place, step.rule + (f"  # {step.comment}" if step.comment else "")) for step in steps)


def words(verdict: Verdict) -> str:
    """The verdict in one line."""
    trace, decided = verdict.trace, verdict.trace.decided
    told = {"accept": "lets in", "reject": f"rejects ({trace.how})", "drop": "drops"}
    answer = told.get(verdict.answer, "cannot tell")
    by = f": {decided.rule}" if decided else ("" if trace.why else ": no rule says otherwise")
    who = ", ".join(verdict.sources[:SHOWN]) + (" …" if len(verdict.sources) > SHOWN else "")
    if trace.why:
        by = f", while no limit is exceeded: {trace.why}" if verdict.answer != "cannot-tell" else f": {trace.why}"
    return f"{answer} {who}{by}" + (", and another rule keeps back what it sends" if verdict.silent else "")


def _sources(evidence: Evidence, item: FirewallItem) -> Iterator[tuple[str, int]]:
    wanted = _family(item.bind)
    for network in item.source.networks:
        if item.source.name != "any" or network.version == wanted:
            yield ("any" if item.source.name == "any" else str(network)), network.version
    for name, literal in item.source.hosts:
        if name == item.host:
            yield from ((str(own), wanted) for own in _destinations(evidence[name], item.bind, item.address, wanted))
            continue
        known = _addresses_of(evidence, item, name, literal, wanted)
        if not known:
            raise CouldNotLook(f"{item.host}: which IPv{wanted} address {name} would come from is not known")
        yield from ((str(one), wanted) for one in known)


def _family(bind: str) -> int:
    text = bind.partition("%")[0]
    return plain(ipaddress.ip_address(text)).version if text else V4


def _addresses_of(evidence: Evidence, item: FirewallItem, name: str, literal: str, wanted: int) -> tuple[Address, ...]:
    """Which addresses does a source host come from? Its inventory address; else its own; ours as the server sees us.

    One of the other family says nothing of the one with which it comes.
    """
    visitor = evidence[item.host].identity.visitor if name == "localhost" and not literal else ""
    for told in filter(None, (literal, visitor)):
        if ipaddress.ip_address(told).version == wanted:
            return (ipaddress.ip_address(told),)
    own = (one.address for one in evidence[name].addresses if one.scope == "global")
    return tuple(address for address in own if address.version == wanted)


def _destinations(host: HostEvidence, bind: str, declared: str, version: int) -> tuple[Address, ...]:
    """Which of the host's addresses do clients dial? The one it is bound to, is reached at, or has."""
    own = {each.address for each in host.addresses}
    for text in (bind.partition("%")[0], declared, host.identity.reached):
        try:
            address = plain(ipaddress.ip_address(text))
        except ValueError:
            continue
        if address in own and address.version == version and not address.is_unspecified:
            return (address,)
    found = _of_family(host, version)
    if not found:
        raise CouldNotLook(f"{host.name}: has no IPv{version} address that a client could dial")
    return found


def _of_family(host: HostEvidence, version: int) -> tuple[Address, ...]:
    return tuple(own.address for own in host.addresses if own.scope == "global" and own.address.version == version)


def _judge(host: HostEvidence, source: str, destination: Address, protocol: str, port: int) -> Iterator[Verdict]:
    own = frozenset(str(each.address) for each in host.addresses)
    packet = firewall.Packet(
        protocol=protocol,
        source=source,
        destination=str(destination),
        port=port,
        interface="lo" if source in own else host.interface_of(destination),
        addresses=own,
        routes=_routes(host),
    )
    part: Part
    for part in firewall.judge_all(host.rules, packet):
        yield Verdict(
            sources=part.sources, destination=str(destination), port=port, packet=packet, trace=part.trace,
            silent=silent(host, packet, "input", part.trace),
        )  # fmt: skip


def _routes(host: HostEvidence) -> tuple[tuple[str, str], ...]:
    try:
        return routing.pairs(host)
    except CouldNotLook:
        return ()
