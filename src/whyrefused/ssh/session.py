"""What does a command print? One session, one exec, both streams read together, complete or not at all."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import paramiko

from whyrefused.ssh.packets import Ending, Packets, last_words
from whyrefused.ssh.pulse import Pulse
from whyrefused.ssh.records import NotReached, Output, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyrefused.ssh.config import Target
    from whyrefused.ssh.records import Limits, Reason
    from whyrefused.ssh.wire import Wire

_SLACK = 1024 * 1024
_EVERY = 16
_AT_ONCE = 256 * 1024


class Bell:
    """Wakes the reader when there is a handful to read, or all is said.

    paramiko rings for each packet, and each waking costs as much as decrypting one. A packet holds at most 32 KiB, so
    a handful is far below the window of 2 MiB and the server never has to wait for us.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._event = threading.Event()
        self._count = 0

    def set(self) -> None:
        """Ring; called by paramiko for every packet and at the end."""
        self._count += 1
        if self._count % _EVERY == 0 or self._channel.eof_received or self._channel.closed:
            self._event.set()

    def clear(self) -> None:
        """Do nothing: one stream that is read empty says nothing of the other."""

    def wait(self, seconds: float) -> None:
        """Wait for a ring."""
        self._event.wait(seconds)
        self._event.clear()


class Quiet:
    """Listens for lines. Who prints one now and then, and then does not, is waited for no longer."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._size = 0
        self._byte = self._line = time.monotonic()

    def over(self, output: bytearray) -> tuple[Reason, str] | None:
        """Is this, all that was printed so far, without a line for too long? As which reason, and in which words?"""
        now = time.monotonic()
        if len(output) > self._size:
            self._line = now if output.find(b"\n", self._size) >= 0 else self._line
            self._byte, self._size = now, len(output)
        if now - self._line < self._limit:
            return None
        silent = now - self._byte > self._limit / 2
        return "fell-silent" if silent else "command-timed-out", f"the command printed no line for {self._limit:g} s."


class Session:
    """One logged-in connection."""

    def __init__(
        self, wire: Wire, transport: paramiko.Transport, target: Target, limits: Limits, warnings: tuple[str, ...] = ()
    ) -> None:
        self.target = target
        self.warnings = warnings
        self.opened = time.monotonic()
        self._wire = wire
        self._transport = transport
        self._limits = limits

    @property
    def alive(self) -> bool:
        """Can another command be run on it?"""
        return self._wire.fault is None and self._transport.is_active()

    @property
    def transport(self) -> paramiko.Transport:
        """The connection itself, for channels through a bastion."""
        return self._transport

    def carry(self, size: int) -> None:
        """Let this many bytes through, for channels of others that have caps of their own."""
        self._wire.allow(size, "too-large", "more came through the jump host than may be carried.")

    def close(self) -> None:
        """End the connection."""
        self._transport.close()
        self._wire.close()

    def run(self, command: str | bytes, stdin: bytes, seconds: float) -> Output:
        """What does this command print, fed with this? Raises NotReached; then the connection is closed."""
        until = time.monotonic() + seconds
        limits = self._limits
        self._wire.allow(
            2 * (limits.stdout + limits.stderr) + len(stdin) + _SLACK, "too-large", "more was sent than may be kept."
        )
        stdout, stderr = bytearray(), bytearray()
        try:
            channel, ending = self._start(command, until, seconds)
            self._wire.until(until, "command-timed-out", f"the command did not end within {seconds:g} s.")
            self._hear(channel, stdin, stdout, stderr)
            status = self._status(ending)
        except NotReached as problem:
            self.close()
            raise NotReached(
                problem.reason,
                problem.message,
                output=bytes(memoryview(stdout)[: limits.stdout]),
                status=problem.status,
                warnings=self.warnings,
            ) from None
        self._wire.rest()
        with suppress(Exception):  # all was said; a connection that ends now takes nothing back
            channel.close()
        return Output(stdout=bytes(stdout), stderr=bytes(stderr), status=status, warnings=self.warnings)

    def _start(self, command: str | bytes, until: float, seconds: float) -> tuple[paramiko.Channel, Ending]:
        seconds = min(seconds, self._limits.session)
        until = min(until, time.monotonic() + seconds)
        self._wire.until(until, "no-session", f"logged in, but no session was opened within {seconds:g} s.")
        try:
            channel = self._transport.open_session(timeout=math.inf)  # by the wall clock; the wire has ours
        except paramiko.ChannelException as error:
            raise self._problem(
                "no-session", f"logged in, but no session is given ({shown(str(error))}); see MaxSessions there."
            ) from None
        except Exception as error:  # noqa: BLE001 - paramiko lets any exception of its parsers through
            raise self._lost(error, "while the session was opened") from None
        packets = cast("Packets", self._transport.packetizer)
        ending = packets.endings[channel.chanid] = Ending(
            left=self._limits.stdout + self._limits.stderr,
            over=lambda: self._problem("too-large", "the command printed more than may be kept."),
        )
        self._wire.until(until, "no-command", f"the command was not accepted within {seconds:g} s.")
        try:
            channel.exec_command(command)
        except Exception as error:  # noqa: BLE001 - as above
            # Servers that are in a hurry tell how the command ended before they tell that they run it.
            if self._transport.is_active() and _ran(channel, ending):
                return channel, ending
            if self._transport.is_active():
                raise self._problem(
                    "no-command", "the command is refused; see ForceCommand and the login shell there."
                ) from None
            raise self._lost(error, "before the command was accepted") from None
        return channel, ending

    def _hear(self, channel: paramiko.Channel, stdin: bytes, stdout: bytearray, stderr: bytearray) -> None:
        pulse = Pulse(self._wire, self._transport, self._limits.silence)
        try:
            self._converse(channel, stdin, stdout, stderr, pulse)
        except NotReached:
            raise
        except Exception as error:  # noqa: BLE001 - reading writes too (the window), and that fails in many ways
            raise self._lost(error, "before the command had ended") from None
        finally:
            pulse.stop()

    def _converse(
        self, channel: paramiko.Channel, stdin: bytes, stdout: bytearray, stderr: bytearray, pulse: Pulse
    ) -> None:
        bell = Bell(channel)
        channel.in_buffer.set_event(bell)  # type: ignore[arg-type]
        channel.in_stderr_buffer.set_event(bell)  # type: ignore[arg-type]
        rest = memoryview(stdin)
        quiet = Quiet(self._limits.quiet)
        over = False
        while not over:
            rest = _feed(channel, rest)
            # Read once more after the end was seen: what came before it is all there then.
            over = channel.closed or bool(channel.eof_received and channel.status_event.is_set())
            self._take(channel.recv_ready, channel.recv, stdout, self._limits.stdout, "stdout")
            self._take(channel.recv_stderr_ready, channel.recv_stderr, stderr, self._limits.stderr, "stderr")
            if over or self._wire.fault:
                return
            pulse.beat()
            ended = self._left_open(channel)
            if why := quiet.over(stdout):
                raise self._problem(*why)
            if channel.eof_received and not rest:
                channel.status_event.wait(1.0)
            else:
                bell.wait(0.02 if rest else min(self._limits.linger, 0.25) if ended else 1.0)

    def _left_open(self, channel: paramiko.Channel) -> bool:
        """Did the command end? Raises NotReached where that was a while ago and something still holds the streams."""
        ending = cast("Packets", self._transport.packetizer).endings[channel.chanid]
        if ending.statuses and time.monotonic() - self._wire.heard > self._limits.linger:
            problem = self._problem(
                "left-open", "the command ended, and something that it began keeps the output open."
            )
            problem.status = ending.statuses[0] if len(ending.statuses) == 1 and not ending.signal else None
            raise problem
        return bool(ending.statuses)

    def _take(
        self, ready: Callable[[], bool], receive: Callable[[int], bytes], into: bytearray, cap: int, name: str
    ) -> None:
        while ready() and not self._wire.fault:
            into += receive(_AT_ONCE)
            if len(into) > cap:
                raise self._problem("too-large", f"the command printed more than {cap} bytes on {name}.")

    def _status(self, ending: Ending) -> int:
        if self._wire.fault:
            raise self._wire.fault
        if ending.signal:
            raise self._problem("killed", f"the command was killed by SIG{ending.signal.removeprefix('SIG')}.")
        if ending.ended and len(ending.statuses) == 1:
            return ending.statuses[0]
        if len(ending.statuses) > 1:
            raise self._problem("cut-off", "two exit statuses came for one command; neither can be trusted.")
        if ending.ended and self._transport.is_active():
            raise self._problem("cut-off", "the command ended without an exit status.")
        raise self._lost(self._transport.get_exception(), "before the command had ended")

    def _lost(self, error: Exception | None, when: str) -> NotReached:
        words = last_words(self._transport)
        if self._wire.fault:
            return self._wire.fault
        why = f"the server said '{words}'" if words else _reason(error)
        return self._problem("cut-off", f"the connection was lost {when} ({why}).")

    def _problem(self, reason: Reason, message: str) -> NotReached:
        return self._wire.fault or self._wire.fail(reason, message)


def _ran(channel: paramiko.Channel, ending: Ending) -> bool:
    """Was something heard of the command?"""
    heard = channel.recv_ready() or channel.recv_stderr_ready()
    return bool(heard or ending.statuses or ending.signal)


def _feed(channel: paramiko.Channel, rest: memoryview) -> memoryview:
    """Send what the server has room for; returns what is left. A command need not read all that it is given."""
    try:
        while rest and channel.send_ready():
            rest = rest[channel.send(rest) :]  # type: ignore[arg-type]
        if not rest and not channel.eof_sent:
            channel.shutdown_write()
    except (OSError, EOFError):  # how it ended is what the reader hears
        return memoryview(b"")
    return rest


def _reason(error: Exception | None) -> str:
    if isinstance(error, ConnectionResetError):
        return "reset by the peer"
    if isinstance(error, OSError):
        return shown(error.strerror or type(error).__name__)
    if error is None or isinstance(error, EOFError):
        return "closed by the peer"
    return f"damaged: {shown(str(error)) or type(error).__name__}"
