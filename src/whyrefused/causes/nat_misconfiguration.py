"""Network misconfiguration.

A router or the server itself sends the connection to another address or port than it should: a port forward that is
missing or leads to a closed port or a host that is gone, a redirect left over from an old set-up, packets that are not
handed on, answers that do not come back the way they went. The program listens, and its firewall is open; the packets
go elsewhere. Who looks at the client alone sees a refusal, a timeout or no route, as after any other fault.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import FirewallItem, ForwardItem, PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import refuser, routing, verdicts
from whyrefused.facts.nat import ends, mend, overlap, returning, translation
from whyrefused.facts.nat.fault import Fault
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.nat.translation import Way
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.probes.dials import Dial, Try

CODE = "nat-misconfiguration"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall")
VARIANTS = {
    "no-forward": "no rule forwards the port",
    "wrong-inside-host": "the rule leads to another host",
    "wrong-inside-port": "the rule leads to another port",
    "forwarding-off": "the router does not forward packets",
    "forward-blocked": "the router's rules keep it from passing",
    "no-return-path": "the answers do not find the way back",
    "hairpin": "client and server are neighbours, and the answer goes past the router",
    "stale-snat": "the source is rewritten to an address that leads nowhere",
    "leftover-redirect": "a rule of the server redirects the port to one that nobody holds",
    "leftover-dnat": "a rule of the server sends it to another host",
    "loopback-shut": "a rule of the server sends it to loopback, which nothing from outside may reach",
    "published-gone": "a published port leads to a container that is gone",
    "route-blackhole": "a route swallows what goes to the server",
    "route-unreachable": "a route calls the server unreachable",
    "route-prohibit": "a route forbids the way",
    "own-address": "the client has the server's address itself",
    "subnet-overlap": "the client has a network of its own in which the server's address lies too",
    "reverse-path-filter": "the server drops what comes in by another interface than its answers would leave by",
}
"""What a variant means; the slugs never change."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Do routes or address translation send the connection, or its answers, elsewhere?"""
    if isinstance(case.item, ForwardItem):
        return _declared(case, case.item, evidence)
    if isinstance(case.item, FirewallItem):
        return _let_in_elsewhere(case, evidence)
    if not isinstance(case.item, PathItem):
        return excluded("what happens on the way keeps no program from running or listening")
    if case.dial is None or case.dial.last is None:
        return excluded("no packet left the client")
    try:
        return _path(case, evidence, case.dial, case.dial.last)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _declared(case: Case, item: ForwardItem, evidence: Evidence) -> Ruling:
    """The forward itself is not as declared, or answers do not come back."""
    way, back = case.seen.value.way, case.seen.value.back
    if case.forward is None:
        return unknown(f"the program that should take {item.subject} does not")
    if way is not None and not way.right:
        return _proven(_of_way(evidence[item.host], item, way))
    if way is not None and back is not None and back.sane is False:
        return _proven(_of_return(evidence[item.host], way, back, case))
    return unknown("the forward is as declared")


def _let_in_elsewhere(case: Case, evidence: Evidence) -> Ruling:
    """The rules refuse it only because NAT leads it to a port that they do not let in."""
    server = evidence[case.item.host]
    for verdict in case.seen.value:
        address = ipaddress.ip_address(verdict.destination)
        fault = looked(lambda one=verdict, to=address: ends.taken_away(case, server, one, to))
        if verdict.refused and isinstance(fault, Fault):
            return _proven(fault)
    return unknown("what the rules refuse is not led elsewhere")


def _path(case: Case, evidence: Evidence, dial: Dial, last: Try) -> Ruling:
    client = case.at_client(evidence)
    fault = ends.client_route(client, dial) if case.seen.symptom in {"unreachable", "local-error"} else None
    if fault:
        return _proven(fault)
    if case.seen.symptom in {"local-error", "dns-failure"}:
        return excluded("no packet left the client")
    sent = ends.sent(client, dial, case.item.port if isinstance(case.item, PathItem) else 0)
    if sent is not None and sent.trace.redirected:
        return unknown(f"{client.name}'s own rules send it to {sent.trace.redirected}: it never came this far")
    if case.forward:
        fault = overlap.own_address(client, evidence[case.forward.host], last.address)
        return _proven(fault) if fault else _through(case, case.forward, evidence, dial, last)
    server = case.at_server(evidence)
    if server is None:
        return unknown("which host should answer is not in the inventory")
    if case.went_elsewhere(server):
        return unknown(f"the client dialled {case.dialled}, which is not an address of {server.name}")
    fault = overlap.own_address(client, server, case.dialled) or overlap.of_networks(case, client, server)
    return _proven(fault) if fault else _direct(case, client, server, dial, sent)


def _direct(case: Case, client: HostEvidence, server: HostEvidence, dial: Dial, sent: Verdict | None) -> Ruling:
    """No router is declared on the way: does one of the ends send it, or the answers, elsewhere?"""
    asked = [lambda: ends.leftover(case, server)]
    if ends.as_sent(client, server, dial, case.port or 0):
        asked.append(lambda: ends.server_route(case, server))
    asked.append(lambda: ends.reverse_path(case, client, server))
    if sent is not None:
        asked.append(lambda: ends.stale_source(client, server, sent, case))
    found = [looked(one) for one in asked]
    told = _first(case, [one for one in found if isinstance(one, Fault)])
    misses = [one.why for one in found if isinstance(one, Missing)]
    return told or (unknown(misses[0]) if misses else _nothing(case, client, server))


def _first(case: Case, faults: list[Fault]) -> Ruling | None:
    """The first of the faults that can make what the client saw; one that cannot is told as a doubt."""
    fitting = [one for one in faults if not one.symptoms or case.seen.symptom in one.symptoms]
    if fitting:
        return _proven(fitting[0])
    if not faults:
        return None
    return unknown(f"{faults[0].because}; yet the client saw {case.seen.symptom}", *faults[0].lines)


def _nothing(case: Case, client: HostEvidence, server: HostEvidence) -> Ruling:
    """Nothing stands between neighbours, and neither of the two changes anything."""
    if case.dialled is None:
        raise CouldNotLook("no address was dialled")
    if client.name == server.name:
        return excluded("it never leaves the host")
    there = routing.to(client, case.dialled)
    if there is None or not routing.direct(there):
        return unknown("what the routers on the way do with it is not known")
    if any(
        one.trace.redirected for one in verdicts.of_path(server, case.source or "any", case.dialled, case.port or 0)
    ):
        return unknown(f"{server.name} rewrites it to another port or address")
    return excluded(f"they are neighbours, and no rule of {server.name} rewrites it", routing.said(client, there))


def _through(case: Case, item: ForwardItem, evidence: Evidence, dial: Dial, last: Try) -> Ruling:
    """A declared forward is on the way: does the router do as declared, and do the answers come back?"""
    router = evidence[item.host]
    if case.item.host == router.name:
        return unknown("what a router dials itself is not forwarded by the rules for others")
    if last.address not in {own.address for own in router.addresses}:
        return unknown(f"the client dialled {last.address}, which is not an address of {router.name}")
    known = ends.as_sent(case.at_client(evidence), router, dial, item.port)
    way = translation.best(evidence, item, last.source if known else "any", (last.address,))
    if not way.right:
        return _first(case, [_of_way(router, item, way)]) or unknown(way.because)
    if way.state == "relayed" or case.server is None or (way.source is None and not known):
        return unknown(f"{way.because}; what becomes of the answers is not known", *way.lines)
    back = returning.looked_through(router, evidence[case.server], way, (ipaddress.ip_address(last.source),))
    if back.sane is None:
        back = _never_back(case, evidence, way, back)
    if back.sane is False:
        return _first(case, [_of_return(router, way, back, case)]) or unknown(back.because)
    if known and (case.seen.symptom in {"refused", "reset"} or back.sane):
        return excluded(way.because, *way.lines, *back.lines)
    return unknown(f"{way.because}; {back.because}", *way.lines, *back.lines)


def _never_back(case: Case, evidence: Evidence, way: Way, back: returning.Return) -> returning.Return:
    """The second look saw the router hand on nothing of an answer, though the server has nothing against giving one."""
    refusal, server = refuser.of(case, evidence), evidence[case.server or ""]
    if refusal is None or refusal.where != "server-silent" or way.address is None or way.source is not None:
        return back
    let_in = verdicts.of_path(server, case.source or "any", way.address, case.port or 0)
    if any(one.answer != "accept" for one in let_in) or not translation.takers(server, "tcp", way.port, way.address):
        return back
    return replace(
        back, sane=False, variant="no-return-path", host=case.router or "", subject=f"{way.verdict.port}/tcp",
        because=f"{server.name} answers by another gateway than {case.router}, which never sees the answer",
        lines=(*back.lines, *refusal.lines),
    )  # fmt: skip


def _of_way(router: HostEvidence, item: ForwardItem, way: Way) -> Fault:
    return Fault(
        variant=way.state, host=router.name, subject=way.subject or item.subject, because=way.because,
        lines=tuple(dict.fromkeys(way.lines)), fix=mend.forward(router, item, way),
        verify=(f"nc -vz {way.verdict.destination} {item.port}",), symptoms=way.symptoms,
    )  # fmt: skip


def _of_return(router: HostEvidence, way: Way, back: returning.Return, case: Case) -> Fault:
    """On the router, masquerading brings them back; on the server, a route does."""
    fault = ends.of_return(back, case)
    if back.host != router.name or way.address is None:
        return fault
    route = routing.to(router, way.address)
    device = next(iter(routing.devices(route)), "") if route else ""
    step = translation.translator(way.verdict, translation.SNAT)
    fix = mend.without(router, step) if step else mend.masquerade(router, way, device)
    lines = (*way.lines, *back.lines)
    verify = (f"nc -vz {way.verdict.destination} {way.verdict.port}",)
    return Fault(
        variant=fault.variant, host=fault.host, subject=fault.subject, because=fault.because, lines=lines, fix=fix,
        verify=verify, symptoms=fault.symptoms,
    )  # fmt: skip


def _proven(fault: Fault) -> Ruling:
    return Ruling(
        answer="proven", because=fault.because, evidence=tuple(dict.fromkeys(fault.lines)), variant=fault.variant,
        host=fault.host, subject=fault.subject, fix=fault.fix, verify=fault.verify,
    )  # fmt: skip
