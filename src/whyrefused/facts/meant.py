"""Which unit must hold a port? As declared, or where the inventory names none, the only one that can be meant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import daemons, ports, services

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.listeners import Listener


def unit_of(case: Case, host: HostEvidence) -> str | None:
    """Which unit must hold the port of this case? None where more than one, or none, can be meant.

    Without `service:` it is the declared unit that holds it; else the one that is down, or that holds undeclared ports
    only. Raises `CouldNotLook`.
    """
    if case.unit or case.port is None or (case.declared_ports and case.key not in case.declared_ports):
        return case.unit
    found, _ = ports.on_port(host, case.protocol, case.port)
    holding = [unit for unit in case.free_units if _holds(host, unit, found)]
    if holding:
        return holding[0]
    down = [unit for unit in case.free_units if _down(case, host, unit) and not (found and _elsewhere(case, unit))]
    astray = [] if found else [unit for unit in case.free_units if unit not in down and _astray(case, host, unit)]
    return (down + astray)[0] if len(down) + len(astray) == 1 else None


def _holds(host: HostEvidence, name: str, found: tuple[Listener, ...]) -> bool:
    unit, socket = host.unit(name), ports.socket_of(host, name)
    return any(ports.owned(one, unit, socket) for one in found)


def _down(case: Case, host: HostEvidence, name: str) -> bool:
    """Is it down, and not known for another port that is declared here?"""
    at_home = any(f"{port}/tcp" in case.declared_ports for port in daemons.known(name).ports)
    state, unit, _ = services.of(host, name)
    ended = unit.sub == "exited" and not ports.serving(host, name, case.protocol, case.port)
    return (state != "running" or ended) and not at_home


def _elsewhere(case: Case, name: str) -> bool:
    """Is it known for ports, and not for this one?"""
    return case.port not in (daemons.known(name).ports or (case.port,))


def _astray(case: Case, host: HostEvidence, name: str) -> bool:
    """Does it hold ports, none of them declared, and none that it is known for?"""
    own = ports.serving(host, name, case.protocol, case.port)
    declared = any(f"{one.port}/{one.protocol}" in case.declared_ports for one in own)
    return bool(own) and not declared and not any(one.port in daemons.known(name).ports for one in own)
