"""Servers that do run the script, by this machine's sh, and spoil what comes of it, each in one named way."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from hostile.servers import disconnect, send, signalled
from paramiko.common import (
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_IGNORE,
    cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_OPEN,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostile.servers import Act, Interface

NOISE = b"\xff\xfe\x00\x1b]0;owned\x07\x1b[2J\xe2\x80\xae<script>alert(1)</script>\r\nLast login: never\n"


def answer(channel: paramiko.Channel, fakes: Mapping[str, str] | None = None, **environ: str) -> bytes:
    """What does the script print here? `fakes`: programs that stand in for the machine's, as sh."""
    script = b""
    while data := channel.recv(65536):
        script += data
    with tempfile.TemporaryDirectory() as made:
        for name, text in (fakes or {}).items():
            program = Path(made) / name
            program.write_text(f"#!{shutil.which('sh')}\n{text}\n")
            program.chmod(0o755)
        address, port = channel.getpeername()[:2]
        ours, own = channel.get_transport().sock.getsockname()[:2]
        known = {
            "PATH": f"{made}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent",
            "SSH_CONNECTION": f"{address} {port} {ours} {own}", **environ,
        }  # fmt: skip
        with subprocess.Popen(["sh", "-s"], env=known, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            return _streamed(process, script, channel)


def _streamed(process: subprocess.Popen[bytes], script: bytes, channel: paramiko.Channel) -> bytes:
    """What does it print? That it still runs is seen by its lines meanwhile, as of a server that streams."""
    given: bytes | None = script
    while True:
        try:
            return process.communicate(given, timeout=2)[0]
        except subprocess.TimeoutExpired:
            given = None  # it was taken
            channel.sendall(b"\n")


def _told(spoil: Callable[[bytes], bytes] = bytes, status: int = 0, **how: object) -> Act:
    """Answer, spoilt so, and end with this exit status."""

    def act(_: Interface, channel: paramiko.Channel) -> None:
        channel.sendall(spoil(answer(channel, **how)))  # type: ignore[arg-type]
        channel.send_exit_status(status)
        channel.close()

    return act


def _then(end: Callable[[Interface, paramiko.Channel], None]) -> Act:
    """Answer in full, and then do this."""

    def act(interface: Interface, channel: paramiko.Channel) -> None:
        channel.sendall(answer(channel))
        end(interface, channel)

    return act


def _no_status(_: Interface, channel: paramiko.Channel) -> None:
    channel.close()


def _killed(interface: Interface, channel: paramiko.Channel) -> None:
    send(interface.transport, signalled(channel, "SEGV"))
    channel.close()


def _two(_: Interface, channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    channel.send_exit_status(1)
    channel.close()


def _left_open(interface: Interface, channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    interface.server.stop.wait()


def _left_open_failed(interface: Interface, channel: paramiko.Channel) -> None:
    channel.send_exit_status(3)
    interface.server.stop.wait()


def _waits(interface: Interface, _: paramiko.Channel) -> None:
    interface.server.stop.wait()


def _disconnects(interface: Interface, _: paramiko.Channel) -> None:
    send(interface.transport, disconnect("bye"))
    interface.transport.close()


def _drips(interface: Interface, channel: paramiko.Channel) -> None:
    for byte in answer(channel):
        channel.sendall(bytes([byte]))
        if interface.server.stop.wait(0.05):
            return


def _slowly(interface: Interface, channel: paramiko.Channel) -> None:
    said = answer(channel)
    for at in range(0, len(said), len(said) // 20 + 1):
        channel.sendall(said[at : at + len(said) // 20 + 1])
        interface.server.stop.wait(0.05)
    channel.send_exit_status(0)
    channel.close()


def _frozen_half(interface: Interface, channel: paramiko.Channel) -> None:
    script = b""
    while data := channel.recv(65536):
        script += data
    channel.sendall(b"BEGIN %s identity 100\nhalf" % script.partition(b"T=")[2][:16])
    interface.transport.packetizer.send_message = lambda _: interface.server.stop.wait()  # type: ignore[assignment, method-assign]
    interface.server.stop.wait()


def _replays(_: Interface, channel: paramiko.Channel) -> None:
    """Give the answer of another run."""
    said = answer(channel)
    channel.sendall(said.replace(_token(said), b"0" * 16))
    channel.send_exit_status(0)
    channel.close()


def _token(said: bytes) -> bytes:
    return said.partition(b"BEGIN ")[2][:16]


def _echoes(_: Interface, channel: paramiko.Channel) -> None:
    while data := channel.recv(65536):
        channel.sendall(data)
    channel.send_exit_status(0)
    channel.close()


def _exchanges_keys(interface: Interface, channel: paramiko.Channel) -> None:
    """Ask for new keys again and again, which is allowed, and answer in the end."""
    said = answer(channel)
    for _ in range(3):
        interface.transport.renegotiate_keys()
    channel.sendall(said)
    channel.send_exit_status(0)
    channel.close()


def _exchanges_keys_for_ever(interface: Interface, _: paramiko.Channel) -> None:
    while not interface.server.stop.is_set() and interface.transport.is_active():
        interface.transport.renegotiate_keys()


def _floods(interface: Interface, build: Callable[[], paramiko.Message]) -> None:
    while not interface.server.stop.is_set() and interface.transport.is_active():
        send(interface.transport, build())


def _ignores(interface: Interface, _: paramiko.Channel) -> None:
    def build() -> paramiko.Message:
        message = paramiko.Message()
        message.add_byte(bytes([MSG_IGNORE]))
        message.add_string(b"x" * 30000)
        return message

    _floods(interface, build)


def _empty_data(interface: Interface, channel: paramiko.Channel) -> None:
    def build() -> paramiko.Message:
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_DATA)
        message.add_int(channel.remote_chanid)
        message.add_string(b"")
        return message

    _floods(interface, build)


def _other_stream(interface: Interface, channel: paramiko.Channel) -> None:
    def build() -> paramiko.Message:
        message = paramiko.Message()
        message.add_byte(bytes([MSG_CHANNEL_EXTENDED_DATA]))
        message.add_int(channel.remote_chanid)
        message.add_int(7)  # no stream that RFC 4254 knows
        message.add_string(b"x" * 30000)
        return message

    _floods(interface, build)


def _unknown_channel(interface: Interface, channel: paramiko.Channel) -> None:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_DATA)
    message.add_int(channel.remote_chanid + 77)
    message.add_string(b"x")
    send(interface.transport, message)
    interface.server.stop.wait()


def _asks_back(interface: Interface, channel: paramiko.Channel) -> None:
    """Try to open channels to the client, as for its agent, its display and what it forwards."""
    for number, kind in enumerate(("auth-agent@openssh.com", "x11", "forwarded-tcpip", "session", "direct-tcpip")):
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        for size in (900 + number, 1 << 20, 1 << 15):
            message.add_int(size)
        for text, port in (("127.0.0.1", 22), ("127.0.0.1", 1)):
            message.add_string(text)
            message.add_int(port)
        send(interface.transport, message)
        with suppress(paramiko.SSHException):
            interface.transport.global_request(kind, wait=False)
    channel.sendall(answer(channel))
    channel.send_exit_status(0)
    channel.close()


def _renamed(said: bytes) -> bytes:
    """Put another name of the host into its first frame, whole: its name is the first line there."""
    head = re.search(rb"BEGIN \w+ identity (\d+)\n(.*)\n", said)
    assert head
    length = int(head[1]) - len(head[2]) + len(b"silent")
    return said[: head.start(1)] + b"%d\nsilent\n" % length + said[head.end() :]


def _cut(part: float) -> Callable[[bytes], bytes]:
    return lambda said: said[: int(len(said) * part)]


ACTS: dict[str, Act] = {
    "healthy": _told(),
    "login-noise": _told(lambda said: NOISE + said),
    "login-noise-1-mib": _told(lambda said: b"x" * (1 << 20) + said),
    "noise-behind": _told(lambda said: said + NOISE),
    "slowly": _slowly,
    "asks-back": _asks_back,
    "keys-exchanged-again": _exchanges_keys,
    "keys-exchanged-for-ever": _exchanges_keys_for_ever,
    "login-banner": _told(),
    "left-open": _then(_left_open),
    "clock-ahead": _told(fakes={"date": "echo 4102444800"}),
    "clock-behind": _told(fakes={"date": "echo 86400"}),
    "forced-command": _told(lambda _: b"Welcome to the menu \x1b[1m\n1) restart\n2) quit\n"),
    "script-echoed": _echoes,
    "nothing-printed": _told(lambda _: b""),
    "no-shell": _told(lambda _: b"sh: not found\n", status=127),
    "shell-not-permitted": _told(lambda _: b"", status=126),
    "answer-of-another-run": _replays,
    "whole-and-status-255": _told(status=255),
    "whole-and-status-1": _told(status=1),
    "whole-and-status-minus-1": _told(status=2**32 - 1),
    "whole-and-left-open-failed": _then(_left_open_failed),
    "whole-and-no-status": _then(_no_status),
    "whole-and-signal": _then(_killed),
    "whole-and-two-statuses": _then(_two),
    "whole-and-never-ends": _then(_waits),
    "whole-and-disconnect": _then(_disconnects),
    "half": _told(_cut(0.5)),
    "all-but-the-last-line": _told(lambda said: said[: said.rindex(b"DONE ")]),
    "all-but-the-last-byte": _told(lambda said: said[:-1]),
    "another-count": _told(lambda said: said[:-2] + b"0\n"),
    "twice": _told(lambda said: said + said),
    "answer-drips": _drips,
    "frozen-in-the-middle": _frozen_half,
    "ignore-flood": _ignores,
    "empty-data-flood": _empty_data,
    "unknown-stream-flood": _other_stream,
    "unknown-channel": _unknown_channel,
    "named-otherwise": _told(_renamed),
    "another-socket-1": _told(SSH_CONNECTION="127.0.0.1 1 127.0.0.9 22"),
    "another-socket-2": _told(SSH_CONNECTION="127.0.0.1 2 127.0.0.9 22"),
}
