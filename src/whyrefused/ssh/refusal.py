"""Who refuses the SSH port? Looked at from outside, since nobody can log in and look.

- An ICMP error has a sender, which the kernel keeps in the socket's queue (ip(7), IP_RECVERR). A port where nobody
  listens answers with a reset and never with ICMP, so ICMP is a firewall's, or a router's that has no way.
- A reset is told by another: of a port where nobody listens for certain. Who may open a raw socket sees more. The
  kernel's own reset has the type of service of the SYN that it answers (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c), one
  that netfilter made has none (nf_reject_ipv4.c, nf_reject_ipv6.c); one of another machine may have another ttl.
"""

from __future__ import annotations

import errno
import random
import select
import socket
import struct
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Literal

Family = socket.AddressFamily
Word = Literal["refused", "rejected", "silent", "open", "other"]

UNUSED = range(61001, 65000)
"""Where a port is taken on which nobody listens: above the ephemeral ports of Linux (ip_local_port_range, ip(7))."""
PATIENCE = 0.7
"""Seconds for an answer of that port; the kernel would send its SYN again after one."""
MARK = 0x48
"""A type of service that nobody else sets: AF21 (RFC 2597), which no router treats worse than any."""

_IPV6_RECVERR, _IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT, _IPV6_RECVTCLASS, _IPV6_TCLASS = 25, 51, 52, 66, 67
_IP_RECVERR = 11
_RST = 0x04
_MEANINGS = {
    (4, 0): "network unreachable", (4, 1): "host unreachable", (4, 3): "port unreachable",
    (4, 9): "network prohibited", (4, 10): "host prohibited", (4, 13): "administratively prohibited",
    (6, 0): "no route", (6, 1): "administratively prohibited", (6, 3): "address unreachable",
    (6, 4): "port unreachable", (6, 5): "source address refused", (6, 6): "route rejected",
}  # fmt: skip
_NO_WAY = {(4, 0), (4, 1), (6, 0), (6, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Icmp:
    """An ICMP error that ended a connect."""

    version: int  # 4 or 6
    code: int
    sender: str

    @property
    def meaning(self) -> str:
        """What does it say?"""
        return _MEANINGS.get((self.version, self.code), f"code {self.code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """A reset as it came in."""

    service: int  # type of service, or traffic class
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What became of one SYN."""

    word: Word
    reset: Reset | None = None  # None where there was none, or we may not look


def icmp_of(made: socket.socket) -> Icmp | None:
    """Which ICMP error is in the queue of this socket?"""
    with suppress(OSError):
        _, ancillary, _, _ = made.recvmsg(1, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        for level, kind, data in ancillary:
            # sock_extended_err, and behind it the sender's sockaddr: 16 bytes on.
            if (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR) and data[4] == 2:  # noqa: PLR2004 - SO_EE_ORIGIN_ICMP
                return Icmp(version=4, code=data[6], sender=socket.inet_ntop(socket.AF_INET, data[20:24]))
            if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_RECVERR) and data[4] == 3:  # noqa: PLR2004 - …_ICMP6
                return Icmp(version=6, code=data[6], sender=socket.inet_ntop(socket.AF_INET6, data[24:40]))
    return None


def wants_icmp(made: socket.socket) -> None:
    """Have the kernel keep ICMP errors for this socket: IPv6 does only when asked (ipv6(7), IPV6_RECVERR)."""
    if made.family == socket.AF_INET6:
        with suppress(OSError):
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def by_icmp(icmp: Icmp, address: str, own: str) -> str:
    """Whose ICMP error is it, and what does it mean?"""
    said = f"ICMP '{icmp.meaning}' came from {icmp.sender}"
    no_way = (icmp.version, icmp.code) in _NO_WAY
    if icmp.sender == address:
        return f"{said}, the host itself: its firewall rejects us (a port where nobody listens answers with a reset)."
    if icmp.sender == own:
        if no_way:
            return f"{said}, this machine itself: nobody answers for that address on its network (ARP, NDP)."
        return f"{said}, this machine itself: its own firewall rejects what it sends."
    return f"{said} on the way: " + ("it has no way to the host." if no_way else "a firewall there rejects us.")


def by_reset(family: Family, address: tuple[object, ...], seconds: float) -> str:
    """Whose reset is it? The port is dialled again only by who may see the reset that answers."""
    port = random.choice(UNUSED)  # noqa: S311 - any will do
    until = time.monotonic() + seconds
    again = _knock(family, address, min(PATIENCE, seconds)) if _may_look(family) else Knock(word="refused")
    left = min(PATIENCE, until - time.monotonic())
    if left <= 0 or again.word != "refused":
        return ""
    return told(again, _knock(family, (address[0], port, *address[2:]), left), port)


def told(port: Knock, control: Knock, number: int) -> str:
    """What do these two answers say, the port's own and that of a port where nobody listens? Pure."""
    if port.reset and control.reset and port.reset.ttl != control.reset.ttl:
        return (
            f"Its reset came from another machine than that of port {number} (ttl {port.reset.ttl}, not "
            f"{control.reset.ttl}): something on the way refuses for the host."
        )
    if port.reset and port.reset.service == MARK:
        return "Its reset is the host's own kernel's: the port is closed, nobody listens on it."
    if port.reset and control.reset and control.reset.service == MARK:
        return (
            f"Its reset is a firewall's rule (reject with tcp reset): it does not carry our type of service as that of "
            f"the closed port {number} does."
        )
    return {
        "refused": f"A reset, as port {number} sends one on which nobody listens: the port is closed, or a firewall "
        "resets; as root this machine could tell.",
        "rejected": f"A reset, while a firewall rejects port {number} by ICMP: it lets us through, and nobody listens.",
        "silent": f"A reset, while port {number} is silently dropped: a firewall lets us through to this port, and "
        "nobody listens.",
    }.get(control.word, "")  # fmt: skip


def _may_look(family: Family) -> bool:
    try:
        _looking(family).close()
    except OSError:
        return False
    return True


def _looking(family: Family) -> socket.socket:
    made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVTCLASS, 1)
    made.settimeout(0)
    return made


def _knock(family: Family, address: tuple[object, ...], seconds: float) -> Knock:
    raw = None
    with suppress(OSError):
        raw = _looking(family)
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)) as made:
            word = _dialled(made, address, seconds)
            own = int(made.getsockname()[1])
            return Knock(word=word, reset=_reset(raw, family, int(str(address[1])), own) if raw else None)
    except OSError:
        return Knock(word="other")
    finally:
        if raw is not None:
            raw.close()


def _dialled(made: socket.socket, address: tuple[object, ...], seconds: float) -> Word:
    wants_icmp(made)
    if made.family == socket.AF_INET:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, MARK)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_TCLASS, MARK)
    code, icmp = connect(made, address, seconds)
    if code == errno.ECONNREFUSED:
        return "rejected" if icmp else "refused"
    if icmp:
        return "rejected"
    return {0: "open", errno.ETIMEDOUT: "silent"}.get(code, "other")  # type: ignore[return-value]


def connect(made: socket.socket, address: tuple[object, ...], seconds: float) -> tuple[int, Icmp | None]:
    """How does this connect end? errno or 0, and the ICMP error. One in the queue wakes poll before SO_ERROR has it."""
    until = time.monotonic() + seconds
    made.settimeout(0)
    code = made.connect_ex(address)
    icmp = None
    if code != errno.EINPROGRESS:
        return code, icmp_of(made)
    poll = select.poll()
    poll.register(made, select.POLLOUT)
    while True:
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return errno.ETIMEDOUT, icmp
        code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        icmp = icmp or icmp_of(made)
        if code:
            return code, icmp
        try:
            made.getpeername()
        except OSError:
            time.sleep(0.01)
        else:
            return 0, icmp


def _reset(raw: socket.socket, family: Family, port: int, own: int) -> Reset | None:
    """Which reset from this port to ours came in? It is here already: the connect ended by it."""
    with suppress(OSError):
        for _ in range(10_000):  # what the socket's buffer holds at most
            data, ancillary, _, _ = raw.recvmsg(256, 256)
            found = _four(data) if family == socket.AF_INET else _six(data, ancillary)
            if found and found[0] == (port, own):
                return found[1]
    return None


def _four(data: bytes) -> tuple[tuple[int, int], Reset] | None:
    at = (data[0] & 15) * 4
    return _tcp(data[at:], data[1], data[8])


def _six(data: bytes, ancillary: list[tuple[int, int, bytes]]) -> tuple[tuple[int, int], Reset] | None:
    said = {kind: int.from_bytes(value[:4], sys.byteorder) for _, kind, value in ancillary}
    return _tcp(data, said.get(_IPV6_TCLASS, 0), said.get(_IPV6_HOPLIMIT, 0))


def _tcp(data: bytes, service: int, ttl: int) -> tuple[tuple[int, int], Reset] | None:
    if len(data) < 14 or not data[13] & _RST:  # noqa: PLR2004 - up to the flags (RFC 9293)
        return None
    source, target = struct.unpack_from("!HH", data)
    return (source, target), Reset(service=service, ttl=ttl)
