"""Incorrect DNS settings.

The client's resolver gives the server's name another address than it has, or none. The connection then goes to a
machine that knows nothing of the service and refuses, or it never starts. What counts is what programs on the client
get: /etc/hosts, the order in nsswitch.conf, search domains and local caches stand before any DNS server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import NameItem, PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import addresses, asked, ports, resolution
from whyrefused.facts.addresses import plain
from whyrefused.plan.who import is_literal, is_self
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.facts.asked import Reason
    from whyrefused.records import Line

CODE = "dns"
SIDE = "client"
HIDDEN_BY = ("wrong-destination",)
VARIANTS = {
    "hosts-file": "/etc/hosts gives another address",
    "wrong-record": "its nameserver has another address",
    "no-record": "its nameserver has none",
    "wrong-resolver": "it asks another nameserver than the one that has it right",
    "dead-resolver": "no nameserver answers",
    "resolver-refuses": "its nameserver refuses to answer",
    "resolver-fails": "its nameserver fails",
    "no-resolver": "it has no nameserver",
    "stub-down": "systemd-resolved's stub does not answer",
    "stale-cache": "systemd-resolved answers from an old cache",
    "stale-resolver": "its nameserver has another answer, old or from elsewhere, than the zone's own server",
    "resolver-override": "its nameserver has an answer of its own, and the zone's own server has it right",
    "zone-servers-differ": "of the zone's own servers one has it right, and one has what is wrong",
    "search-domain": "a search domain completes it to another name",
    "nsswitch": "nsswitch.conf asks another source, or not DNS",
    "bad-member": "one of its addresses should not be there",
    "missing-address": "one of its addresses is missing",
    "aaaa-only": "it has IPv6 addresses only, and the service is on IPv4",
    "aaaa-preferred": "the IPv6 address comes first, and the service is on IPv4",
    "wrong-address": "it has another address, and who says so is not seen",
    "no-answer": "it has none, and why is not seen",
}
"""What a variant means; the slugs never change."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the name lead the client to another address than the declared one, or nowhere?"""
    try:
        if isinstance(case.item, NameItem):
            return _name(case, evidence, case.item)
        if isinstance(case.item, PathItem):
            return _path(case, evidence, case.item)
    except CouldNotLook as miss:
        return unknown(miss.why)
    return excluded("no name was looked up")


def _name(case: Case, evidence: Evidence, item: NameItem) -> Ruling:
    given = evidence[item.host].resolved(item.name).addresses
    permitted = {one for one in given if any(one in net for net in item.permitted)}
    return _wrong(case, evidence, item.name, {*item.answers, *permitted})


def _path(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    if is_literal(item.destination) or is_self(item.destination):
        return excluded("an address is dialled, no name is looked up")
    client = evidence[item.host]
    if case.seen.symptom == "dns-failure":
        return _failed(case, evidence, item)
    tried = {plain(one.address) for one in case.dial.tries} if case.dial else set()
    given = f"{item.destination} is {', '.join(map(str, sorted(tried, key=str)))}"
    if case.named not in {None, case.server} and tried <= _addresses(evidence, str(case.named), item.host):
        return excluded(f"{given}, which is what {case.named} has")
    right = set(case.answers) or _right(case, evidence)
    if tried <= right:
        return _unserved(case, evidence, item) or excluded(f"{given}, as it should be", *_answer(client, item))
    if tried & right:
        return unknown(f"{given}, of which only some are right")
    found = resolution.reason(client, item.destination, right)
    if not case.answers and not _elsewhere(case, tried) and found.variant not in PROVES_ITSELF:
        # A balancer or a forward that the inventory does not know may stand there, rightly.
        return unknown(f"{given}, which no host of the inventory has, and no `resolves` declares")
    return _proven(case, evidence, item.destination, right, found)


PROVES_ITSELF = frozenset({"hosts-file", "search-domain", "nsswitch", "stale-cache", "wrong-resolver"})
"""Ways in which a name is wrong by the host's own word: another source of it has the server's own address."""


def _elsewhere(case: Case, tried: set[Address]) -> bool:
    """Is it proved that these are not ways to the server? They are other hosts', or the client itself."""
    return all(one.is_loopback or one in case.others for one in tried)


def _right(case: Case, evidence: Evidence) -> set[Address]:
    """The addresses that the server really has. Raises `CouldNotLook` where it was not asked."""
    host = case.router or case.server
    if host is None:
        raise CouldNotLook("which addresses the name should have is not declared (`resolves:` or `server:`)")
    return _addresses(evidence, host, case.item.host)


def _addresses(evidence: Evidence, host: str, client: str) -> set[Address]:
    """Which addresses lead this client to the host? Loopback leads to the client itself."""
    return {own.address for own in evidence[host].addresses if host == client or not own.address.is_loopback}


def _answer(client: HostEvidence, item: PathItem) -> tuple[Line, ...]:
    found = looked(lambda: client.resolved(item.destination))
    lines = () if isinstance(found, Missing) else found.lines
    return tuple(client.line(f"getent ahosts {item.destination}", line) for line in lines if "STREAM" in line)


def _failed(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    """The name had no address when it was dialled."""
    right = set(case.answers)
    host = case.router or case.server
    if not right and host:
        own = looked(lambda: {one.address for one in evidence[str(host)].addresses if one.scope == "global"})
        right = set() if isinstance(own, Missing) else own
    if evidence[item.host].resolved(item.destination).addresses:
        return unknown(f"{item.destination} had no address when it was dialled, and has one now")
    return _wrong(case, evidence, item.destination, right)


def _unserved(case: Case, evidence: Evidence, item: PathItem) -> Ruling | None:
    """Does the name lead to IPv6 only, where the service is on IPv4 only, as declared?"""
    server, answer = case.at_server(evidence), evidence[item.host].resolved(item.destination)
    if server is None or case.seen.symptom != "refused" or not item.server_port or case.answers or case.forward:
        return None
    if not answer.addresses or any(one.version == addresses.V4 for one in answer.addresses):
        return None
    found, source = ports.on_port(server, "tcp", case.port or 0)
    served = [one for one in found if addresses.meets(one, case.bind)]
    if not served or any(addresses.answers(one, case.dialled or answer.addresses[0]) is not False for one in found):
        return None
    own = {one.address for one in server.addresses if one.scope == "global" and one.address.version == addresses.V4}
    ruling = _wrong(case, evidence, item.destination, own)
    return replace(ruling, evidence=(*ruling.evidence, *(server.line(source, one.line) for one in served)))


def _wrong(case: Case, evidence: Evidence, name: str, right: set[Address]) -> Ruling:
    return _proven(case, evidence, name, right, resolution.reason(evidence[case.item.host], name, right))


def _proven(case: Case, evidence: Evidence, name: str, right: set[Address], found: Reason) -> Ruling:
    client = evidence[case.item.host]
    answer = client.resolved(name)
    if answer.silent and found.variant == "no-answer":
        return unknown(f"getent ahosts {name}: no answer in time, and its nameservers do not tell why")
    given = ", ".join(map(str, answer.addresses)) or "no address"
    lines = [client.line(f"getent ahosts {name}", line) for line in answer.lines if "STREAM" in line]
    why = f" {found.words}" if found.words else ""
    return Ruling(
        answer="proven",
        because=f"{client.name} takes {name} for {given}{why}; it should be {asked.words(right)}",
        evidence=(*found.lines, *(lines or [client.line(f"getent ahosts {name}", "no answer")])),
        variant=found.variant,
        host=client.name,
        subject=found.subject,
        fix=found.fix,
        verify=(f"getent ahosts {name}", *found.verify),
    )
