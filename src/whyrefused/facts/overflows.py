"""What does a queue that overflows do to who dials, and what mends it? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import limits
from whyrefused.facts.limits import Reached
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.queues import Watched
    from whyrefused.probes.listeners import Listener
    from whyrefused.records import Line

ABORT, SOMAXCONN = "net/ipv4/tcp_abort_on_overflow", "net/core/somaxconn"


def of(host: HostEvidence, unit: str, listener: Listener, watched: Watched) -> Reached:
    """The accept queue is full: the program stands still, or is too slow."""
    queue = watched.last
    wait = "1 connection waits" if queue.queued == 1 else f"{queue.queued} connections wait"
    how, go_on, lines = _standstill(host, unit)
    return Reached(
        variant="accept-queue-full",
        because=f"{how}{wait} to be accepted on {_key(listener)}, its backlog is {queue.backlog}: the kernel drops "
        "every other, and the client waits in vain",
        lines=(*watched.lines, *lines),
        fix=(*(go_on or _serve(unit, listener)), *_longer(host, listener, queue.backlog)),
        verify=_verify(listener),
    )


def aborting(host: HostEvidence, unit: str, listener: Listener, watched: Watched) -> Reached:
    """It overflows, and the kernel resets a client whose handshake ends there."""
    return Reached(
        variant="abort-on-overflow",
        because=f"the accept queue of {_key(listener)} overflows, and with tcp_abort_on_overflow the kernel resets "
        "who meets it so",
        lines=(*watched.lines, host.line("sysctl", host.kernel.said(ABORT))),
        fix=(
            *_serve(unit, listener),
            *_longer(host, listener, watched.last.backlog),
            "sysctl -w net.ipv4.tcp_abort_on_overflow=0",
        ),
        verify=_verify(listener),
    )


def half_open(listener: Listener, lines: tuple[Line, ...]) -> Reached:
    """The queue of half-open connections is full, and the kernel sends no SYN cookies."""
    return Reached(
        variant="syn-queue-full",
        because=f"the queue of half-open connections of {_key(listener)} is full, and without SYN cookies the kernel "
        "drops others",
        lines=lines,
        fix=("sysctl -w net.ipv4.tcp_syncookies=1", f"ss -Htn state syn-recv sport = :{listener.port} | less"),
        verify=("sysctl net.ipv4.tcp_syncookies", "nstat -az TcpExtListenDrops TcpExtTCPReqQFullDrop"),
    )


def _key(listener: Listener) -> str:
    return f"{listener.port}/{listener.protocol}"


def _verify(listener: Listener) -> tuple[str, ...]:
    return f"ss -Htln sport = :{listener.port}", "nstat -az TcpExtListenOverflows"


def _standstill(host: HostEvidence, unit: str) -> tuple[str, tuple[str, ...], tuple[Line, ...]]:
    try:
        how, go_on, lines = limits.standstill(host, unit) if unit else ("", "", ())
    except CouldNotLook:
        return "", (), ()
    return (f"{unit} {how}: ", (go_on,), lines) if how else ("", (), ())


def _serve(unit: str, listener: Listener) -> tuple[str, ...]:
    if not unit:
        return (f"restart the program that listens on {_key(listener)}: it does not accept",)
    return f"journalctl -u {unit} -n 50 --no-pager", f"systemctl restart {unit}"


def _longer(host: HostEvidence, listener: Listener, backlog: int) -> tuple[str, ...]:
    """A program asks for a backlog, and net.core.somaxconn cuts it (listen(2))."""
    try:
        cut = host.kernel.number(SOMAXCONN) == backlog
    except CouldNotLook:
        cut = False
    if cut:
        more = max(4096, 2 * backlog)
        return (f"sysctl -w net.core.somaxconn={more}, and restart what listens: its backlog is cut to {backlog}",)
    return (f"if it is only slow in bursts: a longer backlog for {_key(listener)} than {backlog}",)
