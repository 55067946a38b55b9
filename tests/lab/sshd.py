"""What did a host's sshd log, and how does one log in to it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# sshd at LogLevel VERBOSE: sshd.c and session.c of OpenSSH.
CONNECTION = re.compile(r"Connection from (?P<client>\S+) port \d+ on (?P<address>\S+) port \d+")
EXEC = re.compile(r"Starting session: command\b.* from (?P<client>\S+) port \d+")

LOGINS = ("root", "auditor", "deployer")
"""Who may log in with the lab's key: root, an ordinary user, and one with passwordless sudo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What sshd has seen since the host booted; the difference of two is what happened between them."""

    connections: int
    execs: int

    def __sub__(self, before: Counts) -> Counts:
        return Counts(connections=self.connections - before.connections, execs=self.execs - before.execs)


def count(lines: Iterable[str]) -> Counts:
    """How many connections and commands does this log hold?"""
    kept = tuple(lines)
    return Counts(
        connections=sum(bool(CONNECTION.match(line)) for line in kept),
        execs=sum(bool(EXEC.match(line)) for line in kept),
    )


def known_hosts(hosts: Iterable[tuple[str, Iterable[str], str]]) -> str:
    """What stands in known_hosts? A line per host: its name and addresses, its public key."""
    return "".join(f"{','.join((name, *addresses))} {key}\n" for name, addresses, key in hosts)


def config(key: Path, known: Path, hosts: Iterable[tuple[str, str]]) -> str:
    """What stands in the lab's ssh_config? Strict host keys, the lab's key, a block per host for logging in by name."""
    blocks = "".join(f"Host {name}\n    HostName {address}\n\n" for name, address in hosts)
    return (
        f"{blocks}"
        "Host *\n"
        "    User root\n"
        f"    IdentityFile {key}\n"
        "    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {known}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    StrictHostKeyChecking yes\n"
    )
