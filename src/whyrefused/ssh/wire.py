"""The socket that paramiko gets: bounded in bytes and in time from outside, whatever paramiko or the host does.

One thread of this process, the watchdog, closes what is over its time. The first thing that went wrong with a wire is
kept as its fault: it is the reason, the errors that paramiko makes of it are not.
"""

from __future__ import annotations

import heapq
import itertools
import re
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from whyrefused.ssh.records import NotReached, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyrefused.ssh.records import Reason

GREETING_BYTES = 64 * 1024
GREETING_LINES = 1024  # sshd's and ssh's own limit: kex.c, SSH_MAX_PRE_BANNER_LINES
VERSION_BYTES = 255  # RFC 4253, section 4.2, with CR and LF
LOGIN_BYTES = 256 * 1024
PATIENCE = 5.0  # seconds without a byte after which who reads looks around
_CHUNK = 64 * 1024
_BINARY = re.compile(rb"[^\t\r\n\x1b\x20-\x7e\x80-\xff]")
_VERSION = re.compile(rb"SSH-(2\.0|1\.99)-")


class Alarm:
    """Something that happens at a moment unless it is called off."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Call it off."""
        self.action = None


class Watchdog:
    """One thread for all deadlines of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._number = itertools.count()
        self._thread: threading.Thread | None = None

    def at(self, when: float, action: Callable[[], None]) -> Alarm:
        """Do this at that moment of the monotonic clock."""
        alarm = Alarm(action)
        with self._changed:
            heapq.heappush(self._alarms, (when, next(self._number), alarm))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="whyrefused-watchdog", daemon=True)
                self._thread.start()
            elif self._alarms[0][2] is alarm:
                self._changed.notify()
        return alarm

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._alarms or self._alarms[0][0] > time.monotonic():
                    # Called-off alarms leave when their time comes; there are a handful for each host.
                    self._changed.wait(self._alarms[0][0] - time.monotonic() if self._alarms else None)
                action = heapq.heappop(self._alarms)[2].action
            if action is not None:
                with suppress(Exception):
                    action()


WATCHDOG = Watchdog()


class Stream(Protocol):
    """What a socket and a channel of paramiko have in common."""

    def recv(self, size: int, /) -> bytes:
        """Give what has arrived."""

    def send(self, data: bytes, /) -> int:
        """Take what fits."""

    def settimeout(self, seconds: float, /) -> None:
        """Wait no longer than this."""

    def close(self) -> None:
        """End it."""


class Wire:
    """One connection to one server. paramiko uses recv, send, settimeout, close and _closed."""

    def __init__(self, stream: Stream, place: str) -> None:
        self.place = place
        self.fault: NotReached | None = None
        self.version = False  # the server's SSH version line has passed
        self.first = b""  # the first bytes that arrived, until the version line
        self.heard = time.monotonic()  # when the last bytes arrived
        self._stream = stream
        self._closed = False  # paramiko looks at it
        self._lock = threading.Lock()
        self._buffer = b""
        self._at = 0
        self._left = LOGIN_BYTES
        self._cap: tuple[Reason, str] = ("not-ssh", "sent more than 256 KiB before the login was done.")
        self._alarm: Alarm | None = None
        self._on_close: list[Callable[[], None]] = []

    # For those who use the wire.

    def until(self, when: float, reason: Reason, message: str) -> None:
        """From now on, close at this moment, for this reason."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = WATCHDOG.at(when, lambda: self._expire(reason, message))

    def rest(self) -> None:
        """No deadline until the next one is set."""
        if self._alarm is not None:
            self._alarm.cancel()

    def allow(self, size: int, reason: Reason, message: str) -> None:
        """From now on, close when more than this many bytes arrive, for this reason."""
        self._left, self._cap = size, (reason, message)

    def on_close(self, action: Callable[[], None]) -> None:
        """Do this as well when the wire is closed from outside."""
        self._on_close.append(action)

    def fail(self, reason: Reason, message: str) -> NotReached:
        """Close for this reason, unless there was one before. Returns the one that counts."""
        with self._lock:
            if self.fault is None and not self._closed:
                self.fault = NotReached(reason, f"{self.place}: {message}")
            fault = self.fault
        for action in self._on_close:
            with suppress(Exception):
                action()
        self.close()
        return fault or NotReached(reason, f"{self.place}: {message}")

    def _expire(self, reason: Reason, message: str) -> None:
        self.fail(reason, message)

    # For paramiko.

    def settimeout(self, seconds: float) -> None:
        """Pass on how long one recv or send waits; longer than the tenth of a second after which paramiko looks around.

        It looks whether it was closed, and closing the wire wakes it: a fleet that is awaited costs no processor.
        """
        self._stream.settimeout(max(seconds, PATIENCE))

    def recv(self, size: int) -> bytes:
        """Give what has arrived, from a buffer: paramiko asks for 16 bytes at a time, and for up to 4 GiB."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._stream.recv(_CHUNK), 0
            self.heard = time.monotonic()
            self._judge(self._buffer)
        start, self._at = self._at, min(len(self._buffer), self._at + size)
        return self._buffer[start : self._at]

    def send(self, data: bytes) -> int:
        """Pass on what is to be sent."""
        return self._stream.send(data)

    def close(self) -> None:
        """End the connection, waking whoever waits for it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.rest()
        if isinstance(self._stream, socket.socket):
            with suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
            self._stream.close()
        else:
            # Closing a channel writes to the bastion, which may not read; the watchdog must not wait for that.
            threading.Thread(target=self._end, name="whyrefused-close", daemon=True).start()

    def _end(self) -> None:
        with suppress(Exception):  # whom the end should be told may be gone already, which is an end as well
            self._stream.close()

    def _judge(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise _Abort(self.fail(*self._cap).message)
        if not self.version:
            self.first = (self.first + data)[: GREETING_BYTES + 1]
            problem = self._greeting()
            if problem:
                raise _Abort(self.fail("not-ssh", f"{problem}: '{shown(self.first, 64)}'.").message)

    def _greeting(self) -> str:
        """What is wrong with the greeting so far? RFC 4253, section 4.2: text lines, then SSH-2.0-software."""
        lines = self.first.split(b"\n")
        for line in lines[:GREETING_LINES]:
            if line.startswith(b"SSH-"):
                return self._version(line, ended=line is not lines[-1])
            if line.startswith(b"HTTP/") or _BINARY.search(line):
                return "what answers is not an SSH server"
        if len(lines) > GREETING_LINES or len(self.first) > GREETING_BYTES:
            return "floods instead of an SSH version line"
        return ""

    def _version(self, line: bytes, *, ended: bool) -> str:
        if len(line) >= VERSION_BYTES:
            return "the SSH version line is too long"
        self.version = ended
        return "speaks no SSH-2" if ended and not _VERSION.match(line) else ""


class _Abort(ConnectionAbortedError):  # noqa: N818 - what we do, not what went wrong
    """The wire was closed by us while paramiko was reading."""
