"""Where does a router send a new connection to one of its ports, and is it let through? Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from whyrefused import firewall
from whyrefused.evidence import looked
from whyrefused.facts import addresses, ports, routing, verdicts
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.firewall import Step
    from whyrefused.plan.keys.forwards import ForwardItem
    from whyrefused.probes.listeners import Listener
    from whyrefused.probes.routes import Route
    from whyrefused.records import Line, Symptom

State = Literal[
    "forwarded", "relayed", "forward-blocked", "route-blackhole", "route-unreachable", "forwarding-off",
    "wrong-inside-port", "wrong-inside-host", "no-forward",
]  # fmt: skip
"""The nearest to right first. `relayed`: a program of the router's takes it; whom that asks cannot be seen."""
NEAREST: tuple[State, ...] = (
    "forwarded", "relayed", "forward-blocked", "route-blackhole", "route-unreachable", "forwarding-off",
    "wrong-inside-port", "wrong-inside-host", "no-forward",
)  # fmt: skip
RIGHT = frozenset({"forwarded", "relayed"})
RULES = "nft list ruleset; iptables-save"
SNAT = frozenset({"masquerade", "snat", "MASQUERADE", "SNAT"})
DNAT = frozenset({"dnat", "redirect", "DNAT", "REDIRECT"})
SILENT: frozenset[Symptom] = frozenset({"timed-out"})
NO_WAY: frozenset[Symptom] = frozenset({"unreachable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a router does with connections from some sources to one of its addresses."""

    state: State
    because: str
    lines: tuple[Line, ...]
    verdict: Verdict
    symptoms: frozenset[Symptom] = frozenset()  # what the client then sees; empty: it depends on who is there
    address: Address | None = None  # where it leads
    port: int = 0
    source: Address | None = None  # that the target sees; None: the client's own
    subject: str = ""  # what is at fault where that is more than this forward
    rule: Step | None = None  # that rewrites it
    blocking: Verdict | None = None  # on its answer, where that is kept back

    @property
    def right(self) -> bool:
        """Does it lead where it is declared to?"""
        return self.state in RIGHT


def located(evidence: Evidence, item: ForwardItem) -> ForwardItem:
    """The forward with the server behind it, where the inventory does not tell: the one host that has its address."""
    if item.server:
        return item
    try:
        target = ipaddress.ip_address(item.target)
    except ValueError:
        return item
    found = [name for name in evidence.holders(target) if name != item.host]
    return replace(item, server=found[0]) if len(found) == 1 else item


def ways(evidence: Evidence, item: ForwardItem, source: str, destination: Address) -> tuple[Way, ...]:
    """Where do connections from here to this address of the router go? Raises `CouldNotLook`."""
    router = evidence[item.host]
    found = verdicts.judged(router, source, destination, item.protocol, item.port)
    return tuple(_way(evidence, item, one) for one in found)


def best(evidence: Evidence, item: ForwardItem, source: str, destinations: tuple[Address, ...]) -> Way:
    """Which of the ways is nearest to what is declared?

    Raises `CouldNotLook` where none leads there and one of them cannot be told.
    """
    found: list[Way] = []
    misses: list[str] = []
    for destination in destinations:
        got = looked(lambda to=destination: ways(evidence, item, source, to))
        if isinstance(got, Missing):
            misses.append(got.why)
        else:
            found += got
    found.sort(key=lambda one: NEAREST.index(one.state))
    if misses and not (found and found[0].right):
        raise CouldNotLook(misses[0])
    if not found:
        raise CouldNotLook(f"{item.host}: has no address that a client of {item.target} could dial")
    return found[0]


def own_addresses(evidence: Evidence, item: ForwardItem) -> tuple[Address, ...]:
    """Which addresses of the router may clients dial? Those that the target's IP versions allow."""
    versions: set[int] = {one.version for one in _targets(evidence, item)} or {addresses.V4}
    return tuple(
        own.address
        for own in evidence[item.host].addresses
        if own.scope == "global" and own.address.version in versions
    )


def _targets(evidence: Evidence, item: ForwardItem) -> frozenset[Address]:
    """Which addresses are the declared target's? What the inventory says, the router resolves and the server has."""
    found: set[Address] = set()
    try:
        found.add(ipaddress.ip_address(item.target))
    except ValueError:
        answer = looked(lambda: evidence[item.host].resolved(item.target).addresses)
        found.update(() if isinstance(answer, Missing) else answer)
    if item.server:
        own = looked(lambda: evidence[item.server or ""].addresses)
        found.update(() if isinstance(own, Missing) else (one.address for one in own if one.scope == "global"))
    return frozenset(map(addresses.plain, found))


def _known(evidence: Evidence, item: ForwardItem) -> bool:
    """Are all addresses of the target known? Not where a server of the inventory did not tell its own."""
    return not item.server or not isinstance(looked(lambda: evidence[item.server or ""].addresses), Missing)


def _way(evidence: Evidence, item: ForwardItem, verdict: Verdict) -> Way:
    if verdict.answer == "cannot-tell":
        raise CouldNotLook(f"{item.host}: {verdicts.words(verdict)}")
    router = evidence[item.host]
    if not verdict.trace.redirected:
        return _not_moved(router, item, verdict)
    (address, port), step = target_of(router, verdict), translator(verdict, DNAT)
    said = [router.line(step.place, step.rule)] if step else []
    way = Way(
        state="forwarded", because=f"{router.name} sends {item.subject} to {address}:{port}",
        lines=tuple(dict.fromkeys((*said, *verdicts.lines(router, verdict)))), verdict=verdict, address=address,
        port=port, rule=step,
    )  # fmt: skip
    here = address in {own.address for own in router.addresses}
    if here and takers(router, item.protocol, port, address):
        return replace(way, state="relayed", because=_by(router, item, port))
    if address not in _targets(evidence, item):
        if not here and not _known(evidence, item):
            raise CouldNotLook(f"{way.because}; whether that is {item.server} was not told")
        return replace(way, state="wrong-inside-host", because=f"{way.because}, which is not {item.target}")
    if port != item.target_port:
        return replace(way, state="wrong-inside-port", because=f"{way.because}; declared is {item.target_port}")
    return way if here else _handed_on(router, way, address)


def target_of(host: HostEvidence, verdict: Verdict) -> tuple[Address, int]:
    """To which address and port does NAT send it? Raises `CouldNotLook` where that is not one of each."""
    text, _, port = verdict.trace.redirected.rpartition(":")
    try:
        if text:
            return addresses.plain(ipaddress.ip_address(text.strip("[]"))), int(port)
        # redirect: the first address of the interface it came in on (nf_nat_redirect of the Linux kernel).
        own = routing.address_on(
            host, verdict.packet.interface or "", ipaddress.ip_address(verdict.destination).version
        )
        return own or ipaddress.ip_address(verdict.destination), int(port)
    except ValueError:
        why = f"{host.name}: where NAT sends it is not one address and port: {verdict.trace.redirected}"
        raise CouldNotLook(why) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Where rules lead a port of the host's own, whoever dials it."""

    to: str  # ADDRESS:PORT
    takers: tuple[Listener, ...] | None  # who of the host listens there; None where it is another machine
    lines: tuple[Line, ...]


def led(host: HostEvidence, protocol: str, port: int, bind: str) -> Led | None:
    """Where do rules lead what comes to this port at the declared addresses? None where they leave some of it there.

    Raises `CouldNotLook` where the rules were not read, or do not tell.
    """
    # A container engine's rules leave alone what its own guests dial at its bridge.
    own = [one.address for one in host.addresses if one.scope == "global" and not routing.of_engine(one.interface)]
    own = [one for one in own if addresses.covers(bind, one)]
    found = [verdict for one in own for verdict in verdicts.judged(host, "any", one, protocol, port)]
    steps = [translator(one, DNAT) if one.trace.redirected and not one.refused else None for one in found]
    if not steps or None in steps:
        return None
    ends = dict.fromkeys(target_of(host, one) for one in found)
    lines = tuple(dict.fromkeys(host.line(step.place, step.rule) for step in steps if step))
    held = {own.address for own in host.addresses}
    inside = [takers(host, protocol, at, to) for to, at in ends if to in held]
    to, at = next(iter(ends))
    return Led(
        to=f"{to}:{at}", lines=lines,
        takers=tuple(dict.fromkeys(one for each in inside for one in each)) if len(inside) == len(ends) else None,
    )  # fmt: skip


def astray(host: HostEvidence, verdict: Verdict) -> bool:
    """Does NAT send it to a port of the host's own that nobody holds? Raises `CouldNotLook`."""
    if not verdict.trace.redirected:
        return False
    address, port = target_of(host, verdict)
    if address not in {own.address for own in host.addresses}:
        return False
    return not takers(host, verdict.packet.protocol, port, address)


def takers(host: HostEvidence, protocol: str, port: int, address: Address) -> tuple[Listener, ...]:
    """Which listeners of the host answer this address and port, or may?"""
    found, _ = ports.on_port(host, protocol, port)
    arrives = host.interface_of(address)
    return tuple(one for one in found if addresses.answers(one, address, arrives) is not False)


def _not_moved(router: HostEvidence, item: ForwardItem, verdict: Verdict) -> Way:
    """No rule rewrites it, so it stays on the router: does a program take it?"""
    address = ipaddress.ip_address(verdict.destination)
    found, source = ports.on_port(router, item.protocol, item.port)
    decided, taken = verdict.trace.decided, takers(router, item.protocol, item.port, address)
    early = decided is not None and decided.hook in {"prerouting", "ingress"}
    rows = tuple(router.line(source, one.line) for one in found)
    way = Way(
        state="no-forward",
        because=f"{router.name} does not forward {item.subject}: no rule rewrites it, and no program there takes it",
        lines=(router.line(RULES, f"no rule rewrites {item.subject} to {address}"),
               *(rows or (router.line(source, f"no row for {item.subject}"),)), *verdicts.lines(router, verdict)),
        verdict=verdict, port=item.port,
        symptoms=frozenset({verdict.symptom if verdict.refused else "refused"}),
    )  # fmt: skip
    if verdict.refused and (taken or early):
        because = f"{router.name} {verdicts.words(verdict)}"
        return replace(way, state="forward-blocked", because=because, lines=verdicts.lines(router, verdict))
    if not taken:
        return way
    lines = (*rows, *verdicts.lines(router, verdict))
    return replace(way, state="relayed", because=_by(router, item, item.port), lines=lines, symptoms=frozenset())


def _by(router: HostEvidence, item: ForwardItem, port: int) -> str:
    found, _ = ports.on_port(router, item.protocol, port)
    return f"{ports.owner_words(found[0])} on {router.name} takes {item.subject}; whom it asks cannot be seen"


def _handed_on(router: HostEvidence, way: Way, address: Address) -> Way:
    """It leads where it should: is it handed on? In the kernel's order: the interface, the route, the rules."""
    came = way.verdict.packet.interface or ""
    off, route = routing.forwarding_off(router, address.version, came), routing.to(router, address)
    if route and route.kind == "unicast":
        # The answer comes in where the request went out, and is handed on only if that interface forwards too.
        behind = (routing.forwarding_off(router, address.version, device) for device in routing.devices(route))
        off = off or next(filter(None, behind), "")
    if off:
        return replace(
            way, state="forwarding-off", because=f"{router.name} forwards no packets: {off} is 0",
            lines=(router.line(f"/proc/sys/net/{off}", "0"), *way.lines), symptoms=SILENT,
            subject=f"net.{off.replace('/', '.')}",
        )  # fmt: skip
    if route is None:
        return replace(
            way, state="route-unreachable", because=f"{router.name} has no route to {address}",
            lines=(*routing.none_said(router, address.version), *way.lines), symptoms=NO_WAY,
            subject=f"route to {address}",
        )  # fmt: skip
    lines = (routing.said(router, route), *way.lines)
    if route.kind in routing.NO_WAY:
        hole = route.kind == "blackhole"
        return replace(
            way, state="route-blackhole" if hole else "route-unreachable",
            because=f"{router.name}'s route to {address} is {route.line}", lines=lines,
            symptoms=SILENT if hole else NO_WAY, subject=str(route.network),
        )  # fmt: skip
    if way.verdict.refused:
        return replace(
            way, state="forward-blocked", because=f"{way.because}, and then {verdicts.words(way.verdict)}",
            symptoms=frozenset({way.verdict.symptom}),
        )  # fmt: skip
    back = _answer(router, way, address, route)
    if back.refused:
        because = f"{way.because}, and then {verdicts.words(back)}"
        lines = (*way.lines, *verdicts.lines(router, back))
        return replace(way, state="forward-blocked", because=because, lines=lines, symptoms=SILENT, blocking=back)
    if back.answer == "cannot-tell":
        raise CouldNotLook(f"{router.name}: {verdicts.words(back)}")
    return replace(way, lines=(*way.lines, routing.said(router, route)), source=_translated(router, way, address))


def _answer(router: HostEvidence, way: Way, address: Address, route: Route) -> Verdict:
    """What does the forward chain do with the target's answer? It sees it before its source is translated back."""
    asked = way.verdict.packet
    client = asked.source if asked.source != "any" and "/" not in asked.source and "-" not in asked.source else None
    packet = firewall.Packet(
        protocol=asked.protocol, source=str(address), source_port=way.port, destination=client,
        interface=next(iter(routing.devices(route)), None) if len(routing.devices(route)) == 1 else None,
        out_interface=asked.interface, addresses=asked.addresses, reply=True,
    )  # fmt: skip
    return verdicts.Verdict(
        sources=(f"the answer of {address}",), destination=client or "", port=way.port, packet=packet,
        trace=firewall.judge(router.rules, packet, hook="forward"), hook="forward",
    )  # fmt: skip


def translator(verdict: Verdict, words: frozenset[str]) -> Step | None:
    """Which rule on its way rewrites the destination (`DNAT`) or the source (`SNAT`)?"""
    return next((step for step in reversed(verdict.trace.steps) if words & set(step.rule.split())), None)


def _translated(router: HostEvidence, way: Way, address: Address) -> Address | None:
    """Which source does the target see? None: the client's own. Raises `CouldNotLook` where that is not told."""
    step = translator(way.verdict, SNAT)
    if step is None:
        return None
    given = snat_to(step) or routing.source_of(router, address)
    if given is None:
        raise CouldNotLook(f"{router.name}: which source address this gives is not told: {step.rule}")
    return given


def snat_to(step: Step) -> Address | None:
    """Which one address does a rule give as the source? None where it names none, as masquerade does."""
    words = step.rule.split()
    for at, word in enumerate(words[1:], start=1):
        if words[at - 1] == "--to-source" or (words[at - 1] == "to" and "snat" in words[:at]):
            text = word.partition(":")[0] if word.count(":") == 1 else word.strip("[]")
            try:
                return ipaddress.ip_address(text)
            except ValueError:
                return None
    return None
