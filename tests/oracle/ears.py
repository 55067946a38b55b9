"""What comes in? Raw sockets of every protocol in a namespace, which see what its input hook has let through."""

from __future__ import annotations

import select
import socket
import struct
from typing import TYPE_CHECKING

from .probe import Heard, of_ipv4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .space import Space

SO_RCVBUFFORCE = 33
"""SO_RCVBUF above net.core.rmem_max, for root (asm-generic/socket.h)."""

BUFFER = 8 << 20
LARGEST = 4096
PACKET_INFO = struct.Struct("=16sI")
"""struct in6_pktinfo: the address, the interface."""

PROTOCOLS = {
    socket.AF_INET: (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP),
    socket.AF_INET6: (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMPV6),
}


class Ears:
    """The receiving sockets of some namespaces, by the name of the place."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, tuple[str, int, socket.socket]] = {}

    def open(self, place: str, space: Space) -> None:
        """Listen in this namespace too."""
        for family, protocols in PROTOCOLS.items():
            for protocol in protocols:
                one = space.raw(family, protocol)
                self._sockets[one.fileno()] = place, protocol, one
                one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self._poll.register(one, select.EPOLLIN)

    def hear(self, seconds: float) -> Iterator[tuple[str, Heard]]:
        """Which packets have come, and where? Waits so long for the first of them."""
        for number, _ in self._poll.poll(max(0.0, seconds)):
            place, protocol, one = self._sockets[number]
            for heard in _all(one, protocol):
                yield place, heard

    def close(self) -> None:
        """Close them."""
        self._poll.close()
        for _, _, one in self._sockets.values():
            one.close()


def _all(one: socket.socket, protocol: int) -> Iterable[Heard]:
    """Which packets wait here? No more than a few at a time, so that the caller can look at the clock."""
    for _ in range(64):
        try:
            data, extra, _, sender = one.recvmsg(LARGEST, socket.CMSG_SPACE(PACKET_INFO.size))
        except OSError:  # no more of them
            return
        if one.family == socket.AF_INET:
            yield of_ipv4(data)
        elif extra:
            address, _ = PACKET_INFO.unpack(extra[0][2])
            destination = socket.inet_ntop(socket.AF_INET6, address)
            # Raw IPv6 sockets give no IP header.
            yield Heard(protocol, sender[0].partition("%")[0], destination, data)
