"""Is it the right server, and does it let us in? Key exchange, host key, authentication; nothing else is offered.

The host key is judged before the first byte of authentication leaves. No agent, no X11, no environment and no terminal
is ever forwarded, and no prompt is answered.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import paramiko

from whyrefused.ssh import agent, known_hosts
from whyrefused.ssh.keys import offers
from whyrefused.ssh.packets import Packets, last_words
from whyrefused.ssh.records import SHORT, NotReached, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.ssh.config import Target
    from whyrefused.ssh.wire import Wire

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
"""Tried first, none forbidden: one pass does both encryption and integrity."""

_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_TURNED_AWAY = (b"Exceeded MaxStartups", b"Not allowed at this time")  # sshd's, instead of a version line

_accepted: dict[tuple[str, int], bytes] = {}
"""Keys taken without known_hosts (accept-new): held for this process, never written."""


def login(wire: Wire, target: Target, until: float) -> tuple[paramiko.Transport, tuple[str, ...]]:
    """Log in once. Returns the connection and what the reader must be warned of. Raises NotReached."""
    tables, problems = _tables(target.known_hosts)
    guessed = known_hosts.guessed(tables, _name(target))
    transport = _transport(wire, target, tables)
    try:
        wire.until(until, "login-hangs", "connected, but no SSH banner or no key exchange came in time.")
        remote = _exchange(wire, transport)
        warnings, trusted = _trust(remote, target, tables, problems, guessed=guessed)
        _authenticate(wire, transport, target, until, trusted=trusted)
    except NotReached:
        transport.close()
        wire.close()
        raise
    return transport, warnings


def _transport(wire: Wire, target: Target, tables: tuple[known_hosts.Table, ...]) -> paramiko.Transport:
    transport = paramiko.Transport(wire, packetizer_class=Packets)  # type: ignore[arg-type]
    wire.on_close(transport.close)
    options = transport.get_security_options()
    options.ciphers = _first(CIPHERS, options.ciphers)
    known = known_hosts.key_types(tables, _name(target))
    options.key_types = _first([s for kind in known for s in _SIGNATURES.get(kind, (kind,))], options.key_types)
    # The watchdog is what ends it; paramiko's own limits ask the wall clock, which may jump.
    transport.banner_timeout = transport.auth_timeout = transport.clear_to_send_timeout = math.inf
    return transport


def _first(wanted: Iterable[str], offered: Iterable[str]) -> tuple[str, ...]:
    offered = tuple(offered)
    ahead = tuple(name for name in dict.fromkeys(wanted) if name in offered)
    return (*ahead, *(name for name in offered if name not in ahead))


def _packets(transport: paramiko.Transport) -> Packets:
    return cast("Packets", transport.packetizer)


def _exchange(wire: Wire, transport: paramiko.Transport) -> paramiko.PKey:
    try:
        transport.start_client()
        remote = transport.get_remote_server_key()
    except Exception as error:  # noqa: BLE001 - paramiko lets any exception of its parsers through
        raise _not_exchanged(wire, transport, error) from None
    if wire.fault:
        raise wire.fault
    return remote


def _not_exchanged(wire: Wire, transport: paramiko.Transport, error: Exception) -> NotReached:
    words = last_words(transport)
    if wire.fault:
        return wire.fault
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return wire.fail(
            "incompatible",
            f"no algorithm in common with this client ({shown(str(error))}); "
            "for an old server set ansible_connection: openssh.",
        )
    if words or (wire.version and (_ended(error) or transport.initial_kex_done)):
        return _turned_away(wire, f"closed the connection before the login ({words or 'without a word'})")
    if wire.version:
        return wire.fail("not-ssh", f"breaks the SSH protocol before the login ({shown(str(error))}).")
    if not wire.first or wire.first.startswith(_TURNED_AWAY):
        said = f"('{shown(wire.first.strip())}')" if wire.first else "without a word"
        return _turned_away(wire, f"closed the connection before its SSH banner {said}")
    return wire.fail("not-ssh", f"what answers is not an SSH server: '{shown(wire.first, 64)}'.")


def _ended(error: Exception) -> bool:
    # "Negotiation failed." is what start_client says of a connection that ended without an error.
    return isinstance(error, (EOFError, OSError)) or str(error) == "Negotiation failed."


def _turned_away(wire: Wire, what: str) -> NotReached:
    return wire.fail(
        "server-refuses-connections",
        f"{what}; look at MaxStartups, PerSourcePenalties and hosts.deny there, and its sshd log.",
    )


# The host key.


def _tables(files: Iterable[str]) -> tuple[tuple[known_hosts.Table, ...], tuple[str, ...]]:
    tables, problems = [], []
    for file in files:
        try:
            tables.append(known_hosts.read(file))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno in SHORT:
                raise
            problems.append(f"{shown(file)} cannot be read ({error.strerror})")
    return tuple(tables), tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """The host key that was shown."""

    blob: bytes
    kind: str
    name: str  # under which it is looked for

    def __str__(self) -> str:
        return f"{self.kind} {known_hosts.fingerprint(self.blob)}"


def _name(target: Target) -> str:
    return target.alias or known_hosts.lookup_name(target.host, target.port)


def _trust(
    remote: paramiko.PKey,
    target: Target,
    tables: tuple[known_hosts.Table, ...],
    problems: tuple[str, ...],
    *,
    guessed: bool,
) -> tuple[tuple[str, ...], bool]:
    """Is the host key the known one? Returns warnings and whether a password may be sent."""
    key = _Key(blob=remote.asbytes(), kind=remote.get_name(), name=_name(target))
    found = known_hosts.judge(tables, target.host, target.port, key.blob, alias=target.alias)
    if found.verdict == "known":
        return (), True
    if found.verdict == "revoked" and found.entry:
        raise NotReached(
            "host-key-revoked",
            f"{target.place}: HOST KEY REVOKED. It shows {key}, marked @revoked in {shown(found.entry.place)}; "
            "whoever has that key can pose as the host. Nothing was sent.",
        )
    again = found.verdict == "changed" and guessed and found.others[0].kind != key.kind
    if again or (found.verdict == "changed" and target.strict != "no"):
        problem = _changed(target, key, found.others)
        problem.again = again
        raise problem
    return _unknown(target, key, found, problems)


def _changed(target: Target, key: _Key, others: tuple[known_hosts.Entry, ...]) -> NotReached:
    known = "; ".join(f"{e.kind} {known_hosts.fingerprint(e.blob)} ({shown(e.place)})" for e in others[:5])
    return NotReached(
        "host-key-changed",
        f"{target.place}: HOST KEY CHANGED. It shows {key}, but known is {known}. "
        "Someone may be posing as the host; nothing was sent. If the host was reinstalled, compare the fingerprint on "
        "its console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then remove the old line: "
        f"ssh-keygen -R '{shown(key.name)}'.",
    )


def _unknown(
    target: Target, key: _Key, found: known_hosts.Judgement, problems: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    if target.strict == "accept-new" and found.verdict == "unknown":
        before = _accepted.setdefault((key.name, target.port), key.blob)
        if before != key.blob:
            raise NotReached(
                "host-key-changed",
                f"{target.place}: HOST KEY CHANGED during this run, {known_hosts.fingerprint(before)} to {key}. "
                "Nothing was sent.",
            )
        return (f"{target.place}: host key {key} was not known and accepted unchecked (accept-new).",), True
    if target.strict == "no":
        # As ssh does: without a checked key no password is sent to a host whose key is known to be another.
        state = "differs from the known one" if found.verdict == "changed" else "is not known"
        warning = f"{target.place}: host key checking is off; {key} {state} and was accepted."
        return (warning,), found.verdict != "changed"
    port = "" if target.port == 22 else f"-p {target.port} "  # noqa: PLR2004 - SSH's own port
    why = "".join(f" {problem}." for problem in problems)
    if found.authorities:
        why += (
            f" {shown(found.authorities[0].place)} trusts a certificate authority for it, but this client cannot "
            "verify host certificates: add the key itself, or set ansible_connection: openssh."
        )
    raise NotReached(
        "host-key-unknown",
        f"{target.place}: the host key is not known: {key}. Nothing was sent.{why} Compare the fingerprint on the "
        "host's console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub); if it is the same: "
        f"ssh-keyscan {port}{shown(target.host)} >> {shown(next(iter(target.known_hosts), '~/.ssh/known_hosts'))}",
    )


# Authentication.


def _authenticate(wire: Wire, transport: paramiko.Transport, target: Target, until: float, *, trusted: bool) -> None:
    found = offers(target, max(until - time.monotonic(), 0.1))
    skipped = list(found.skipped)
    refused: list[str] = []
    for offer in found.keys:
        wire.until(until, "login-hangs", f"no answer to the login as '{target.user}' with {offer}.")
        try:
            more = transport.auth_publickey(target.user, offer.key)  # type: ignore[arg-type]
        except agent.AgentFailed as problem:
            skipped.append(f"{offer}: {problem}")
            continue
        except Exception as error:  # noqa: BLE001 - paramiko lets any exception of its parsers through
            _still_there(wire, transport, target, error, [*refused, str(offer)])
            refused.append(str(offer))
            if isinstance(error, paramiko.BadAuthenticationType):
                break
            continue
        return _done(wire, target, more)
    if target.password and target.password_allowed and trusted:
        wire.until(until, "login-hangs", f"no answer to the login as '{target.user}' with the password.")
        try:
            more = transport.auth_password(target.user, target.password.reveal(), fallback=False)
        except Exception as error:  # noqa: BLE001 - as above
            _still_there(wire, transport, target, error, [*refused, "the password"])
            refused.append("the password")
        else:
            return _done(wire, target, more)
    raise _refused(wire, transport, target, refused, skipped)


def _done(wire: Wire, target: Target, more: list[str]) -> None:
    if wire.fault:
        raise wire.fault
    if more:
        factors = ", ".join(shown(name, 40) for name in more[:10])
        raise NotReached(
            "login-refused",
            f"{target.place}: another factor is asked for after the first ({factors}); none is ever given. "
            f"Let '{target.user}' log in with one key.",
        )


def _still_there(
    wire: Wire, transport: paramiko.Transport, target: Target, error: Exception, offered: list[str]
) -> None:
    """Go on only if the server answered no; a server that is gone or asks questions is an end."""
    if wire.fault:
        raise wire.fault
    if isinstance(error, paramiko.AuthenticationException) and transport.is_active():
        return
    words = last_words(transport)
    tried = "; ".join(offered)
    if len(offered) > 1 or words:
        raise NotReached(
            "login-refused",
            f"{target.place}: the login as '{target.user}' was ended by the server ({words or 'without a word'}); "
            f"offered: {tried}.",
        )
    if _ended(error) or isinstance(error, paramiko.AuthenticationException):
        raise NotReached("cut-off", f"{target.place}: the connection ended during the login with {tried}.")
    raise NotReached(
        "login-refused",
        f"{target.place}: the login as '{target.user}' broke the rules ({shown(str(error))}); offered: {tried}. "
        "No question of a server is ever answered.",
    )


def _refused(
    wire: Wire, transport: paramiko.Transport, target: Target, refused: list[str], skipped: list[str]
) -> NotReached:
    methods = _packets(transport).methods
    parts = [
        f"offered: {'; '.join(refused)}" if refused else "nothing to offer: no usable key, agent or password",
        f"left out: {'; '.join(skipped)}" if skipped else "",
        f"the server takes: {', '.join(methods)}" if methods else "",
    ]
    wire.close()
    said = "; ".join(filter(None, parts))
    return NotReached(
        "login-refused",
        f"{target.place}: the login as '{target.user}' was refused ({said}). No second try is made. "
        f"Check the user and its authorized_keys, or set ansible_ssh_private_key_file.",
    )
