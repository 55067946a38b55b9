"""What did the server really send? paramiko's packet reader, noting the few messages that paramiko drops.

This module and those that import it load paramiko, which takes 0.15 s and more: import them at first use.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import paramiko
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_IGNORE,
    MSG_USERAUTH_FAILURE,
)
from paramiko.packet import Packetizer

from whyrefused.ssh.records import shown

if TYPE_CHECKING:
    from collections.abc import Callable

# paramiko logs what hosts send as it came, and pytest would print it.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

NOTED = frozenset((MSG_DISCONNECT, MSG_USERAUTH_FAILURE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE))

DATA = {MSG_CHANNEL_DATA: 8, MSG_CHANNEL_EXTENDED_DATA: 12}  # the bytes before the data: RFC 4254, section 5.2
LAST_WORDS = 1.0  # seconds for what has arrived to be read
LONGEST = 256 * 1024  # packet.c: PACKET_MAX_SIZE; paramiko would wait for 4 GiB


@dataclass(slots=True)
class Ending:
    """What one command may still print, and how it ended."""

    left: int  # bytes of both streams; a server that ignores the window could send them faster than they are read
    over: Callable[[], object]  # called when it prints more
    ended: bool = False  # the server ended both streams: EOF or CLOSE (RFC 4254, section 5.3)
    statuses: tuple[int, ...] = ()
    signal: str = ""


class Packets(Packetizer):
    """paramiko's packet reader with a notebook."""

    def __init__(self, socket: object) -> None:
        super().__init__(socket)  # type: ignore[arg-type]
        self.disconnect = ""  # the server's last words, escaped
        self.methods: tuple[str, ...] = ()  # the login methods it would still take, escaped
        self.endings: dict[int, Ending] = {}  # by channel; only those that were put here are noted

    def start_handshake(self, timeout: float) -> None:
        """Start no timer: it is a thread for each connection, and the watchdog has the deadline."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - paramiko's signature
        """Read that many bytes; a length that no packet has was not sent, or not by an SSH server."""
        if not 0 <= n <= LONGEST:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def read_message(self) -> tuple[int, paramiko.Message]:
        """Read one message, and note it if it is worth it."""
        kind, message = super().read_message()
        if kind == MSG_DEBUG:
            # paramiko would escape its text for a log that is not written; neither may come while keys are exchanged.
            return MSG_IGNORE, message
        if kind in DATA:
            self._count(paramiko.Message(message.asbytes()), DATA[kind])
        elif kind in NOTED:
            self._note(kind, paramiko.Message(message.asbytes()))
        return kind, message

    def _count(self, message: paramiko.Message, fields: int) -> None:
        ending = self.endings.get(message.get_int())
        if ending is not None:
            ending.left -= len(message.asbytes()) - fields
            if ending.left < 0:
                ending.over()
                raise EOFError

    def _note(self, kind: int, message: paramiko.Message) -> None:
        if kind == MSG_DISCONNECT:
            message.get_int()
            self.disconnect = shown(message.get_binary())
        elif kind == MSG_USERAUTH_FAILURE:
            self.methods = tuple(shown(name, 40) for name in message.get_binary().split(b",")[:10])
        else:
            ending = self.endings.get(message.get_int())
            if ending is not None:
                self._end(kind, message, ending)

    @staticmethod
    def _end(kind: int, message: paramiko.Message, ending: Ending) -> None:
        if kind != MSG_CHANNEL_REQUEST:
            ending.ended = True
            return
        request = message.get_binary()
        message.get_boolean()
        if request == b"exit-status":
            ending.statuses = (*ending.statuses[-1:], message.get_int())
        elif request == b"exit-signal":
            ending.signal = shown(message.get_binary(), 20) or "?"


def last_words(transport: paramiko.Transport) -> str:
    """What did the server say when it hung up? Escaped; empty if nothing.

    Where writing failed first, it may be on its way to paramiko's reader still: wait for the reader to end.
    """
    transport.join(LAST_WORDS)
    return cast("Packets", transport.packetizer).disconnect
