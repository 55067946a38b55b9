"""Is a unit running, as users of it see it? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from whyrefused.facts.ports import socket_of

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.units import Unit

State = Literal["running", "starting", "crash-looping", "stopped", "absent"]

# What `systemctl is-enabled` calls enabled by its exit status (systemctl(1)).
ENABLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "indirect", "generated"})


def state(unit: Unit, socket: Unit | None) -> State:
    """Which of the states is the unit in? One that its active socket unit starts on demand is running."""
    if unit.crash_looping:
        return "crash-looping"
    if unit.active in {"active", "reloading", "refreshing"}:
        return "running"
    # A socket with Accept=yes starts instances of a template: there is no service of its own name (systemd.socket(5)).
    if socket is not None and socket.active == "active" and unit.active != "failed":
        return "running"
    if unit.load == "not-found" and socket is None:
        return "absent"
    return "starting" if unit.active == "activating" else "stopped"


def of(host: HostEvidence, name: str) -> tuple[State, Unit, Unit | None]:
    """In which state is this unit of a host, and by whose word? Raises `CouldNotLook`."""
    unit, socket = host.unit(name), socket_of(host, name)
    return state(unit, socket), unit, socket


def enabled(unit: Unit, socket: Unit | None) -> bool:
    """Does it start at boot, by itself or through its socket?"""
    return unit.file_state in ENABLED or (socket is not None and socket.file_state in ENABLED)


def instances(host: HostEvidence, name: str) -> tuple[str, ...]:
    """Which instances of a template that is named like this service are loaded? postgresql@15-main for postgresql."""
    template = name.removesuffix(".service") + "@"
    known = {unit.id for unit in host.all_units.values()}
    return tuple(sorted(unit for unit in known if unit.startswith(template) and unit.endswith(".service")))
