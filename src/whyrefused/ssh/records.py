"""What goes into a visit, what comes out of it, and every reason why nothing did."""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

Reason = Literal[
    "local",  # this machine cannot: a bad name or argument, an unreadable file, out of descriptors
    "name",  # the host's name does not resolve
    "refused",  # TCP: connection refused
    "unreachable",  # TCP: no route, host or network unreachable, or the bastion could not connect
    "timed-out",  # TCP: no answer
    "not-ssh",  # what answers is not an SSH-2 server, or breaks the protocol before login
    "incompatible",  # an SSH-2 server with no algorithm in common with this client
    "server-refuses-connections",  # closed or reset before login, more than once
    "host-key-unknown",
    "host-key-changed",
    "host-key-revoked",
    "login-refused",  # no key, certificate or password was accepted, or another factor is asked for
    "login-hangs",  # connected, but the login was not done in time; the message says at which step
    "no-session",  # logged in, but no session was opened
    "no-command",  # a session, but the command was not accepted
    "command-timed-out",
    "fell-silent",  # it ran, and printed no line for too long; `output` is what came before
    "no-answer",  # the server went silent in the middle, to keepalives too: frozen, unplugged
    "left-open",  # the exit status came, and the streams stay open; `output` and `status` are what there is
    "not-our-output",  # a command ended, and what it printed is not the answer of our script: a forced command, a menu
    "too-large",  # more output than the cap
    "cut-off",  # the connection or the stream ended before the exit status
    "killed",  # the command ended by a signal
    "bastion",  # a jump host was not reached, not trusted, not logged in to, or was lost
]

REASONS: tuple[Reason, ...] = get_args(Reason)


SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""What fails so says nothing of a host: this machine has not enough for what it does at once."""


def shown(text: str | bytes, limit: int = 200) -> str:
    r"""How is foreign text shown? Everything but printable characters escaped, cut at the limit.

    >>> shown(b"a\x1b]0;x\x07\xff")
    'a\\x1b]0;x\\x07\\xff'
    """
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "surrogateescape")
    cut = text[:limit]
    # str.isprintable is false for controls, bidirectional marks, surrogates and line separators.
    inert = "".join(c if c.isprintable() else _escape(c) for c in cut)
    return inert + ("…" if len(text) > limit else "")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - PEP 383: surrogateescape's range for bytes 0x80 to 0xff
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much one visit may take. Seconds and bytes; what is over is cut off from outside."""

    connect: float = 10.0  # name lookup and TCP connect, all addresses together
    login: float = 15.0  # banner, key exchange and authentication together
    session: float = 15.0  # until the session is open and the command accepted; a part of `command`
    command: float = 15.0  # session, exec and output together
    silence: float = 5.0  # without a byte, after which a keepalive is sent; two that nothing follows are the end
    quiet: float = math.inf  # without a line of output, for a command that prints one now and then
    linger: float = 1.0  # without a byte after the exit status, while the streams stay open
    host: float = 60.0  # the whole visit with its pauses
    pauses: tuple[float, ...] = (1.0, 9.0)  # before each new try when the server refuses connections: three in all
    stdout: int = 4 * 1024 * 1024
    stderr: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the run, not the host's own variables, says about SSH."""

    ssh_config: str | None = None  # read instead of the user's and the system's files: `ssh -F`
    identity_file: str | None = None  # a key file for all hosts, after the host's own
    user: str | None = None  # for hosts without a user of their own; outranks the configuration, as Ansible's does
    port: int | None = None  # the same for the port
    ssh: str | None = "ssh"  # the program that resolves the configuration; None: do without


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command printed: only made when its exit status arrived, both streams ended and no cap was hit."""

    stdout: bytes
    stderr: bytes
    status: int
    warnings: tuple[str, ...] = field(default=())  # what the reader must know: an unchecked host key


class NotReached(Exception):  # noqa: N818 - the outcome's own words
    """There is no complete output of this host: why, and what to do next."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        output: bytes = b"",
        status: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message  # one sentence or two, foreign text escaped
        self.output = output  # the part of stdout that did arrive, at most the cap
        self.status = status  # the exit status, where the streams were left open behind it
        self.warnings = warnings
        self.again = False  # another type of host key is to be asked for: the first was a guess


def check_key_file(path: str) -> str | None:
    """Can this key file be read? None if so, else a sentence. Does not say whether it is a key, or encrypted."""
    try:
        with Path(path).expanduser().open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"The key file '{shown(path)}' cannot be read: {error.strerror}."
    return None
