"""Who answers at this address? Name lookup and TCP connect within one deadline, every failure by its errno."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

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
    "refused": "Nothing listens there for us, or a firewall rejects it: check that sshd runs, its Port and its rules.",
    "unreachable": "Check that the host is up and the route to it.",
    "timed-out": "Check that the host is up, the route to it, and firewalls that drop.",
    "local": "This machine could not send: check its limits (ulimit -n), addresses and firewall.",
}


def dial(target: Target, seconds: float) -> socket.socket:
    """Connect to the first address that answers. Raises NotReached (name, refused, unreachable, timed-out, local)."""
    until = time.monotonic() + seconds
    addresses = lookup(target, seconds)
    failures: list[tuple[int, str]] = []
    for position, (family, address) in enumerate(addresses):
        share = (until - time.monotonic()) / (len(addresses) - position)
        code = errno.EMFILE
        try:
            return _connect(family, address, target, max(share, 0.001))
        except TimeoutError as error:
            code = error.errno or errno.ETIMEDOUT
        except OSError as error:
            code = error.errno or 0
            if code in SHORT:
                raise
        failures.append((code, str(address[0])))
    raise _failed(target, failures)


def _connect(
    family: socket.AddressFamily, address: tuple[object, ...], target: Target, seconds: float
) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if target.bind:
            made.bind((target.bind, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(seconds)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _failed(target: Target, failures: list[tuple[int, str]]) -> NotReached:
    reasons = [_REASONS.get(code, "local") for code, _ in failures]
    # Several addresses: the one that answered says most.
    reason = next(r for r in _TELLING if r in reasons)
    tried = ", ".join(f"{where} ({errno.errorcode.get(code, 'unknown error')})" for code, where in failures)
    said = _SAID.get(reason, reason)
    return NotReached(reason, f"{target.place}: {said} on port {target.port}; tried {tried}. {_NEXT[reason]}")


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
        "Check the spelling, or set ansible_host to an address; the resolver and its search list: /etc/resolv.conf.",
    )


def _getaddrinfo(target: Target, family: int, flags: int) -> list[Address]:
    rows = socket.getaddrinfo(target.host, target.port, family, socket.SOCK_STREAM, 0, flags)
    return list(dict.fromkeys((row[0], row[4]) for row in rows))
