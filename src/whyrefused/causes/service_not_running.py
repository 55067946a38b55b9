"""Service is not running.

The program that clients want to reach is not there to answer: it was stopped, it failed or keeps failing, it is masked,
or it was never installed. Nothing holds the port, so the server's kernel answers every connection with a reset. A unit
that systemd calls active may still have nothing behind it, and one that its socket unit starts on demand is as good as
running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused import ports, services
from whyrefused.case import PathItem, ServiceItem, excluded, unknown
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.units import Unit
    from whyrefused.records import Line

CODE = "service-not-running"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration", "server-firewall")

FIX = {
    "stopped": ("systemctl start {unit}",),
    # Automatic restarts leave `Result` as it was when they reach the start limit (systemd.unit(5)): it is taken back.
    "failed": ("journalctl -u {unit} -n 50 --no-pager", "systemctl reset-failed {unit}", "systemctl restart {unit}"),
    "start-limit-hit": (
        "journalctl -u {unit} -n 50 --no-pager",
        "systemctl reset-failed {unit}",
        "systemctl start {unit}",
    ),
    "oom-kill": ("journalctl -u {unit} -n 50 --no-pager", "systemctl restart {unit}"),
    "crash-loop": ("journalctl -u {unit} -n 50 --no-pager", "systemctl restart {unit}"),
    "masked": ("systemctl unmask {unit}", "systemctl start {unit}"),
    "not-installed": ("install the package that holds {unit}", "systemctl start {unit}"),
    "starting": ("journalctl -u {unit} -f", "systemctl status {unit}"),
    "active-exited": ("journalctl -u {unit} -n 50 --no-pager", "systemctl restart {unit}"),
    "disabled": ("systemctl enable --now {unit}",),
    "socket-stopped": ("systemctl start {socket}",),
}


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Is the unit that should answer down?"""
    host = case.at_server(evidence)
    if host is None:
        return unknown("which host should answer is not in the inventory")
    if isinstance(case.item, PathItem) and case.seen.symptom not in {"refused", "reset"}:
        return unknown(f"a port without a program refuses at once; the client saw {case.seen.symptom}")
    try:
        return _of_unit(case, host) if case.unit else _without_unit(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _without_unit(case: Case, host: HostEvidence) -> Ruling:
    if case.port is None:
        return unknown("no unit is declared")
    found, source = ports.on_port(host, case.protocol, case.port)
    if found:
        return excluded(f"a program listens on {case.key}", *(host.line(source, one.line) for one in found))
    return unknown(f"nothing listens on {case.key}, and no unit is declared for it (`service:`)")


def _of_unit(case: Case, host: HostEvidence) -> Ruling:
    state, unit, socket = services.of(host, str(case.unit))
    said = tuple(host.line("systemctl show", one.said) for one in (unit, socket) if one)
    variant = _variant(case, host, state, unit, socket)
    if not variant:
        return excluded(f"{case.unit} is running", *said)
    name = suffixed(str(case.unit))
    holders = _holders(case, host, unit, socket)
    if case.seen.symptom == "reset" and not holders:
        return unknown(f"{name} is down, but something took the connection before it ended it", *said)
    return Ruling(
        answer="proven",
        because=_because(name, variant, unit) + (f"; {case.key} is held by {holders[0][0]}" if holders else ""),
        evidence=(*said, *(line for _, _, line in holders)),
        variant=variant,
        host=host.name,
        subject=name,
        fix=(*(way for _, way, _ in holders), *_fix(name, variant, socket, enable=case.wants_enabled)),
        verify=(f"systemctl is-active {name}", *([f"ss -Htln sport = :{case.port}"] if case.port else [])),
    )


def _fix(name: str, variant: str, socket: Unit | None, *, enable: bool) -> tuple[str, ...]:
    words = FIX[variant]
    if enable and variant not in {"disabled", "not-installed", "socket-stopped"}:
        words = (*words, "systemctl enable {unit}")
    return tuple(line.format(unit=name, socket=socket.id if socket else "") for line in words)


def _holders(case: Case, host: HostEvidence, unit: Unit, socket: Unit | None) -> tuple[tuple[str, str, Line], ...]:
    """Who else holds the port, so that the service cannot have it? Each with what frees it, and its line."""
    if case.port is None:
        return ()
    found, source = ports.on_port(host, case.protocol, case.port)
    return tuple(
        (ports.owner_words(one), ports.release(one), host.line(source, one.line))
        for one in found
        if ports.owned(one, unit, socket) is False
    )


def _variant(case: Case, host: HostEvidence, state: services.State, unit: Unit, socket: Unit | None) -> str:
    """In which way is it down? Empty where it is up."""
    if state == "running":
        return "active-exited" if _nothing_behind(case, host, unit) else ""
    if state == "absent":
        return "not-installed"
    if unit.load == "masked" or unit.file_state.startswith("masked"):
        return "masked"
    if state == "crash-looping":
        return "crash-loop"
    if state == "starting":
        return "starting"
    if socket is not None and socket.active != "active" and unit.file_state not in services.ENABLED - {"static"}:
        return "socket-stopped"
    if unit.active == "failed":
        return unit.result if unit.result in {"start-limit-hit", "oom-kill"} else "failed"
    return "disabled" if case.wants_enabled and not services.enabled(unit, socket) else "stopped"


def _nothing_behind(case: Case, host: HostEvidence, unit: Unit) -> bool:
    """Does systemd call it active though its program has ended and nobody holds the port?"""
    if unit.sub != "exited" or case.port is None or isinstance(case.item, ServiceItem):
        return False
    return not ports.on_port(host, case.protocol, case.port)[0] and not ports.of_unit(host, unit.name)


def _because(name: str, variant: str, unit: Unit) -> str:
    words = {
        "stopped": "is stopped",
        "failed": f"has failed ({unit.result}{f', status {unit.main_status}' if unit.main_status else ''})",
        "start-limit-hit": "failed too often and is not started any more (start-limit-hit)",
        "oom-kill": "was killed for want of memory (oom-kill)",
        "crash-loop": f"keeps dying and is started again and again ({unit.restarts} times)",
        "masked": "is masked, so nothing can start it",
        "not-installed": "is not installed",
        "starting": "is still starting",
        "active-exited": "is active (exited): its program has ended",
        "disabled": "is stopped, and not enabled: no boot starts it",
        "socket-stopped": "is started by its socket unit, which is not active",
    }
    return f"{name} {words[variant]}"
