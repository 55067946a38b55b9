"""Why did the items fail? Failures and the evidence of both ends -> findings, one for each root. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused import daemons
from whyrefused.case import Case
from whyrefused.causes import registry
from whyrefused.plan.declare import is_literal
from whyrefused.plan.items import FirewallItem, NameItem, PathItem, PortItem, ProxyItem, ServiceItem
from whyrefused.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.addresses import Address
    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Item
    from whyrefused.records import Host, Inventory, Ruling, Seen

UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One item that is not as declared."""

    id: str  # pytest node id
    item: Item
    seen: Seen


def diagnose(inventory: Inventory, failures: Iterable[Failure], evidence: Evidence) -> tuple[Finding, ...]:
    """Which roots explain these failures? Each finding once, with all that it explains.

    An item may be explained by two findings where two faults are proven that both keep it from working; the first of
    them is what a client meets first. A failure that is no refused connection, such as a port that should be closed
    and is not, has no finding.
    """
    found: dict[str, Finding] = {}
    for failure in sorted(failures, key=_nearest_first):
        case = _case(inventory, failure)
        if case is None:
            continue
        rulings = {code: cause.rule(case, evidence) for code, cause in registry().items()}
        for finding in _of_case(case, failure.id, rulings):
            known = found.get(finding.id)
            found[finding.id] = _joined(known, finding) if known else finding
    return tuple(sorted(found.values(), key=_weight))


def first_of(findings: Iterable[Finding], result: str) -> str | None:
    """Which finding explains this result first? The one that no other of its findings hides."""
    mine = [finding for finding in findings if result in finding.explains]
    codes = {finding.cause for finding in mine}
    plain = [one for one in mine if one.cause == UNDETERMINED or not codes & set(registry()[one.cause].hidden_by)]
    return (plain or mine)[0].id if mine else None


NEAREST = ("services", "ports", "firewall", "proxy", "resolves", "connects")


def _nearest_first(failure: Failure) -> tuple[int, str]:
    """What stands nearest to a root tells it best, and its words head the finding; a path is told last."""
    check = failure.item.check
    return (NEAREST.index(check) if check in NEAREST else len(NEAREST)), failure.id


def _weight(finding: Finding) -> tuple[bool, int, str]:
    return finding.cause == UNDETERMINED, -len(finding.explains), finding.id


def _case(inventory: Inventory, failure: Failure) -> Case | None:
    """What is there to explain? None where nothing was refused."""
    item = failure.item
    match item:
        # One that runs and is not enabled is not as declared, and nothing is refused.
        case ServiceItem() if item.state == "running" and failure.seen.value[0] != "running":
            return _of_port(failure, inventory.hosts[item.host], _key_of(inventory, item), item.unit)
        case PortItem() if item.state == "listening":
            return _of_port(failure, inventory.hosts[item.host], item.subject, item.unit)
        case FirewallItem() if item.let_in:
            key = f"{item.port}/{item.protocol}"
            return _of_port(failure, inventory.hosts[item.host], key, None)
        case PathItem():
            return _of_path(inventory, failure, item)
        case NameItem() | ProxyItem():
            return _of_port(failure, None, None, None)
    return None


def _of_path(inventory: Inventory, failure: Failure, item: PathItem) -> Case:
    server = inventory.hosts.get(item.server or "") or _at(inventory, failure)
    case = _of_port(failure, server, item.server_port or f"{item.port}/tcp", None)
    return replace(case, answers=_declared_answers(inventory, item, server), others=_others(inventory, server))


def _at(inventory: Inventory, failure: Failure) -> Host | None:
    """Which host of the inventory has the address that a path ended at? For a destination that it does not know."""
    last = failure.seen.value.last
    found = [host for host in inventory.hosts.values() if last and host.connection.address == str(last.address)]
    return found[0] if found else None


def _declared_answers(inventory: Inventory, item: PathItem, server: Host | None) -> tuple[Address, ...]:
    """Which addresses does the inventory give the name that is dialled? By `resolves`, or as the server's own name."""
    declared = inventory.hosts[item.host].expect.resolves.get(item.destination, ())
    if not declared and server and server.name == item.destination and is_literal(server.connection.address):
        declared = (server.connection.address,)
    return tuple(ipaddress.ip_address(one) for one in declared if "/" not in one)


def _others(inventory: Inventory, server: Host | None) -> frozenset[Address]:
    """Which addresses are other hosts', none of which is declared to forward anything?"""
    return frozenset(
        ipaddress.ip_address(host.connection.address)
        for host in inventory.hosts.values()
        if host is not server and not host.expect.forwards and is_literal(host.connection.address)
    )


def _of_port(failure: Failure, server: Host | None, key: str | None, unit: str | None) -> Case:
    number, _, protocol = (key or "").partition("/")
    port = server.expect.ports.get(key or "") if server else None
    owner = unit or (port.service if port else None) or (_only_unit(server, int(number)) if server and number else None)
    service = server.expect.services.get(owner or "") if server else None
    return Case(
        item=failure.item,
        seen=failure.seen,
        server=server.name if server else None,
        port=int(number) if number else None,
        protocol=protocol or "tcp",
        bind=port.bind if port else "0.0.0.0",  # noqa: S104 - the grammar's default
        unit=owner,
        wants_enabled=bool(service and service.enabled),
        declared_ports={name: one.service for name, one in server.expect.ports.items()} if server else {},
    )


def _key_of(inventory: Inventory, item: ServiceItem) -> str | None:
    """Which declared port does this unit serve?"""
    ports = inventory.hosts[item.host].expect.ports
    return next((key for key, port in ports.items() if port.service == item.unit), None)


def _only_unit(server: Host, port: int) -> str | None:
    """Which unit must be meant where a port names none? The one declared daemon that is known for this very port."""
    units = [unit for unit, service in server.expect.services.items() if service.state == "running"]
    known = [unit for unit in units if port in daemons.known(unit).ports]
    return known[0] if len(known) == 1 else None


def _of_case(case: Case, result: str, rulings: Mapping[str, Ruling]) -> list[Finding]:
    proven = {code: ruling for code, ruling in rulings.items() if ruling.answer == "proven"}
    if not proven:
        return [_undetermined(case, result, rulings)]
    return [
        Finding(
            id=f"{code}:{ruling.host}:{ruling.subject}",
            cause=code,
            variant=ruling.variant,
            host=ruling.host,
            subject=ruling.subject,
            title=f"{ruling.host}: {registry()[code].title}: {ruling.because}",
            explains=(result,),
            evidence=tuple(dict.fromkeys((*ruling.evidence, *case.seen.lines))),
            fix=ruling.fix,
            verify=ruling.verify,
            differential=rulings,
        )
        for code, ruling in proven.items()
    ]


def _undetermined(case: Case, result: str, rulings: Mapping[str, Ruling]) -> Finding:
    host = case.server or case.item.host
    subject = case.key if case.port else case.item.subject
    return Finding(
        id=f"{UNDETERMINED}:{host}:{subject}",
        cause=UNDETERMINED,
        variant=case.seen.symptom or case.item.check,
        host=host,
        subject=subject,
        title=f"{host}: undetermined: {case.item.wanted}, but {case.seen.said}",
        explains=(result,),
        evidence=case.seen.lines,
        fix=(),
        verify=(),
        differential=rulings,
    )


def _joined(known: Finding, more: Finding) -> Finding:
    """Two failures with one root: all that it explains, and the evidence of each."""
    return replace(
        known,
        explains=tuple(dict.fromkeys((*known.explains, *more.explains))),
        evidence=tuple(dict.fromkeys((*known.evidence, *more.evidence))),
    )
