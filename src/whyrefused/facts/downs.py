"""In which way is a unit down, by systemd's and its own words? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.case import ServiceItem
from whyrefused.evidence import looked
from whyrefused.facts import bind_errors, ports, services
from whyrefused.facts.addresses import V4, V6, plain
from whyrefused.facts.daemons import MANY_MASTERS
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.bind_errors import BindError
    from whyrefused.probes.listeners import Listener
    from whyrefused.probes.trouble import Need, Said, Trouble
    from whyrefused.probes.units import Unit
    from whyrefused.records import Line

SECONDS_TO_LISTEN = 10
"""A program that is up for less may not have come to listen yet."""

TRIED = frozenset({"failed", "activating", "auto-restart"})
LAST_WORDS = 3  # of a unit that failed, quoted as evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """One unit that does not answer."""

    name: str  # of the unit at fault, as systemd calls it
    variant: str
    words: str  # what is told of it, behind its name
    unit: Unit
    socket: Unit | None
    lines: tuple[Line, ...]
    holders: tuple[Listener, ...] = ()  # others' sockets on its port
    acts: str = ""  # the unit that commands are for, where it is another: the instance of a template
    needs: str = ""  # the unit that is missing for it


def of(case: Case, host: HostEvidence, name: str) -> Down | None:
    """In which way is it down? None where it is up. Raises `CouldNotLook`."""
    state, unit, socket = services.of(host, name)
    trouble = _trouble(host, unit)
    if state == "running":
        return _behind(case, host, unit, socket)
    said = tuple(host.line("systemctl show", one.said) for one in (unit, socket) if one)
    error = bind_errors.of(trouble, again=state == "crash-looping") or bind_errors.of(
        _trouble(host, socket) if socket else None
    )
    holders = _holders(case, host, unit, socket, error)
    variant = _bind(unit, socket, trouble, error, holders) or _plain(case, state, unit, socket, trouble)
    own = socket if socket is not None and variant in {"socket-stopped", "trigger-limit-hit"} else unit
    needs = trouble.needs[0] if trouble and trouble.needs else None
    return Down(
        name=own.id if own.load != "not-found" else suffixed(name),
        variant=variant,
        words=_words(variant, unit, needs),
        unit=unit,
        socket=socket,
        lines=(*said, *_quoted(host, unit, trouble, error, variant)),
        holders=holders,
        needs=needs.unit if needs and variant == "dependency-failed" else "",
    )


def _trouble(host: HostEvidence, unit: Unit) -> Trouble | None:
    """What is known of its trouble? Nothing where it was not asked: the state alone decides then."""
    found = looked(lambda: host.trouble(unit.id))
    return None if isinstance(found, Missing) else found


def _plain(case: Case, state: services.State, unit: Unit, socket: Unit | None, trouble: Trouble | None) -> str:
    """In which way is it down, as far as systemd's state tells?"""
    if state == "absent":
        return "not-installed"
    if unit.load in {"bad-setting", "error"}:
        return "bad-unit-file"
    if unit.load == "masked" or unit.file_state.startswith("masked"):
        return "masked"
    if state in {"crash-looping", "starting"}:
        return "crash-loop" if state == "crash-looping" else "starting"
    by_socket = _by_socket(unit, socket)
    if by_socket:
        return by_socket
    if unit.active == "failed":
        return _failed(unit, trouble)
    if unit.unmet:
        return "condition-not-met"
    if _last_job(trouble) == "dependency":
        return "dependency-failed"
    stopped = any(one.job == "done" and one.line.startswith("Stopped ") for one in (trouble.journal if trouble else ()))
    never = trouble is not None and not trouble.unheard and not stopped and unit.file_state == "disabled"
    return "disabled" if never or (case.wants_enabled and not services.enabled(unit, socket)) else "stopped"


def _by_socket(unit: Unit, socket: Unit | None) -> str:
    if socket is None or socket.active == "active":
        return ""
    if socket.result in {"trigger-limit-hit", "service-start-limit-hit"}:
        return "trigger-limit-hit"
    return "" if unit.file_state in services.ENABLED - {"static"} or unit.active == "failed" else "socket-stopped"


def _failed(unit: Unit, trouble: Trouble | None) -> str:
    # Automatic restarts that reach the limit leave `Result` as it was (systemd.unit(5), StartLimitBurst=).
    if any(one.by_systemd and "request repeated too quickly" in one.line for one in _journal(trouble)):
        return "start-limit-hit"
    return unit.result if unit.result in {"start-limit-hit", "oom-kill"} else "failed"


def _journal(trouble: Trouble | None) -> tuple[Said, ...]:
    return trouble.journal if trouble else ()


def _last_job(trouble: Trouble | None) -> str:
    return next((one.job for one in reversed(_journal(trouble)) if one.by_systemd and one.job), "")


def _bind(
    unit: Unit, socket: Unit | None, trouble: Trouble | None, error: BindError | None, holders: tuple[Listener, ...]
) -> str:
    """Could it not take its port? By its own words; where it left none, by the port that another program holds."""
    tried = {unit.active, unit.sub} & TRIED or unit.crash_looping or (socket is not None and socket.active == "failed")
    if not tried:
        return ""
    if error is not None:
        kinds = {"not-available": "address-not-available", "not-permitted": "bind-not-permitted"}
        return kinds.get(error.kind, "port-held" if holders else "could-not-bind")
    wrote = any(not one.by_systemd for one in _journal(trouble))
    return "port-held" if holders and not wrote else ""


def _holders(
    case: Case, host: HostEvidence, unit: Unit, socket: Unit | None, error: BindError | None
) -> tuple[Listener, ...]:
    """Who else holds its port? That of the case, or those that the unit's own words name."""
    named = error.ports if error and error.kind == "in-use" else ()
    mine = error is not None or [suffixed(one) for one in case.free_units] == [unit.id]
    free = [int(key.partition("/")[0]) for key, owner in case.declared_ports.items() if owner is None and mine]
    for port in dict.fromkeys((*([case.port] if case.port else []), *named, *free)):
        found, _ = ports.on_port(host, case.protocol, port)
        others = [one for one in found if ports.owned(one, unit, socket) is False]
        if port != case.port or error is None:
            others = [one for one in others if error is not None or _conflicts(one, case.bind)]
        if others:
            return tuple(others)
    return ()


def _conflicts(listener: Listener, bind: str) -> bool:
    """Does this socket keep others from binding to the declared address? bind(2): the same address, or a wildcard."""
    text = bind.partition("%")[0] or "0.0.0.0"  # noqa: S104 - what is declared
    held = plain(listener.address)
    if held.version != (V6 if ":" in text else V4) and listener.v6only is not False:
        return False
    return held.is_unspecified or text in {"0.0.0.0", "::", str(held)}  # noqa: S104 - as above


def _behind(case: Case, host: HostEvidence, unit: Unit, socket: Unit | None) -> Down | None:
    """Does systemd call it active though no program of it listens?"""
    if case.port is None or isinstance(case.item, ServiceItem):
        return None
    if ports.on_port(host, case.protocol, case.port)[0] or ports.serving(host, unit.name, case.protocol, case.port):
        return None
    if ports.table(host)[1] == ports.PROC:
        raise CouldNotLook(f"{host.name}: whether {unit.id} listens elsewhere {ports.to_see_owners(host)}")
    said = host.line("systemctl show", unit.said)
    if unit.sub == "exited":
        return _exited(case, host, unit, socket, said)
    # Only who is named may be blamed for what he does not do.
    trouble = _trouble(host, unit) if case.unit else None
    if unit.sub != "running" or unit.network or trouble is None or trouble.network != "same":
        return None
    if not trouble.sockets_seen or trouble.unix or unit.id in MANY_MASTERS:
        return None
    young = unit.up is not None and unit.up < SECONDS_TO_LISTEN
    words = "is active, but its main process listens on no port"
    return Down(
        name=unit.id,
        variant="not-yet-listening" if young else "not-listening",
        words=f"{words}; it is up for {unit.up:.0f} s" if young and unit.up is not None else words,
        unit=unit,
        socket=socket,
        lines=(said, *_quoted(host, unit, trouble, bind_errors.of(trouble), "failed")),
    )


def _exited(case: Case, host: HostEvidence, unit: Unit, socket: Unit | None, said: Line) -> Down:
    """Its program has ended; where it only starts the instances of a template, one of these may be what is down."""
    for instance in services.instances(host, unit.id):
        down = of(case, host, instance)
        if down is not None:
            words = f"is active (exited), and {down.name} {down.words}"
            return Down(
                name=unit.id, variant=down.variant, words=words, unit=down.unit, socket=None,
                lines=(said, *down.lines), holders=down.holders, acts=down.name,
            )  # fmt: skip
    return Down(
        name=unit.id, variant="active-exited", words="is active (exited): its program has ended", unit=unit,
        socket=socket, lines=(said,),
    )  # fmt: skip


def _words(variant: str, unit: Unit, needs: Need | None) -> str:
    status = f", status {unit.main_status}" if unit.main_status else ""
    socket = "" if unit.id.endswith(".socket") else "is started by its socket unit, which "
    words = {
        "stopped": "is stopped",
        "failed": f"has failed ({unit.result}{status})",
        "start-limit-hit": "failed too often and is not started any more (start-limit-hit)",
        "oom-kill": "was killed for want of memory (oom-kill)",
        "crash-loop": f"keeps dying and is started again and again ({unit.restarts} times)",
        "masked": "is masked, so nothing can start it",
        "not-installed": "is not installed",
        "bad-unit-file": f"has a unit file that systemd cannot read ({unit.load})",
        "starting": "is still starting",
        "disabled": "is stopped, and not enabled: no boot starts it",
        "socket-stopped": f"{socket}is not active",
        "trigger-limit-hit": f"{socket}was triggered too often and gave up",
        "condition-not-met": f"was not started: a {unit.unmet or 'condition'} of its unit file is not met",
        "dependency-failed": f"was not started: {needs.unit if needs else 'a unit that it requires'} failed",
        "port-held": "could not take its port",
        "could-not-bind": "could not take its port: another program held it when it last tried",
        "address-not-available": "could not bind: the host does not have the address that it is to listen on",
        "bind-not-permitted": "could not bind: it may not take that port",
    }
    return words[variant]


def _quoted(
    host: HostEvidence, unit: Unit, trouble: Trouble | None, error: BindError | None, variant: str
) -> tuple[Line, ...]:
    """Which of its own words tell it?"""
    if trouble is None:
        return ()
    source = f"journalctl -b -u {unit.id}"
    if error is not None and variant not in {"stopped", "disabled"}:
        return (host.line(source, error.said.line),)
    if variant == "dependency-failed":
        told = [one for one in trouble.journal if one.job == "dependency"][-1:]
        needs = (host.line("systemctl show", need.line) for need in trouble.needs[:LAST_WORDS])
        return (*(host.line(source, one.line) for one in told), *needs)
    if variant not in {"failed", "start-limit-hit", "oom-kill", "crash-loop", "condition-not-met", "trigger-limit-hit"}:
        return ()
    own = [one for one in trouble.journal if not one.by_systemd] or list(trouble.journal)
    return tuple(host.line(source, one.line) for one in own[-LAST_WORDS:])
