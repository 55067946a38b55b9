"""SSH servers on loopback that misbehave, each in one named way, and note all that a client asks of them.

Raw behaviours own the socket; the others are a paramiko server that behaves until its one fault.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
    cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_FAILURE,
    cMSG_CHANNEL_REQUEST,
    cMSG_CHANNEL_SUCCESS,
    cMSG_DISCONNECT,
    cMSG_USERAUTH_BANNER,
)
from paramiko.server import InteractiveQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    Act = Callable[["Interface", paramiko.Channel], None]

logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

VERSION = b"SSH-2.0-hostile_1.0\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


class Server:
    """One listening socket, a thread for each connection, a log of what clients did."""

    def __init__(
        self, fault: str, host_key: paramiko.PKey | None = None, *, act: Act | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.fault = fault
        self.host_key = host_key or KEY
        self.act = act or ACTS.get(fault, good)
        self.address = address
        self.events: list[str] = []
        self.held: list[float] = []  # seconds for which clients kept their connections
        self.stop = threading.Event()
        self._listener = socket.create_server((address, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which would keep it open
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def count(self, start: str) -> int:
        """How many events begin so?"""
        return sum(event.startswith(start) for event in self.events)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.events.append("connect")
                self._open.append(connection)
                threading.Thread(target=self._watch, args=(connection,), daemon=True).start()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _watch(self, connection: socket.socket) -> None:
        """For how long does the client hold on to this connection, unless it is ended from here?"""
        began = time.monotonic()
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLRDHUP)  # hanging up and errors are always told
        while not self.stop.is_set() and connection.fileno() >= 0 and not poll.poll(100):
            continue
        self.held.append(time.monotonic() - began)

    def _serve(self, connection: socket.socket) -> None:
        raw = RAW.get(self.fault)
        with suppress(Exception):
            if raw:
                raw(self, connection)
            else:
                self.speak(connection)

    def speak(self, connection: socket.socket) -> None:
        """Be an SSH server, until the fault."""
        transport = paramiko.Transport(connection)
        transport.add_server_key(self.host_key)
        transport.start_server(event=threading.Event(), server=Interface(self, transport, connection))


class Interface(paramiko.ServerInterface):
    """What this server answers."""

    def __init__(self, server: Server, transport: paramiko.Transport, connection: socket.socket) -> None:
        self.server = server
        self.transport = transport
        self.connection = connection
        self.replied = threading.Event()  # the request for a command is answered
        reply = transport._send_user_message  # type: ignore[attr-defined] # noqa: SLF001 - as `send` does

        def noted(message: paramiko.Message) -> None:
            reply(message)
            if message.asbytes()[:1] in (cMSG_CHANNEL_SUCCESS, cMSG_CHANNEL_FAILURE):
                self.replied.set()

        transport._send_user_message = noted  # type: ignore[attr-defined] # noqa: SLF001 - the same

    def note(self, event: str) -> None:
        """Put it into the log."""
        self.server.events.append(event)

    def get_banner(self) -> tuple[str | None, str | None]:
        """Greet before the login (RFC 4252, section 5.4)."""
        return ("welcome \x1b[2J\x1b]0;x\x07\u202e\n", "en") if self.server.fault == "login-banner" else (None, None)

    def get_allowed_auths(self, username: str) -> str:
        """Say which methods are left."""
        del username
        only = {"keyboard-interactive": "keyboard-interactive", "password-only": "password"}
        return only.get(self.server.fault, "publickey,password")

    def check_auth_none(self, username: str) -> int:
        """Note and refuse."""
        self.note(f"auth none {username}")
        return AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        """Take one password."""
        self.note(f"auth password {username}")
        wanted = password == "right" and self.server.fault != "keyboard-interactive"  # noqa: S105 - no secret
        return AUTH_SUCCESSFUL if wanted else AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        """Ask for a secret."""
        del submethods
        self.note(f"auth interactive {username}")
        return InteractiveQuery("vault", "", ("The vault password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        """Note what was given away."""
        self.note(f"answered {responses}")
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Take, refuse, or be silent."""
        self.note(f"auth publickey {username} {key.get_name()}")
        fault = self.server.fault
        if fault == "auth-hang":
            self.server.stop.wait()
        if fault == "login-banner-flood":
            while self.transport.is_active():
                send(self.transport, greeting("x" * 30000))
        if fault == "auth-cut":
            self.connection.close()
        if fault == "auth-disconnect":
            send(self.transport, disconnect("go away \x1b[2J"))
        if fault == "auth-partial":
            return AUTH_PARTIALLY_SUCCESSFUL
        return AUTH_FAILED if fault in ("auth-denied", "keyboard-interactive", "password-only") else AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Open a session, or not."""
        del chanid
        self.note(f"channel {kind}")
        if self.server.fault == "session-refused":
            return OPEN_FAILED_RESOURCE_SHORTAGE
        if self.server.fault == "session-hang":
            self.server.stop.wait()
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run the behaviour instead of the command."""
        self.note(f"exec {command.decode()}")
        if self.server.fault == "exec-refused":
            return False
        if self.server.fault == "exec-hang":
            self.server.stop.wait()
        if self.server.fault.startswith("hasty-"):  # all is said and done before the request is answered
            self.server.act(self, channel)
            return True
        threading.Thread(target=self._act, args=(self.server.act, channel), daemon=True).start()
        return True

    def _act(self, act: Callable[[Interface, paramiko.Channel], None], channel: paramiko.Channel) -> None:
        self.replied.wait()
        with suppress(Exception):
            act(self, channel)

    def _asked(self, what: str) -> bool:
        self.note(f"asked {what}")
        return False

    def check_channel_env_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("env")

    def check_channel_pty_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("pty")

    def check_channel_x11_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("x11")

    def check_channel_forward_agent_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("agent")

    def check_channel_shell_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("shell")

    def check_port_forward_request(self, *_: object) -> bool:
        """Note and refuse."""
        return self._asked("forward")


def send(transport: paramiko.Transport, message: paramiko.Message) -> None:
    """Send a message that paramiko's own server would not."""
    transport._send_user_message(message)  # type: ignore[attr-defined] # noqa: SLF001 - that is the point


def greeting(words: str) -> paramiko.Message:
    """Make a banner of the login."""
    message = paramiko.Message()
    message.add_byte(cMSG_USERAUTH_BANNER)
    message.add_string(words)
    message.add_string("")
    return message


def disconnect(words: str) -> paramiko.Message:
    """Make a DISCONNECT."""
    message = paramiko.Message()
    message.add_byte(cMSG_DISCONNECT)
    message.add_int(2)
    message.add_string(words)
    message.add_string("")
    return message


def signalled(channel: paramiko.Channel, name: str) -> paramiko.Message:
    """Make an exit-signal."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exit-signal")
    message.add_boolean(b=False)
    message.add_string(name)
    message.add_boolean(b=False)
    message.add_string("")
    message.add_string("")
    return message


# What happens once the command was accepted.


def good(_: Interface, channel: paramiko.Channel) -> None:
    """Print, say 0 and end."""
    channel.sendall(b"good\n")
    channel.sendall_stderr(b"warning\n")
    channel.send_exit_status(0)
    channel.close()


def _echo(_: Interface, channel: paramiko.Channel) -> None:
    while data := channel.recv(65536):
        channel.sendall(data)
    channel.send_exit_status(7)
    channel.close()


def _never_ends(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"begun\n")
    interface.server.stop.wait()


def _drip(interface: Interface, channel: paramiko.Channel) -> None:
    while not interface.server.stop.wait(0.05):
        channel.sendall(b".")


def _endless(*streams: str) -> Callable[[Interface, paramiko.Channel], None]:
    def act(interface: Interface, channel: paramiko.Channel) -> None:
        while not interface.server.stop.is_set():
            for stream in streams:
                (channel.sendall if stream == "stdout" else channel.sendall_stderr)(b"x" * 32768)

    return act


def _past_window(interface: Interface, channel: paramiko.Channel) -> None:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_DATA)
    message.add_int(channel.remote_chanid)
    message.add_string(b"x" * 32000)
    while not interface.server.stop.is_set() and interface.transport.is_active():
        send(interface.transport, message)


def _no_status(_: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    channel.close()


def _signal(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    send(interface.transport, signalled(channel, "KILL"))
    channel.close()


def _two_statuses(_: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"good\n")
    channel.send_exit_status(0)
    channel.send_exit_status(1)
    channel.close()


def _cut(linger: bytes) -> Callable[[Interface, paramiko.Channel], None]:
    def act(interface: Interface, channel: paramiko.Channel) -> None:
        while channel.recv(65536):  # what is left unread when a socket closes makes the end a reset, which loses data
            continue
        channel.sendall(b"x" * 100_000)
        if linger:
            interface.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            interface.connection.shutdown(socket.SHUT_RDWR)
        interface.transport.close()

    return act


def _disconnect(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    send(interface.transport, disconnect("maintenance \x1b]0;x\x07"))
    interface.transport.close()


def _frozen(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    interface.transport.packetizer.send_message = lambda _: interface.server.stop.wait()  # type: ignore[assignment, method-assign]
    interface.server.stop.wait()


def _status_then_open(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"good\n")
    channel.send_exit_status(0)
    interface.server.stop.wait()


def _output_after_exit(_: Interface, channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    channel.sendall(b"late\n")
    channel.close()


def _invalid_utf8(_: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"\xff\xfe\x00\x1b[31m\xc3\n")
    channel.send_exit_status(0)
    channel.close()


def _flipped(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    time.sleep(0.1)
    interface.connection.send(os.urandom(64))
    interface.server.stop.wait()


def _rekey_stuck(interface: Interface, channel: paramiko.Channel) -> None:
    channel.sendall(b"half\n")
    interface.transport._send_kex_init()  # type: ignore[attr-defined] # noqa: SLF001 - a rekeying that is begun and never done
    interface.transport.packetizer.send_message = lambda _: interface.server.stop.wait()  # type: ignore[assignment, method-assign]
    interface.server.stop.wait()


ACTS: dict[str, Callable[[Interface, paramiko.Channel], None]] = {
    "good": good,
    "echo": _echo,
    "never-ends": _never_ends,
    "output-drip": _drip,
    "endless-stdout": _endless("stdout"),
    "endless-stderr": _endless("stderr"),
    "endless-both": _endless("stdout", "stderr"),
    "endless-past-window": _past_window,
    "no-exit-status": _no_status,
    "exit-signal": _signal,
    "two-statuses": _two_statuses,
    "cut-close": _cut(b""),
    "cut-reset": _cut(RESET),
    "disconnect": _disconnect,
    "frozen": _frozen,
    "status-then-open": _status_then_open,
    "output-after-exit": _output_after_exit,
    "invalid-utf8": _invalid_utf8,
    "bit-flip": _flipped,
    "rekey-stuck": _rekey_stuck,
    "hasty-good": good,
    "hasty-signal": _signal,
}


# What happens before there is SSH.


def _silent(server: Server, _: socket.socket) -> None:
    server.stop.wait()


def _say(*parts: bytes, then: str = "wait") -> Callable[[Server, socket.socket], None]:
    def act(server: Server, connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        if then == "wait":
            server.stop.wait()
        if then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()

    return act


def _dripped(server: Server, connection: socket.socket) -> None:
    for byte in (VERSION[:-2] * 10)[:200]:
        connection.sendall(bytes([byte]))
        if server.stop.wait(0.1):
            return


def _flood(piece: bytes) -> Callable[[Server, socket.socket], None]:
    def act(server: Server, connection: socket.socket) -> None:
        while not server.stop.is_set():
            connection.sendall(piece)

    return act


def _packet(payload: bytes) -> bytes:
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def _ignore(server: Server, connection: socket.socket) -> None:
    connection.sendall(VERSION)
    while not server.stop.wait(0.02):
        connection.sendall(_packet(b"\x02\x00\x00\x00\x04abcd"))


def _huge(server: Server, connection: socket.socket) -> None:
    connection.sendall(VERSION + struct.pack(">I", 2**31 - 4))
    _flood(bytes(65536))(server, connection)


def _crowded(server: Server, connection: socket.socket) -> None:
    """Turn the first two away, as sshd does above MaxStartups, then be good."""
    if server.count("connect") <= 2:
        connection.sendall(b"Exceeded MaxStartups\r\n")
        connection.close()
    else:
        server.speak(connection)


def _exchange_begun(server: Server, connection: socket.socket) -> None:
    """Offer algorithms as a good server does, and nothing more."""
    names = (b"ecdh-sha2-nistp256", b"ecdsa-sha2-nistp256", *[b"aes128-ctr"] * 2, *[b"hmac-sha2-256"] * 2)
    lists = b"".join(struct.pack(">I", len(n)) + n for n in (*names, b"none", b"none", b"", b""))
    connection.sendall(VERSION + _packet(b"\x14" + bytes(16) + lists + bytes(5)))
    server.stop.wait()


def _old(_: Server, connection: socket.socket) -> None:
    names = (b"diffie-hellman-group1-sha1", b"ssh-dss", b"3des-cbc", b"3des-cbc", b"hmac-md5", b"hmac-md5")
    lists = b"".join(struct.pack(">I", len(n)) + n for n in (*names, b"none", b"none", b"", b""))
    connection.sendall(b"SSH-2.0-OpenSSH_3.9\r\n" + _packet(b"\x14" + bytes(16) + lists + bytes(5)))
    connection.recv(65536)
    time.sleep(1)


RAW: dict[str, Callable[[Server, socket.socket], None]] = {
    "silent": _silent,
    "drip": _dripped,
    "close-at-once": _say(then="close"),
    "reset-at-once": _say(then="reset"),
    "max-startups": _say(b"Exceeded MaxStartups\r\n", then="close"),
    "crowded": _crowded,
    "banner-flood": _flood(b"welcome to the machine\r\n"),
    "banner-one-line-flood": _flood(b"A" * 4096),
    "long-version": _say(b"SSH-2.0-" + b"x" * 600 + b"\r\n"),
    "garbage": _say(os.urandom(32) + bytes(8)),
    "http": _say(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"),
    "http-closed": _say(b"HTTP/1.1 400 Bad Request\r\n\r\n<script>alert(1)</script>", then="close"),
    "smtp": _say(b"220 mail.example.com ESMTP \x1b[31m\r\n", then="close"),
    "ssh-1": _say(b"SSH-1.5-1.2.27\r\n"),
    "banner-then-silence": _say(VERSION),
    "banner-then-close": _say(VERSION, then="close"),
    "banner-then-reset": _say(VERSION, then="reset"),
    "endless-ignore": _ignore,
    "exchange-begun": _exchange_begun,
    "huge-packet": _huge,
    "bad-packet": _say(VERSION, b"\x00\x00\x00\x0c" + b"\xff" * 40),
    "old-algorithms": _old,
}

SPOKEN = (
    "auth-hang",
    "login-banner-flood",
    "auth-denied",
    "auth-cut",
    "auth-disconnect",
    "auth-partial",
    "keyboard-interactive",
    "password-only",
    "session-refused",
    "session-hang",
    "exec-refused",
    "exec-hang",
)


class BorrowedKey(paramiko.ECDSAKey):
    """A host key of which only the public half is known, as whoever poses as the host has it."""

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        """Sign, and not what was to be signed."""
        return super().sign_ssh_data(data + b"?", algorithm)

    @classmethod
    def made(cls) -> Self:
        """Make one."""
        key = paramiko.ECDSAKey.generate()
        return cls(vals=(key.signing_key, key.verifying_key))


KEY = paramiko.ECDSAKey.generate()
OTHER_KEY = paramiko.ECDSAKey.generate(bits=384)
