"""Incorrect hostname or port.

The client is configured with another host or port than the inventory has: a typing error, an address from before the
move, localhost left over from development, a value that was corrected after the program had read it. The server is
healthy; the client asks the wrong one.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused.case import ConfiguredItem, PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import addresses, daemons, ports
from whyrefused.plan.who import is_literal, is_self
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.destinations import Told
    from whyrefused.records import Line

CODE = "wrong-destination"
SIDE = "client"
HIDDEN_BY = ()
VARIANTS = {
    "wrong-host": "it is configured with another host",
    "wrong-port": "it is configured with another port",
    "localhost-left-over": "it is configured with localhost",
    "localhost-is-ipv6": "localhost is ::1 to it, and the service is on IPv4",
    "old-address": "it is configured with an address that is not the server's",
    "wrong-scheme-port": "the scheme of its URL stands for another port",
    "not-restarted": "its file is right, and the running program has the old value",
    "undeclared-port": "it dials a port that the server neither declares nor serves",
}
"""What a variant means; the slugs never change."""

LOOPBACK = ipaddress.ip_address("127.0.0.1")
NO_NEIGHBOUR = 2900
"""Milliseconds: three ARP requests in three seconds, and nobody answered (arp(7)); a rule answers at once."""
HOST_UNREACHABLE = (3, 1)  # ICMP type and code (RFC 792)


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the client go elsewhere than the inventory says?"""
    if isinstance(case.item, ConfiguredItem):
        return _configured(case.item, case.seen.value)
    if not isinstance(case.item, PathItem):
        return unknown("no destination is at issue")
    if case.seen.symptom == "dns-failure":
        return unknown("the name had no address: nothing was dialled")
    if case.item.router or case.forward or case.through:
        return unknown("it goes through a port forward or a proxy, where other addresses than the server's count")
    try:
        return _path(case, evidence, case.item)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _configured(item: ConfiguredItem, told: Told) -> Ruling:
    to = item.subject.removesuffix(f" in {item.where}")
    file, _, key = item.where.partition("#")
    unit = told.restart or (item.process or item.where).partition("#")[0].removeprefix("unit:")
    inside = f"`systemctl edit {unit}`" if file.startswith("unit:") else file
    edit = () if told.variant == "not-restarted" else (f"in {inside}: {to}{f' as {key}' if key else ''}",)
    restart = "restart the program that reads it" if unit.startswith("/") else f"systemctl restart {unit}"
    word = key.rpartition(".")[2] or "."
    return Ruling(
        answer="proven",
        because=f"{told.said}; declared is {to}",
        evidence=told.lines,
        variant=str(told.variant),
        host=item.host,
        subject=item.where,
        fix=(*edit, restart),
        verify=(f"grep -n {word} {file}" if file.startswith("/") else f"systemctl cat {unit}",),
    )


def _path(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    server = case.at_server(evidence)
    if server is None:
        return unknown("which host should answer is not in the inventory")
    if is_self(item.destination):
        if case.server != item.host:
            return _left_over(case, evidence, item)
        return _ipv6(case, evidence, item)
    if case.named is not None and case.named != case.server:
        return _other(case, evidence, item)
    if is_literal(item.destination) and case.went_elsewhere(server):
        return _nobody(case, server, item)
    if case.went_elsewhere(server):
        return unknown(f"{item.destination} led to {case.dialled}, which is not an address of {server.name}")
    if item.server_port or case.key in case.declared_ports:
        own = [server.line("ip -o addr show", one.line) for one in server.addresses if one.address == case.dialled]
        return excluded(f"{case.dialled} is {server.name}'s, and {case.key} is declared there", *own)
    return _undeclared(case, server, item)


def _left_over(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    """The client dials itself, and there nothing is meant to listen; one that forwards to the server is declared."""
    client = evidence[item.host]
    if case.named_serves:
        return unknown(f"{case.key} is declared on {item.host} too: what listens there may lead to {case.server}")
    found, source = ports.on_port(client, "tcp", item.port)
    if found:
        return unknown(f"{ports.owner_words(found[0])} listens on {item.host}, and may lead to {case.server}")
    nobody = client.line(source, f"no row for {case.key} (nor in /proc/net)")
    return _proven(case, item, "localhost-left-over", f"that is {item.host} itself, where nothing listens", nobody)


def _other(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    """The destination is another host of the inventory, and that one is not declared to serve the port."""
    if case.named_serves:
        return unknown(f"{case.named} is declared to serve or forward: what listens there may lead to {case.server}")
    variant = "old-address" if is_literal(item.destination) else "wrong-host"
    own = _own(evidence[str(case.server)])
    return _proven(case, item, variant, f"that is {case.named}, where {case.key} is not declared", *own)


def _own(server: HostEvidence) -> tuple[Line, ...]:
    found = looked(lambda: server.addresses)
    if isinstance(found, Missing):
        return ()
    return tuple(server.line("ip -o addr show", one.line) for one in found if one.scope == "global")


def _nobody(case: Case, server: HostEvidence, item: PathItem) -> Ruling:
    """The address is no host's of the inventory. A balancer may have it, rightly; but not where nobody has it."""
    if case.dialled == case.declared_address:
        return excluded(f"{item.destination} is declared to be {server.name}'s", *_own(server))
    last = case.dial.last if case.dial else None
    gone = last is not None and last.word == "EHOSTUNREACH" and last.milliseconds >= NO_NEIGHBOUR
    if not last or not gone or (last.icmp and last.icmp[:2] != HOST_UNREACHABLE):
        return unknown(f"{item.destination} is no address of {server.name}; whose it is, the inventory does not tell")
    words = f"nobody has that address any more, and {server.name} has others"
    return _proven(case, item, "old-address", words, *_own(server))


def _ipv6(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    """The machine's own name leads to ::1 only, and the service is where it is declared, on IPv4."""
    client = evidence[item.host]
    tries = case.dial.tries if case.dial else ()
    if is_literal(item.destination) or any(one.address.version == addresses.V4 for one in tries):
        return unknown("the machine's own address is dialled, over the declared protocol")
    found, source = ports.on_port(client, "tcp", item.port)
    right = [one for one in found if addresses.answers(one, LOOPBACK, "lo") and addresses.meets(one, case.bind)]
    if case.seen.symptom != "refused" or not right or not item.server_port:
        return unknown(f"{item.destination} leads to IPv6 only; nothing shows that the service is on IPv4")
    answer = client.resolved(item.destination)
    lines = [client.line(f"getent ahosts {item.destination}", line) for line in answer.lines if "STREAM" in line]
    lines += [client.line(source, one.line) for one in right]
    words = f"that is {', '.join(map(str, answer.addresses))} only, and the service listens on {right[0].address}"
    return _proven(case, item, "localhost-is-ipv6", words, *lines)


def _undeclared(case: Case, server: HostEvidence, item: PathItem) -> Ruling:
    """Nobody listens on the port and nobody is declared to, while a declared port is answered."""
    declared = [key for key in case.declared_ports if key.endswith("/tcp")]
    if not declared:
        return unknown(f"no port of {server.name} is declared")
    if case.seen.symptom != "refused":
        return unknown(f"a port that nobody listens on refuses; the client saw {case.seen.symptom}")
    found, source = ports.on_port(server, "tcp", item.port)
    if found:
        return unknown(f"{ports.owner_words(found[0])} listens on {case.key}", server.line(source, found[0].line))
    meant = [unit for unit in case.free_units if _may_mean(case, server, unit)]
    if meant:
        return unknown(f"{', '.join(meant)} is declared without a port and may be meant to listen there")
    answered = [row for row in ports.table(server)[0] if row.protocol == "tcp" and f"{row.port}/tcp" in declared]
    if not answered:
        return unknown(f"no declared port of {server.name} is listened on")
    lines = [server.line(source, f"no row for {case.key} (nor in /proc/net)")]
    lines += [server.line(source, row.line) for row in answered]
    words = f"{server.name} is declared to serve {', '.join(declared)}, and nothing listens on {case.key}"
    return _proven(case, item, "undeclared-port", words, *lines)


def _may_mean(case: Case, server: HostEvidence, unit: str) -> bool:
    """May this declared unit be meant to listen on an undeclared port? Not one that holds or is known for others."""
    own = daemons.known(unit).ports
    if own:
        return case.port in own
    return not any(f"{one.port}/tcp" in case.declared_ports for one in ports.of_unit(server, unit))


def _proven(case: Case, item: PathItem, variant: str, words: str, *lines: Line) -> Ruling:
    to = f"{item.destination}:{item.port}"
    right = ", ".join(f"{case.server}:{key.partition('/')[0]}" for key in case.declared_ports if key.endswith("/tcp"))
    return Ruling(
        answer="proven",
        because=f"{item.host} dials {to}; {words}",
        evidence=(*lines, *case.seen.lines),
        variant=variant,
        host=item.host,
        subject=to,
        fix=(
            f"on {item.host}: configure the client with {right or case.server}",
            f"or correct `to: {item.subject}` in the inventory, if the client already has it right",
        ),
        verify=(f"nc -vz {item.destination} {item.port}",),
    )
