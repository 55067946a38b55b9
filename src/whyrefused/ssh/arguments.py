"""Is what the inventory says of a connection safe to use, and do we honour it? Pure: nothing is started or opened.

Names and arguments come from inventories, and those may come from discovery. They reach `ssh -G` only when they
cannot be taken for options, and `ssh` options only when this client does what they say.
"""

from __future__ import annotations

import getopt
import re
from typing import TYPE_CHECKING

from whyrefused.ssh.records import NotReached, shown

if TYPE_CHECKING:
    from whyrefused.records import Connection

ADDRESS = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:][0-9A-Fa-f:.]{1,45}(%[A-Za-z0-9][A-Za-z0-9_.-]{0,14})?"
)
"""A name, an IPv4 or an IPv6 address, the latter with its zone; nothing that a shell or ssh could take otherwise."""
USER = re.compile(r"[A-Za-z0-9_.](?:[A-Za-z0-9_.@+$\\-]{0,254}[A-Za-z0-9_.@+$-])?")
"""What ssh(1) accepts as a user, less what a shell could read; DOMAIN\\user and user@domain are real."""

SHORT = "46AaCkNnqTtvXxYF:i:J:l:o:p:"
"""ssh(1)'s options that we honour (-4 -6 -F -i -J -l -o -p) or that mean nothing to one command without terminal,
forwarding, multiplexing or compression; -A, -X and -Y ask for what this client never gives a host."""

_HONOURED = """
    addressfamily bindaddress certificatefile globalknownhostsfile hostkeyalias hostname identitiesonly identityagent
    identityfile passwordauthentication port proxycommand proxyjump pubkeyauthentication stricthostkeychecking user
    userknownhostsfile
"""
_MEANINGLESS = """
    batchmode checkhostip compression connecttimeout connectionattempts controlmaster controlpath controlpersist
    escapechar forwardagent forwardx11 gssapiauthentication hashknownhosts hostbasedauthentication ipqos
    kbdinteractiveauthentication loglevel numberofpasswordprompts preferredauthentications requesttty
    serveralivecountmax serveraliveinterval tcpkeepalive updatehostkeys visualhostkey warnweakcrypto
"""
OPTIONS = frozenset(f"{_HONOURED} {_MEANINGLESS}".split())
"""The `-o` keys that may come with a connection; any other would be dropped in silence, so it is refused."""


def wrong(connection: Connection, *, user: str | None = None) -> str | None:
    """What is wrong with this connection's names and arguments? None if nothing is; opens and starts nothing."""
    try:
        check(connection.address, user if connection.user is None else connection.user, connection.ssh_arguments)
    except NotReached as problem:
        return problem.message
    return None


def check(address: str, user: str | None, arguments: tuple[str, ...]) -> None:
    """May these be given to ssh? Raises NotReached (local) naming the first that may not."""
    if not ADDRESS.fullmatch(address):
        raise NotReached("local", f"'{shown(address)}' is not the name or address of a host.")
    if user is not None and not USER.fullmatch(user):
        raise NotReached("local", f"'{shown(user)}' is not the name of a user.")
    options(arguments)


def options(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these arguments go to `ssh -G`? Raises NotReached (local) for one that we would not honour."""
    try:
        found, rest = getopt.getopt(list(arguments), SHORT)
    except getopt.GetoptError as error:
        raise _refused(f"-{error.opt}") from None
    if rest:
        raise _refused(rest[0])
    return tuple(part for option, value in found for part in _one(option, value))


def _one(option: str, value: str) -> tuple[str, ...]:
    if option == "-o":
        key = re.split(r"[\s=]", value.strip(), maxsplit=1)[0].lower()
        if key not in OPTIONS:
            raise _refused(f"-o {key}")
    elif option in ("-J", "-l", "-p", "-i", "-F") and (not value or value.startswith("-")):
        raise _refused(f"{option} {value}")
    elif option not in ("-4", "-6", "-J", "-l", "-p", "-i", "-F"):
        return ()
    return (option, value) if value else (option,)


def _refused(what: str) -> NotReached:
    return NotReached(
        "local",
        f"The SSH argument '{shown(what)}' is not supported by this client; "
        "set ansible_connection: openssh for this host to use the ssh program instead.",
    )
