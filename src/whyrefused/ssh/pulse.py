"""Is the server still there while a command runs? Keepalives, as ssh's ServerAliveInterval sends them.

Any byte is a sign of life, the refusal of a keepalive too: RFC 4254, section 4, has every request answered. A frozen
server or an unplugged cable is silent.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST

from whyrefused.ssh.wire import WATCHDOG

if TYPE_CHECKING:
    from whyrefused.ssh.wire import Alarm, Wire

KEEPALIVES = 2
"""Sent into a silence before it is taken for the end."""


class Pulse:
    """Listens to one connection for as long as a command runs."""

    def __init__(self, wire: Wire, transport: paramiko.Transport, every: float) -> None:
        self._wire = wire
        self._transport = transport
        self._every = every
        self._sent = 0
        self._over = False
        self._alarm: Alarm | None = None
        # What came before is no part of this command's silence.
        self._wire.heard = time.monotonic()
        self._again()

    def beat(self) -> None:
        """Ask for a sign of life where there was none for a while; called now and then by who reads."""
        silent = time.monotonic() - self._wire.heard
        if silent < self._every:
            self._sent = 0
        elif self._sent < KEEPALIVES and silent >= self._every * (self._sent + 1):
            self._sent += 1
            # While keys are exchanged nothing may be sent, and sending would wait.
            if self._transport.clear_to_send.is_set():
                with suppress(Exception):  # a connection that cannot be written to is found dead by who reads
                    self._transport._send_user_message(_keepalive())  # type: ignore[attr-defined] # noqa: SLF001 - paramiko's own keepalive asks for no answer

    def stop(self) -> None:
        """Listen no more."""
        self._over = True
        if self._alarm is not None:
            self._alarm.cancel()

    def _again(self) -> None:
        if not self._over:
            self._alarm = WATCHDOG.at(self._wire.heard + self._every * (KEEPALIVES + 1), self._check)

    def _check(self) -> None:
        # By the watchdog: who reads may be stuck in a write that the server does not take.
        limit = self._every * (KEEPALIVES + 1)
        if self._over:
            return
        if time.monotonic() - self._wire.heard < limit:
            self._again()
            return
        self._wire.fail(
            "no-answer",
            f"logged in, but the server has been silent for {limit:g} s and answers no keepalive: it is frozen, "
            "or the way to it is cut.",
        )


def _keepalive() -> paramiko.Message:
    message = paramiko.Message()
    message.add_byte(cMSG_GLOBAL_REQUEST)
    message.add_string("keepalive@openssh.com")
    message.add_boolean(True)  # noqa: FBT003 - paramiko's signature: an answer is wanted
    return message
