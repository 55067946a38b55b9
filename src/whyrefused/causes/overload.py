"""Server overload or resource exhaustion.

There is no room for one more connection: the queue of a listener is full because its program stands still or is too
slow, the program has as many files, tasks or connections as it may, the table of tracked connections is full, or the
client has no local port left. On Linux this seldom refuses. A full queue drops what comes: the client waits until it
gives up, and is reset only with tcp_abort_on_overflow. A program at its own limit closes what it has accepted. A
connection is refused only where the overload ended the program, which then is a service that is not running, or where a
firewall keeps the limit. Counters of overflows since boot prove nothing: only what is full now, or overflows while one
looks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from whyrefused.case import HeadroomItem, PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import configured, limits, overflows, ports, queues
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.headroom import Room
    from whyrefused.facts.limits import Reached
    from whyrefused.facts.queues import Watched
    from whyrefused.probes.listeners import Listener

CODE = "overload"
SIDE = "server"
HIDDEN_BY = (
    "dns",
    "wrong-destination",
    "client-firewall",
    "nat-misconfiguration",
    "server-firewall",
    "service-not-running",
)
VARIANTS = {
    "accept-queue-full": "the queue of accepted connections is full",
    "abort-on-overflow": "the queue is full, and the kernel resets (tcp_abort_on_overflow)",
    "syn-queue-full": "the queue of half-open connections is full",
    "descriptor-limit": "the program has all the open files it may have",
    "task-limit": "it has all the tasks it may have",
    "socket-max-connections": "its socket unit takes no more connections",
    "conntrack-full": "the table of tracked connections is full",
    "local-ports": "the client has no local port left",
    "maxconn": "haproxy is at its maxconn",
    "worker-connections": "nginx is at its worker_connections",
    "max-startups": "sshd is at its MaxStartups",
    "max-children": "socat is at its max-children",
    "backlog-nearly-full": "headroom: a queue is nearly full",
    "files-nearly-full": "headroom: few files may still be opened",
    "conntrack-nearly-full": "headroom: the table of tracked connections is nearly full",
}
"""What a variant means; the slugs never change."""

SELDOM = "on Linux a full queue or a limit makes a client wait or resets it; the client saw {}"
SHORT = {
    "backlog": (
        "journalctl -u {unit} -n 50 --no-pager",
        "give {unit} a backlog of {more} in its configuration, at most net.core.somaxconn",
    ),
    "files": (
        "lsof of {unit}: does it leave files or connections open that it no longer needs?",
        "systemctl edit {unit}: [Service] LimitNOFILE={more}; of the system: sysctl -w fs.file-max={more}",
    ),
    "conntrack": (
        "conntrack -L | grep -o 'src=[^ ]*' | sort | uniq -c | sort -rn | head",
        "sysctl -w net.netfilter.nf_conntrack_max={more}",
    ),
}
VERIFY = {
    "backlog": "ss -Htln",
    "files": "sysctl fs.file-nr; ls /proc/PID/fd | wc -l",
    "conntrack": "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
}


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Is there no room for one more connection?"""
    try:
        if isinstance(case.item, HeadroomItem):
            return _short(case, evidence[case.item.host])
        if isinstance(case.item, PathItem):
            return _path(case, evidence)
    except CouldNotLook as miss:
        return unknown(miss.why)
    return unknown("no connection was tried; a program that ran out of memory shows as one that is not running")


def _path(case: Case, evidence: Evidence) -> Ruling:
    symptom, host = case.seen.symptom, case.at_server(evidence)
    if symptom == "local-error":
        return _client(case, evidence[case.item.host])
    if symptom not in {"timed-out", "reset", "refused"}:
        return unknown(SELDOM.format(symptom))
    full = _table(evidence[case.item.host], host) if symptom == "timed-out" else None
    if full:
        return full
    if host is None:
        return unknown("which host should answer is not in the inventory")
    if case.went_elsewhere(host) and not getattr(case.item, "router", None):
        return unknown(f"the client dialled {case.dialled}, which is not an address of {host.name}")
    return _server(case, host)


def _client(case: Case, client: HostEvidence) -> Ruling:
    last = case.dial.last if case.dial else None
    if last is None or last.word != "EADDRNOTAVAIL" or not isinstance(case.item, PathItem):
        return unknown(f"{last.word if last else 'no packet'} is not what a lack of local ports gives")
    reached = limits.of_local_ports(client, last.address, case.item.port)
    if reached is None:
        return unknown(f"{client.name} has local ports left towards {last.address}:{case.item.port}")
    return _proven(client, reached, f"{last.address}:{case.item.port}")


def _table(client: HostEvidence, server: HostEvidence | None) -> Ruling | None:
    """Does the kernel of either end drop new connections, for it can track no more?"""
    for host in (server, client):
        reached = _first(partial(limits.of_table, host)) if host else None
        if host and reached:
            return _proven(host, reached, "nf_conntrack")
    return None


def _server(case: Case, host: HostEvidence) -> Ruling:
    taking = _taking(case, host)
    if not taking:
        return unknown(f"nothing listens on {case.key}, so no queue can be full")
    watched = [(one, queues.of(host, one)) for one in taking]
    listener, worst = min(watched, key=lambda pair: pair[1].free)
    unit = queues.unit_of(listener, case.unit)
    if case.seen.symptom == "refused":
        return unknown(SELDOM.format("refused, as by a limit that a firewall keeps"), *worst.lines)
    if case.seen.symptom == "reset":
        return _reset(case, host, unit, listener, worst)
    if worst.full:
        return _full(host, unit, listener, worst)
    waiting = queues.half_open(host, listener)
    if waiting:
        return _proven(host, overflows.half_open(listener, waiting), _subject(unit, listener))
    wait = f"{worst.last.queued} of {worst.last.backlog} wait"
    if worst.doubt:
        return unknown(f"the queue of {case.key} {worst.doubt} ({wait})", *worst.lines)
    limits.of_table(host)  # raises where it is not told: a full one drops as well
    return excluded(f"the queue of {case.key} has room ({wait}), and drops nothing", *worst.lines)


def _taking(case: Case, host: HostEvidence) -> tuple[Listener, ...]:
    """Which listeners take the connections of this path?"""
    found, _ = ports.on_port(host, case.protocol, case.port or 0)
    if case.dialled is None or case.went_elsewhere(host):
        return found
    arrives = "lo" if case.item.host == host.name else host.interface_of(case.dialled)
    return queues.taking(host, found, case.dialled, arrives) if found else ()


def _reset(case: Case, host: HostEvidence, unit: str, listener: Listener, watched: Watched) -> Ruling:
    reached = _first(*_closing(host, unit, listener.port))
    if reached:
        return _proven(host, reached, unit)
    if host.kernel.number(overflows.ABORT) and (watched.full or (watched.dropped and watched.overflowed)):
        return _proven(host, overflows.aborting(host, unit, listener, watched), _subject(unit, listener))
    why = f"no queue of {case.key} resets it; whether the program closed it at a limit of its own is not told"
    return unknown(why, *watched.lines)


def _closing(host: HostEvidence, unit: str, port: int) -> Iterator[Callable[[], Reached | None]]:
    """At which limits is a connection closed after it was accepted?"""
    if not unit:
        return
    yield partial(_of_socket, host, unit)
    yield partial(limits.of_files, host, unit, spare=1)
    yield partial(limits.of_tasks, host, unit, port)
    yield partial(configured.closing, host, unit, port)


def _of_socket(host: HostEvidence, unit: str) -> Reached | None:
    socket = ports.socket_of(host, unit)
    return limits.of_socket(host, socket.id) if socket and socket.active == "active" else None


def _first(*asks: Callable[[], Reached | None]) -> Reached | None:
    """Which of these limits is reached? One that could not be looked at is passed over: another may be told."""
    for ask in asks:
        found = looked(ask)
        if found is not None and not isinstance(found, Missing):
            return found  # type: ignore[no-any-return]
    return None


def _full(host: HostEvidence, unit: str, listener: Listener, watched: Watched) -> Ruling:
    """The queue is full; what keeps the program from emptying it is the root, where it is told."""
    overflow = overflows.of(host, unit, listener, watched)
    asks = (
        partial(limits.of_files, host, unit),
        partial(configured.waiting, host, unit, listener.port, watched.last.queued),
    )
    root = _first(*asks) if unit else None
    if root is None:
        return _proven(host, overflow, _subject(unit, listener))
    both = replace(root, because=f"{root.because}; {overflow.because}", lines=(*root.lines, *overflow.lines))
    return _proven(host, both, unit)


def _subject(unit: str, listener: Listener) -> str:
    return unit or f"{listener.port}/{listener.protocol}"


def _short(case: Case, host: HostEvidence) -> Ruling:
    """A limit has less room than declared; where none is left, it is the same fault as that of a path."""
    room: Room = case.seen.value[0]
    if room.watched and room.listener and room.watched.full:
        return _full(host, room.unit, room.listener, room.watched)
    reached = limits.of_files(host, room.unit) if case.item.subject == "files" and room.unit else None
    reached = limits.of_table(host) if case.item.subject == "conntrack" else reached
    if reached:
        return _proven(host, reached, room.unit or "nf_conntrack")
    return Ruling(
        answer="proven",
        because=f"{room.said} used; {case.item.wanted} is declared",
        evidence=room.lines,
        variant=f"{case.item.subject}-nearly-full",
        host=host.name,
        subject=room.unit or ("nf_conntrack" if case.item.subject == "conntrack" else room.what),
        fix=tuple(
            line.format(unit=room.unit or room.what, more=2 * max(1, room.limit)) for line in SHORT[case.item.subject]
        ),
        verify=(VERIFY[case.item.subject],),
    )


def _proven(host: HostEvidence, reached: Reached, subject: str) -> Ruling:
    return Ruling(
        answer="proven",
        because=reached.because,
        evidence=reached.lines,
        variant=reached.variant,
        host=host.name,
        subject=subject,
        fix=reached.fix,
        verify=reached.verify,
    )
