"""Incorrect port.

The service runs, but it listens on another port than the one its clients are told to use: its configuration names
another one, another program took the port first, or it serves UDP where TCP is wanted. The inventory is the truth: the
port declared there is the right one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused import ports, services
from whyrefused.case import FirewallItem, PathItem, ServiceItem, excluded, unknown
from whyrefused.daemons import MANY_MASTERS, rebind
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.listeners import Listener

CODE = "wrong-port"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration", "server-firewall")


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the unit that should hold the port listen on another one?"""
    host = case.at_server(evidence)
    if host is None or case.port is None or isinstance(case.item, (ServiceItem, FirewallItem)):
        return unknown("no port is at issue")
    if isinstance(case.item, PathItem) and case.seen.symptom not in {"refused", "reset"}:
        return unknown(f"a port that nobody holds refuses at once; the client saw {case.seen.symptom}")
    try:
        return _on(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _on(case: Case, host: HostEvidence) -> Ruling:
    found, source = ports.on_port(host, case.protocol, case.port or 0)
    said = tuple(host.line(source, one.line) for one in found)
    if not case.unit:
        if found:
            return excluded(f"a program listens on {case.key}", *said)
        return unknown(f"nothing listens on {case.key}, and no unit is declared for it (`service:`)")
    state, unit, socket = services.of(host, case.unit)
    owners = [ports.owned(one, unit, socket) for one in found]
    if any(owners):
        return excluded(f"{case.unit} listens on {case.key}", *said)
    if any(owns is None for owns in owners):
        return unknown(f"who holds {case.key} is not told to this login")
    if state != "running":
        return unknown(f"{case.unit} is not running: on which port it would listen cannot be seen")
    if suffixed(case.unit) in MANY_MASTERS:
        return unknown(f"{case.unit} holds ports for other programs: which of them is missed cannot be seen")
    own = ports.of_unit(host, case.unit)
    if not own:
        return unknown(f"{case.unit} is active and holds no port at all", host.line("systemctl show", unit.said))
    return _proven(case, host, found, own, source)


def _proven(
    case: Case, host: HostEvidence, found: tuple[Listener, ...], own: tuple[Listener, ...], source: str
) -> Ruling:
    name = suffixed(str(case.unit))
    undeclared = [one for one in own if f"{one.port}/{one.protocol}" not in case.declared_ports] or list(own)
    where = ", ".join(dict.fromkeys(f"{one.port}/{one.protocol}" for one in undeclared))
    if found:
        variant, holder = "held-by-another", ports.owner_words(found[0])
        because = f"{case.key} is held by {holder}; {name} listens on {where}"
    elif any(one.port == case.port for one in own):
        variant, because = "other-protocol", f"{name} listens on {where}, not on {case.key}"
    else:
        variant, because = "listens-elsewhere", f"{name} listens on {where}, not on {case.key}"
    return Ruling(
        answer="proven",
        because=because,
        evidence=tuple(host.line(source, one.line) for one in (*found, *undeclared)),
        variant=variant,
        host=host.name,
        subject=case.key,
        fix=(*dict.fromkeys(ports.release(one) for one in found), *rebind(name, case.bind, case.port or 0)),
        verify=(f"ss -Htlnp sport = :{case.port}",),
    )
