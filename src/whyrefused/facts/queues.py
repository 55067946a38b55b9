"""Is there room in the queues of a listener, or does the kernel drop what comes? Pure.

On Linux a full queue does not refuse: the kernel drops the SYN, and the client waits until it gives up. Only a
handshake whose last segment finds the queue full is reset, and that only with net.ipv4.tcp_abort_on_overflow=1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.facts import addresses
from whyrefused.probes.queues import key
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.listeners import Listener
    from whyrefused.probes.queues import Queue
    from whyrefused.records import Line

SS, COUNTERS = "ss -Htlnm", "nstat -az"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The accept queue of one listener, as it was seen at each look."""

    looks: tuple[Queue, ...]
    overflowed: int  # how many connections the host's queues let go between the looks
    lines: tuple[Line, ...]

    @property
    def last(self) -> Queue:
        """How was it seen last?"""
        return self.looks[-1]

    @property
    def dropped(self) -> int:
        """How many connections did this socket drop between the looks?"""
        first, last = self.looks[0].drops, self.last.drops
        return max(0, last - first) if first is not None and last is not None else 0

    @property
    def free(self) -> float:
        """Which share of it is free for longer than a moment?"""
        return max(look.free for look in self.looks)

    @property
    def full(self) -> bool | None:
        """Is it full for longer than a moment, so that who dials it waits in vain? None where it changes."""
        full = [look.full for look in self.looks]
        if all(full) or (any(full) and self.dropped and self.overflowed):
            return True
        return None if any(full) or self.dropped else False

    @property
    def doubt(self) -> str:
        """What speaks against its having dropped nothing? Empty where nothing does."""
        if any(look.full for look in self.looks):
            return "is full at times"
        if self.dropped:
            return f"dropped {self.dropped} while we looked"
        if len(self.looks) == 1 and self.last.drops:
            return f"has room now, and has dropped {self.last.drops} since it listens"
        return ""


def taking(
    host: HostEvidence, found: tuple[Listener, ...], dialled: Address, arrives: str | None
) -> tuple[Listener, ...]:
    """Which of the listeners does the kernel hand a connection to this address? The most specific ones that answer.

    It prefers the address itself to a wildcard, then the device, then a socket of the same family (compute_score in
    net/ipv4/inet_hashtables.c). Raises `CouldNotLook` where none answers for certain.
    """
    answering = [one for one in found if addresses.answers(one, dialled, arrives)]
    if not answering:
        raise CouldNotLook(f"{host.name}: no listener is known to answer {dialled}")

    def score(one: Listener) -> tuple[bool, bool, bool]:
        own = addresses.plain(one.address) == addresses.plain(dialled)
        return own, bool(one.device), one.address.version == dialled.version

    best = max(map(score, answering))
    return tuple(one for one in answering if score(one) == best)


def of(host: HostEvidence, listener: Listener) -> Watched:
    """How full is the accept queue of this listener? Of several sockets that share a port, the fullest decides."""
    looks, lines = [], []
    for look in host.queues:
        found = look.queues.get(key(listener.address, listener.port, listener.device or ""))
        if found is None:
            raise CouldNotLook(f"{host.name}: the queue of {listener.address}:{listener.port} is not told")
        looks.append(found)
        lines.append(host.line(SS, looks[-1].line))
    overflows = [look.counters["TcpExtListenOverflows"] for look in host.queues]
    counted = [line for look in host.queues for line in look.lines if line.startswith("TcpExtListenOverflows ")]
    if len(looks) > 1:
        lines += [host.line(COUNTERS, line) for line in counted]
    return Watched(
        looks=tuple(looks), overflowed=max(0, overflows[-1] - overflows[0]), lines=tuple(dict.fromkeys(lines))
    )


def unit_of(listener: Listener, declared: str | None) -> str:
    """Which unit has to take its connections? That of the socket; where systemd itself holds it, the declared one."""
    own = listener.unit if listener.unit != "init.scope" else ""
    return own or (suffixed(declared) if declared else "")


def half_open(host: HostEvidence, listener: Listener) -> tuple[Line, ...]:
    """Is the queue of half-open connections full, and drops what comes? The lines that show it; none where not.

    Without SYN cookies the kernel drops a SYN while more are half-open than the backlog holds (before Linux 6.2: as
    many), or than three quarters of tcp_max_syn_backlog (tcp_conn_request in net/ipv4/tcp_input.c). With them it never
    does.
    """
    kernel = host.kernel
    most = kernel.number("net/ipv4/tcp_max_syn_backlog")
    if kernel.number("net/ipv4/tcp_syncookies") != 0 or most is None:
        return ()
    counted = [look.counters.get("TcpExtListenDrops", 0) for look in host.queues]
    dropped = counted[-1] > counted[0]
    lines = []
    for look in host.queues:
        mine = {where: count for where, count in look.half_open.items() if where.endswith(f":{listener.port}")}
        waiting = sum(mine.values())
        full = waiting > listener.backlog or (waiting == listener.backlog and dropped)
        if not waiting or (not full and most - waiting >= most // 4):
            return ()
        lines += [host.line("ss -Htn state syn-recv", f"SYN-RECV {count} {where}") for where, count in mine.items()]
    names = ("net/ipv4/tcp_syncookies", "net/ipv4/tcp_max_syn_backlog")
    return (*dict.fromkeys(lines), *(host.line("sysctl", kernel.said(name)) for name in names))
