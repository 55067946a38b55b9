"""Who answers? A TCP listener and a UDP socket for each address and port, and each answer tells which one gave it.

After a translation the answer's addresses are the ones that were asked, so a SYN-ACK tells by its maximum segment size
and a datagram by its text. This file is run as a program of its own, one in each namespace that answers.
"""

from __future__ import annotations

import selectors
import socket
import sys
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PORTS = (80, 81, 82, 8080)
SMALLEST = 600
"""The first listener's segment size: the others count on from here, all below what any link's MTU would cut."""

BACKLOG = 4096
AT_ONCE = 256


def numbered(addresses: Iterable[str]) -> dict[int, tuple[str, int]]:
    """Which listener has which segment size?"""
    return dict(enumerate(product(addresses, PORTS), SMALLEST))


def called(address: str, port: int) -> str:
    """What is a listener called?"""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _socket(kind: socket.SocketKind, address: str, port: int, size: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if size:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, size)
    made.bind((address, port))
    if size:
        made.listen(BACKLOG)
    return made


def _hang_up(listener: socket.socket) -> None:
    """Let the queue never fill."""
    with suppress(OSError):
        for _ in range(AT_ONCE):
            listener.accept()[0].close()


def _say(name: bytes, one: socket.socket) -> None:
    """Answer each datagram with its first four bytes and our name."""
    for _ in range(AT_ONCE):
        try:
            asked, sender = one.recvfrom(2048)
        except OSError:  # nothing more
            return
        with suppress(OSError):  # the rules may hold the answer back
            one.sendto(asked[:4] + name, sender)


def serve(listeners: Iterable[tuple[int, str, int]]) -> None:
    """Answer until standard input ends, which is when whoever started this ends."""
    tasks = selectors.DefaultSelector()
    for size, address, port in listeners:
        name = called(address, port).encode()
        tasks.register(_socket(socket.SOCK_STREAM, address, port, size), selectors.EVENT_READ, _hang_up)
        tasks.register(_socket(socket.SOCK_DGRAM, address, port), selectors.EVENT_READ, _saying(name))
    tasks.register(sys.stdin, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in tasks.select():
            if key.data is None:
                return
            key.data(key.fileobj)


def _saying(name: bytes) -> Callable[[socket.socket], None]:
    return lambda one: _say(name, one)


if __name__ == "__main__":
    words = iter(sys.argv[1:])
    serve([(int(size), address, int(port)) for size, address, port in zip(words, words, words, strict=True)])
