"""Who answers at this address? Name lookup and TCP connect within one deadline, every failure by its errno."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused.ssh import refusal
from whyrefused.ssh.records import SHORT, NotReached, shown

if TYPE_CHECKING:
    from whyrefused.ssh.config import Target
    from whyrefused.ssh.records import Reason

Address = tuple[socket.AddressFamily, tuple[object, ...]]

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)
_REASONS: dict[int, Reason] = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timed-out",
    errno.EAGAIN: "timed-out",
    errno.ECONNRESET: "server-refuses-connections",  # accepted and reset before connect(2) had returned
    **dict.fromkeys(_UNREACHABLE, "unreachable"),
}
_TELLING: tuple[Reason, ...] = ("server-refuses-connections", "refused", "unreachable", "timed-out", "local")
_SAID = {
    "server-refuses-connections": "closed the connection before its SSH banner",
    "refused": "connection refused",
    "timed-out": "no answer",
    "local": "no packet could leave",
}
_NEXT = {
    "server-refuses-connections": "Look at MaxStartups, PerSourcePenalties and hosts.deny there, and its sshd log.",
    "refused": "Check on its console that sshd runs, its Port and ListenAddress (ss -ltnp), and the firewall's rules.",
    "unreachable": "Check that the host is up and the route to it.",
    "timed-out": "Check that the host is up, the route to it, and firewalls that drop.",
    "local": "This machine could not send: check its limits (ulimit -n), addresses and firewall.",
}


def dial(target: Target, seconds: float) -> socket.socket:
    """Connect to the first address that answers. Raises NotReached (name, refused, unreachable, timed-out, local)."""
    until = time.monotonic() + seconds
    addresses = lookup(target, seconds)
    failures: list[_Failure] = []
    for position, (family, address) in enumerate(addresses):
        share = (until - time.monotonic()) / (len(addresses) - position)
        made = _connect(family, address, target, max(share, 0.001))
        if isinstance(made, socket.socket):
            return made
        if made.code in SHORT:
            raise OSError(made.code, os.strerror(made.code))
        failures.append(made)
    raise _failed(target, failures, until - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """How one connect failed."""

    family: socket.AddressFamily
    address: tuple[object, ...]
    code: int
    icmp: refusal.Icmp | None = None
    own: str = ""  # the address that the SYN had as its source

    @property
    def reason(self) -> Reason:
        return _REASONS.get(self.code, "local")

    def __str__(self) -> str:
        return f"{self.address[0]} ({errno.errorcode.get(self.code, 'unknown error')})"


def _connect(
    family: socket.AddressFamily, address: tuple[object, ...], target: Target, seconds: float
) -> socket.socket | _Failure:
    made = None
    icmp, own = None, ""
    try:
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        if target.bind:
            made.bind((target.bind, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        refusal.wants_icmp(made)
        code, icmp = refusal.connect(made, address, seconds)
        own = str(made.getsockname()[0])
    except OSError as error:
        code = error.errno or errno.EMFILE
    if made is not None and not code:
        made.settimeout(seconds)
        return made
    if made is not None:
        made.close()
    return _Failure(family=family, address=address, code=code, icmp=icmp, own=own)


def _failed(target: Target, failures: list[_Failure], left: float) -> NotReached:
    # Several addresses: the one that answered says most.
    first = min(failures, key=lambda one: _TELLING.index(one.reason))
    reason = first.reason
    tried = ", ".join(map(str, failures))
    said = _SAID.get(reason, reason)
    who = _who(first, left)
    return NotReached(
        reason,
        f"{target.place}: {said} on port {target.port}; tried {tried}. {f'{who} ' if who else ''}{_NEXT[reason]}",
    )


def _who(failure: _Failure, left: float) -> str:
    """Who refused, as far as it shows from here?"""
    if failure.icmp is not None:
        return refusal.by_icmp(failure.icmp, str(failure.address[0]), failure.own)
    return refusal.by_reset(failure.family, failure.address, left) if failure.reason == "refused" else ""


def lookup(target: Target, seconds: float) -> list[Address]:
    """Which addresses has this name? In the order of the system's resolver. Raises NotReached (name)."""
    family = _FAMILIES.get(target.family, socket.AF_UNSPEC)
    try:
        return _getaddrinfo(target, family, socket.AI_NUMERICHOST)
    except OSError:
        pass
    found: list[Address] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(_getaddrinfo(target, family, socket.AI_ADDRCONFIG))
        except OSError as error:
            failure.append(error)
        except UnicodeError:
            failure.append(OSError(socket.EAI_NONAME, "not a host name"))

    # getaddrinfo has no deadline of its own; a thread that waits for a silent resolver is left behind.
    thread = threading.Thread(target=ask, name="whyrefused-lookup", daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found
    why = f"{failure[0].strerror}" if failure else f"the resolver did not answer within {seconds:g} s"
    raise NotReached(
        "name",
        f"{shown(target.host)}: the name does not resolve on this machine ({shown(why)}). "
        f"{_resolver()} Check the spelling, or set ansible_host to an address.",
    )


def _resolver() -> str:
    """Who was asked? The nameservers and the search list of resolv.conf(5)."""
    try:
        lines = Path("/etc/resolv.conf").read_text("utf-8", "surrogateescape").split("\n")
    except OSError as error:
        return f"/etc/resolv.conf cannot be read ({error.strerror})."
    words = [fields for fields in map(str.split, lines) if len(fields) > 1]
    servers = [fields[1] for fields in words if fields[0] == "nameserver"]
    search = next((fields[1:] for fields in reversed(words) if fields[0] in ("search", "domain")), [])
    return (
        f"Asked: /etc/hosts, then nameserver {shown(', '.join(servers) or 'none', 120)}, "
        f"search list {shown(' '.join(search) or 'empty', 120)} (/etc/resolv.conf)."
    )


def _getaddrinfo(target: Target, family: int, flags: int) -> list[Address]:
    rows = socket.getaddrinfo(target.host, target.port, family, socket.SOCK_STREAM, 0, flags)
    return list(dict.fromkeys((row[0], row[4]) for row in rows))
