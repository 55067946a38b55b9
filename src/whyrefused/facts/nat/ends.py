"""Do the client or the server themselves send a connection, or its answers, astray?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import PathItem
from whyrefused.evidence import looked
from whyrefused.facts import outgoing, ports, routing, verdicts
from whyrefused.facts.addresses import V4
from whyrefused.facts.nat import mend, returning, translation
from whyrefused.facts.nat.fault import Fault
from whyrefused.probes import _sight
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.case import Case
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.probes.dials import Dial, Try
    from whyrefused.probes.listeners import Listener

WORDS: Mapping[str, tuple[str, str]] = {
    "unreachable": ("EHOSTUNREACH", "route-unreachable"),
    "prohibit": ("EACCES", "route-unreachable"),
    "blackhole": ("EINVAL", "route-blackhole"),
    "": ("ENETUNREACH", "route-unreachable"),
}
"""What connect(2) says on the host that has such a route (fib_props of the Linux kernel), or none at all."""
NEIGHBOUR_GONE = (3, 1)
"""Host unreachable (RFC 792): its sender got no answer from the next hop."""


def client_route(client: HostEvidence, dial: Dial) -> Fault | None:
    """Has the client itself no way to any of the addresses that it tried? Raises `CouldNotLook`.

    Of a name with several, one that some way led to shows that it is more than routes.
    """
    if not dial.tries or (dial.by and dial.by.apart):
        return None
    found = [_no_way(client, one) for one in dial.tries]
    return found[-1] if all(found) else None


def _no_way(client: HostEvidence, one: Try) -> Fault | None:
    if one.icmp is not None or one.word not in {word for word, _ in WORDS.values()}:
        return None
    route = routing.to(client, one.address)
    kind = route.kind if route else ""
    if kind not in WORDS or WORDS[kind][0] != one.word:
        return None
    if route is None and not _speaks(client, one.address):
        raise CouldNotLook(f"{client.name} has no IPv{one.address.version} beyond its own link")
    told = f"{client.name}'s route to {one.address} is {route.line}" if route else f"{client.name} has no route to it"
    subject = str(route.network) if route else f"route to {one.address}"
    lines = (routing.said(client, route),) if route else routing.none_said(client, one.address.version)
    return Fault(
        variant=WORDS[kind][1], host=client.name, subject=subject, because=told, lines=lines, fix=mend.route(subject),
        verify=(f"ip route get {one.address}",),
    )  # fmt: skip


def _speaks(client: HostEvidence, address: Address) -> bool:
    return any(own.scope == "global" and own.address.version == address.version for own in client.addresses)


def sent(client: HostEvidence, dial: Dial, port: int) -> Verdict | None:
    """What do the client's own rules make of it? None where they were not read, or it had no way to leave."""
    last = dial.last
    if last is None or not last.source:
        return None
    found = looked(lambda: outgoing.leaving(client, last, port, dial.by))
    return None if isinstance(found, Missing) else found


def stale_source(client: HostEvidence, server: HostEvidence, out: Verdict, case: Case) -> Fault | None:
    """Does the client's NAT give its packets a source that the server does not answer? Raises `CouldNotLook`."""
    step, address = translation.translator(out, translation.SNAT), case.dialled
    if step is None or address is None or out.trace.verdict != "accept":
        return None
    given = translation.snat_to(step) or routing.source_of(client, address)
    if given is None or str(given) == case.source:
        return None
    fault = Fault(
        variant="stale-snat", host=client.name, subject=str(given),
        because=f"{client.name} gives its packets the source {given}", lines=(client.line(step.place, step.rule),),
        fix=mend.without(client, step), verify=(f"nc -vz {address} {case.port}",),
    )  # fmt: skip
    if given not in {own.address for own in client.addresses}:
        return _nobodys(server, given, fault)
    before, after = (
        verdicts.of_path(server, source, address, case.port or 0) for source in (case.source or "any", str(given))
    )
    refusing = [one for one in after if one.refused]
    if not refusing or any(one.answer != "accept" for one in before):
        return None
    return replace(
        fault, because=f"{fault.because}, which {server.name} {verdicts.words(refusing[0])}",
        lines=(*fault.lines, *verdicts.lines(server, refusing[0])),
        symptoms=frozenset({refusing[0].symptom}),
    )  # fmt: skip


def _nobodys(server: HostEvidence, given: Address, fault: Fault) -> Fault | None:
    route = routing.to(server, given)
    if route is None or not routing.direct(route):
        return None
    because = f"{fault.because}, which it does not have: the answers go astray"
    lines = (*fault.lines, routing.said(server, route))
    return replace(fault, because=because, lines=lines, symptoms=translation.SILENT)


def leftover(case: Case, server: HostEvidence) -> Fault | None:
    """Does a NAT rule of the server's take the connection away from the program that listens? Raises `CouldNotLook`."""
    address = case.dialled
    if address is None or case.port is None or case.item.host == server.name:
        return None  # what a host dials on itself meets no prerouting rule: NAT has decided in output
    (verdict, *more) = verdicts.of_path(server, case.source or "any", address, case.port)
    return None if more else taken_away(case, server, verdict, address)


def taken_away(case: Case, server: HostEvidence, verdict: Verdict, address: Address) -> Fault | None:
    """Does NAT lead what these rules are about to another port or host than the one that serves it?"""
    if not verdict.trace.redirected or verdict.answer == "cannot-tell" or case.port is None:
        return None
    to, port = translation.target_of(server, verdict)
    step = translation.translator(verdict, translation.DNAT)
    if step is None:
        return None
    own = to in {each.address for each in server.addresses}
    shut = routing.loopback_shut(server, verdict.packet.interface or "") if _v4_loopback(to) else ""
    if own and not shut and translation.takers(server, case.protocol, port, to):
        return None
    meant = translation.takers(server, case.protocol, case.port, address)
    because = f"{server.name} sends {case.key} to {'its own port ' + str(port) if own else f'{to}:{port}'}"
    fault = Fault(
        variant="leftover-redirect" if own else "leftover-dnat", host=server.name, subject=case.key,
        because=because, lines=(server.line(step.place, step.rule), *verdicts.lines(server, verdict)),
        fix=mend.without(server, step), verify=(f"nc -vz {address} {case.port}",),
    )  # fmt: skip
    if shut:
        return replace(
            fault, variant="loopback-shut", because=f"{because}, which nothing from outside may reach: {shut} is 0",
            lines=(*fault.lines, server.line(f"/proc/sys/net/{shut}", "0")), symptoms=translation.SILENT,
            fix=(f"sysctl -w net.{shut.replace('/', '.')}=1", *fault.fix),
        )  # fmt: skip
    if own:
        return _to_nobody(server, case, port, meant, verdict, fault)
    return _to_another(server, case, to, meant, verdict, fault)


def _v4_loopback(address: Address) -> bool:
    return address.is_loopback and address.version == V4


def _to_nobody(  # noqa: PLR0913, PLR0917 - what is known of it
    server: HostEvidence, case: Case, port: int, meant: tuple[Listener, ...], verdict: Verdict, fault: Fault
) -> Fault | None:
    """A redirect to a port that nobody holds is a leftover where somebody holds the one that was dialled."""
    if not meant:
        return None
    rows, source = ports.on_port(server, case.protocol, port)
    there = [one.line for one in rows] or [f"no row for {port}/{case.protocol}"]
    return replace(
        fault, because=f"{fault.because}, where nobody takes it; {ports.owner_words(meant[0])} listens on {case.key}",
        lines=(*fault.lines, *(server.line(source, line) for line in (meant[0].line, *there))),
        symptoms=frozenset({verdict.symptom if verdict.refused else "refused"}),
    )  # fmt: skip


def _to_another(  # noqa: PLR0913, PLR0917 - what is known of it
    server: HostEvidence, case: Case, to: Address, meant: tuple[Listener, ...], verdict: Verdict, fault: Fault
) -> Fault | None:
    """A rule to another host is wrong where that is gone, or where the declared unit itself holds the port."""
    last = case.dial.last if case.dial else None
    icmp = last.icmp if last else None
    step = translation.translator(verdict, translation.DNAT)
    managed = step is not None and bool(mend.manager(step))
    gone = icmp is not None and icmp[:2] == NEIGHBOUR_GONE and icmp[2] == str(case.dialled)
    if managed and not gone:
        return None  # published by a container engine: whether the program in there listens is not known here
    off = routing.forwarding_off(server, to.version, verdict.packet.interface or "")
    source = ports.on_port(server, case.protocol, case.port or 0)[1]
    rows = tuple(server.line(source, one.line) for one in meant)
    if not gone and not (case.unit and _of_unit(server, case.unit, meant)):
        return None
    variant = "published-gone" if managed else fault.variant
    because = (
        f"{fault.because}, where nobody answers" if gone else f"{fault.because}; {case.unit} listens on {case.key}"
    )
    symptoms = translation.SILENT if off else frozenset({verdict.symptom}) if verdict.refused else frozenset()
    return replace(fault, variant=variant, because=because, lines=(*fault.lines, *rows), symptoms=symptoms)


def _of_unit(server: HostEvidence, name: str, found: tuple[Listener, ...]) -> bool:
    unit, socket = server.unit(name), ports.socket_of(server, name)
    return any(ports.owned(one, unit, socket) for one in found)


def server_route(case: Case, server: HostEvidence) -> Fault | None:
    """Has the server no way back to the client? Raises `CouldNotLook`."""
    if not case.source or case.item.host == server.name:
        return None
    found = returning.directly(server, ipaddress.ip_address(case.source))
    return of_return(found, case) if found.sane is False else None


def reverse_path(case: Case, client: HostEvidence, server: HostEvidence) -> Fault | None:
    """Does the server's reverse path filter drop what comes from the client? Raises `CouldNotLook`.

    It drops what comes in by an interface by which an answer would not leave (rp_filter, ip-sysctl.rst), before any
    rule for what comes in, and counts it. The closed port that the second look dials is as silent then.
    """
    address, came = case.dialled, server.interface_of(case.dialled) if case.dialled else None
    seen = looked(lambda: _second_look(case, client, server))
    if isinstance(seen, Missing) or not seen or address is None or address.version != V4 or came in {None, "lo"}:
        return None
    route = routing.to(server, ipaddress.ip_address(case.source))
    if route is None or route.kind != "unicast" or came in routing.devices(route):
        return None
    because = (
        f"{server.name} drops what comes from {case.source} by {came}, for it would answer by "
        f"{', '.join(routing.devices(route))} (reverse path filter)"
    )
    return Fault(
        variant="reverse-path-filter", host=server.name, subject=f"route to {case.source}", because=because,
        lines=(routing.said(server, route), server.line("second look, /proc/net/netstat", seen)),
        fix=(
            f"let {address} answer by {came}: a route to {case.source} by it, or a table of its own (ip rule)",
            f"or let it be: sysctl -w net.ipv4.conf.{came}.rp_filter=2 (and the same of net.ipv4.conf.all)",
        ),
        verify=(f"ip route get {case.source}", "nstat -az TcpExtIPReversePathFilter"), symptoms=translation.SILENT,
    )  # fmt: skip


def _second_look(case: Case, client: HostEvidence, server: HostEvidence) -> str:
    """What did the server count meanwhile, where its filter dropped all that the client dialled? Else nothing."""
    last = case.dial.last if case.dial else None
    if last is None or not isinstance(case.item, PathItem):
        return ""
    burst = client.get("burst").get(_sight.path(last.source, last.address, case.item.port))
    watch = server.get("watch")
    silent = burst and {*burst.burst, *burst.control} == {"ETIMEDOUT"}
    dropped = watch.moved.get("TcpExtIPReversePathFilter", 0) >= _sight.BURST + _sight.CONTROL
    return watch.line if silent and dropped else ""


def of_return(found: returning.Return, case: Case) -> Fault:
    """What is wrong, where answers do not come back?"""
    return Fault(
        variant=found.variant, host=found.host, subject=found.subject, because=found.because, lines=found.lines,
        fix=mend.route(found.subject), verify=(f"ip route get {case.source}",), symptoms=translation.SILENT,
    )  # fmt: skip


def as_sent(client: HostEvidence, far: HostEvidence, dial: Dial, port: int) -> bool:
    """Does this host see the client's own address? A neighbour does; of others, where such a packet was seen there."""
    last, out = dial.last, sent(client, dial, port)
    if last is None or not last.source:
        return False
    plain = out is not None and translation.translator(out, translation.SNAT) is None
    if plain and (client.name == far.name or looked(lambda: _neighbour(client, last)) is True):
        return True
    sight = looked(lambda: far.get("watch").paths.get(_sight.path(last.source, last.address, port)))
    return not isinstance(sight, Missing) and sight is not None and bool(sight.passed("in", "SYN"))


def _neighbour(client: HostEvidence, last: Try) -> bool:
    there = routing.to(client, last.address)
    return there is not None and routing.direct(there)
