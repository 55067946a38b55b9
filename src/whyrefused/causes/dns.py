"""Incorrect DNS settings.

The client's resolver gives the server's name another address than it has, or none. The connection then goes to a
machine that knows nothing of the service and refuses, or it never starts. What counts is what programs on the client
get: /etc/hosts, the order in nsswitch.conf, search domains and local caches stand before any DNS server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.addresses import plain
from whyrefused.case import NameItem, PathItem, excluded, unknown
from whyrefused.plan.who import is_literal
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.addresses import Address
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Line

CODE = "dns"
SIDE = "client"
HIDDEN_BY = ("wrong-destination",)


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the name lead the client to another address than the declared one, or nowhere?"""
    try:
        if isinstance(case.item, NameItem):
            return _wrong(case, evidence, case.item.name, case.item.answers)
        if isinstance(case.item, PathItem):
            return _path(case, evidence, case.item)
    except CouldNotLook as miss:
        return unknown(miss.why)
    return excluded("no name was looked up")


def _path(case: Case, evidence: Evidence, item: PathItem) -> Ruling:
    if is_literal(item.destination):
        return excluded("an address is dialled, no name is looked up")
    if case.seen.symptom == "dns-failure":
        return _wrong(case, evidence, item.destination, case.answers)
    tried = {plain(one.address) for one in case.dial.tries} if case.dial else set()
    right = set(case.answers) or _addresses(case, evidence)
    given = ", ".join(map(str, sorted(tried, key=str)))
    if tried <= right:
        return excluded(f"{item.destination} is {given}, as it should be")
    if tried & right:
        return unknown(f"{item.destination} is {given}, of which only some are right")
    if (
        not case.answers
        and not _elsewhere(case, tried)
        and not evidence[item.host].resolved(item.destination).hosts_file
    ):
        # A balancer or a forward that the inventory does not know may stand there, rightly.
        return unknown(f"{item.destination} is {given}, which no host of the inventory has, and no `resolves` declares")
    return _wrong(case, evidence, item.destination, tuple(sorted(right, key=str)))


def _elsewhere(case: Case, tried: set[Address]) -> bool:
    """Is it proved that these are not ways to the server? They are other hosts', or the client itself."""
    return all(one.is_loopback or one in case.others for one in tried)


def _addresses(case: Case, evidence: Evidence) -> set[Address]:
    """The addresses that the server really has. Raises `CouldNotLook` where it was not asked."""
    host = case.router or case.server
    if host is None:
        raise CouldNotLook("which addresses the name should have is not declared (`resolves:` or `server:`)")
    return {own.address for own in evidence[host].addresses}


def _wrong(case: Case, evidence: Evidence, name: str, right: tuple[Address, ...]) -> Ruling:
    client = evidence[case.item.host]
    answer = client.resolved(name)
    wrong = [one for one in answer.addresses if one not in right]
    override = [line for line in answer.hosts_file if line.split()[:1] and line.split()[0] in set(map(str, wrong))]
    lines: list[Line] = [client.line("/etc/hosts", line) for line in override]
    lines += [client.line(f"getent ahosts {name}", line) for line in answer.lines if "STREAM" in line]
    lines += [client.line("/etc/resolv.conf", line) for line in answer.resolvers] if not override else []
    given = ", ".join(map(str, answer.addresses)) or "no address"
    wanted = ", ".join(map(str, right)) or "an address"
    if not lines:
        lines.append(client.line(f"getent ahosts {name}", "no answer"))
    return Ruling(
        answer="proven",
        because=f"{client.name} takes {name} for {given}; it should be {wanted}",
        evidence=tuple(lines),
        variant="hosts-file" if override else ("wrong-address" if answer.addresses else "no-answer"),
        host=client.name,
        subject=name,
        fix=_fix(name, override, wanted),
        verify=(f"getent ahosts {name}",),
    )


def _fix(name: str, override: list[str], wanted: str) -> tuple[str, ...]:
    if override:
        return (f"remove from /etc/hosts: {override[0]}", f"or correct it: {wanted} {name}")
    return (f"correct the record of {name} ({wanted}) in the zone that answers", "or the resolver in /etc/resolv.conf")
