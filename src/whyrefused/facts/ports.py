"""Who listens on a port of a host, and who owns the socket? Pure; every "nobody" is proved by two sources."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.probes.listeners import Listener
from whyrefused.probes.proc_net import Entry, Sum
from whyrefused.probes.units import suffixed, with_sockets
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.units import Unit

SS, PROC = "ss -Htulnpe", "/proc/net"


def table(host: HostEvidence) -> tuple[tuple[Listener, ...], str]:
    """Which sockets listen, and who said so? ss, or where it is not there the kernel's own table, which knows less.

    Raises `CouldNotLook` where ss shows no socket at all and the kernel's table does not say so too.
    """
    try:
        rows = host.listeners
    except CouldNotLook as miss:
        if "not installed" not in miss.why or any(isinstance(one, Sum) for one in host.open_ports):
            raise
        return tuple(_from_proc(entry) for entry in host.open_ports if isinstance(entry, Entry)), PROC
    if not rows and (other := [one for one in host.open_ports if isinstance(one, Entry) or one.sockets]):
        raise CouldNotLook(f"{host.name}: contradiction: ss shows no socket, but {other[0].line}")
    return rows, SS


def _from_proc(entry: Entry) -> Listener:
    return Listener(
        protocol=entry.protocol, address=entry.address, port=entry.port, device=None, v6only=None, backlog=0, queued=0,
        unit=None, processes=(), line=entry.line,
    )  # fmt: skip


def on_port(host: HostEvidence, protocol: str, port: int) -> tuple[tuple[Listener, ...], str]:
    """Who listens on this port, and who said so?

    Raises `CouldNotLook` where ss shows nobody and the kernel's own table somebody: then neither is believed.
    """
    rows, source = table(host)
    found = tuple(row for row in rows if (row.protocol, row.port) == (protocol, port))
    if not found:
        here = [one for one in host.open_ports if one.protocol == protocol]
        shown = sum(row.protocol == protocol for row in rows)
        other = [one for one in here if (one.sockets != shown if isinstance(one, Sum) else one.port == port)]
        if other:
            raise CouldNotLook(f"{host.name}: contradiction: ss shows nobody on {port}/{protocol}, but {other[0].line}")
    return found, source


def owned(listener: Listener, unit: Unit, socket: Unit | None) -> bool | None:
    """Does this unit own the socket? None where the login may not see who does.

    By the control group the socket was made in (ss -e), else by the main process. An instance owns it for its
    template (postgresql@15-main for postgresql); a socket that systemd itself holds belongs to the unit's socket unit.
    """
    if by_systemd(listener):
        return _held(listener, socket) if socket and socket.active == "active" else False
    if listener.unit:
        return listener.unit in {unit.id, unit.name} or _instance(listener.unit, unit.id)
    if listener.processes:
        return unit.main_pid in {pid for _, pid in listener.processes} or (None if listener.unit is None else False)
    return None if listener.unit is None else False


def _held(listener: Listener, socket: Unit) -> bool | None:
    """Is it one of the sockets that this socket unit holds? None where systemd did not say which these are."""
    kind = "Stream" if listener.protocol == "tcp" else "Datagram"
    return any(one.endswith(f":{listener.port} ({kind})") for one in socket.listens) if socket.listens else None


def _instance(owner: str, unit: str) -> bool:
    return bool(re.fullmatch(re.escape(unit.removesuffix(".service")) + r"@.*\.service", owner))


def owner_words(listener: Listener) -> str:
    """Who holds the socket, in words? Its unit, else its process."""
    names = sorted({name for name, _ in listener.processes})
    return listener.unit or (", ".join(names) if names else "a process that the login may not see")


def to_see_owners(host: HostEvidence) -> str:
    """What is missing where nobody says who owns a socket?"""
    return "needs ss there (iproute2)" if table(host)[1] == PROC else "needs root there"


def release(listener: Listener) -> str:
    """What makes the holder of a port let go of it?"""
    if by_systemd(listener):
        return f"systemctl stop SOCKET (systemctl list-sockets names the one of port {listener.port})"
    if listener.unit and listener.unit.endswith(".service"):
        return f"systemctl stop {listener.unit}"
    processes = sorted({pid for _, pid in listener.processes})
    if processes:
        return f"kill {' '.join(map(str, processes))}"
    return f"end the process that holds {listener.port}/{listener.protocol} (ss -Htlnp sport = :{listener.port})"


def socket_of(host: HostEvidence, unit: str) -> Unit | None:
    """Which socket unit may hold this unit's port? It itself, the one of the same name, or one that systemd names.

    Where several are active, the first of them with the listening sockets of all. systemd has a word for each that is
    asked for, loaded or not: one that is not told raises `CouldNotLook`.
    """
    name = suffixed(unit)
    own = with_sockets(name)[1:]
    names = [name] if name.endswith(".socket") else [*own, *_triggers(host, name)]
    found = [one for one in (_loaded(host, each) for each in dict.fromkeys(names)) if one]
    active = [one for one in found if one.active == "active"]
    if not active:
        return found[0] if found else None
    told = all(one.listens for one in active)
    return replace(active[0], listens=tuple(line for one in active for line in one.listens) if told else ())


def _triggers(host: HostEvidence, name: str) -> list[str]:
    return [one for one in host.unit(name).triggered_by if one.endswith(".socket")]


def _loaded(host: HostEvidence, name: str) -> Unit | None:
    try:
        found = host.unit(name)
    except CouldNotLook:
        if "@" in name:  # of an instance that nobody declared: systemd lists those that are loaded
            return None
        raise
    return found if found.load == "loaded" else None


def of_unit(host: HostEvidence, name: str) -> tuple[Listener, ...]:
    """Which sockets does this unit hold?"""
    unit, socket = host.unit(name), socket_of(host, name)
    return tuple(row for row in table(host)[0] if owned(row, unit, socket))


def serving(host: HostEvidence, name: str, protocol: str, port: int | None) -> tuple[Listener, ...]:
    """With which sockets may this unit serve, where it should serve this port? Not with those of the other protocol.

    A program that asks others by UDP has a socket of some number, which looks like one that serves (udp(7)). The very
    number that is declared is none of these.
    """
    return tuple(row for row in of_unit(host, name) if row.protocol == protocol or row.port == port)


def by_systemd(listener: Listener) -> bool:
    """Does systemd itself hold it, for a socket unit?"""
    return any(pid == 1 for _, pid in listener.processes) or listener.unit == "init.scope"
