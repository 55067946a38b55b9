"""What of a host could a visit have changed? Its files, as its overlay has them, and what kernel and systemd hold."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .host import Host

# Type, mode, owner, size, and time of the last change of content, name or mode, of each file in memory.
MEMORY = "find /run /tmp /dev/shm -xdev -printf '%p\\t%y %m %U:%G %s %C@ %l\\n'"
MACHINE = re.compile(r"/[0-9a-f]{32}(?=/|$)")
JOURNAL = re.compile(r"(?<=/MACHINE/)(?:system|user-\d+)(?:@[^/]*)?\.journal~?$")
"""Into which of its files journald writes what a login, or a sudo that refuses, has logged is its own affair."""

HELD = (
    # The settings that a host has for itself; what moves in them moves by itself.
    "sysctl -a -r '^net[.]' 2>/dev/null | grep -vE 'conntrack_count|tcp_mem|udp_mem'",
    "nft -s list ruleset; iptables-save | grep -v ^#; ip6tables-save | grep -v ^#; ipset list -n",
    "systemctl list-units --all --plain --no-legend --no-pager | awk '{print $1, $2, $3, $4}'",
    "systemctl list-unit-files --plain --no-legend --no-pager",
    "ip -4 route show table all; ip -6 route show table all; ip -4 rule; ip -6 rule; ip -o link; ip -o addr",
    "cat /etc/passwd /etc/group; ls -1 /var/spool/cron/crontabs /var/mail 2>/dev/null",
)
"""Settings, rules, units, routes, users."""


def files(host: Host) -> dict[str, str]:
    """Which files are not as in the image, or in memory, and how does each look?"""
    rows = (line.partition("\t") for line in host.run(f"journalctl --sync; {MEMORY}").splitlines())
    kept = {path: looks for path, _, looks in rows}
    looks = (*kept.items(), *_overlay(host.differs))
    return {JOURNAL.sub("journal", MACHINE.sub("/MACHINE", path)): one for path, one in looks}


def _overlay(upper: Path) -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(upper):
        for name in (*folders, *names):
            path = f"{folder}/{name}"
            try:
                one = os.lstat(path)
            except FileNotFoundError:
                continue
            looks = f"{one.st_mode:o} {one.st_uid}:{one.st_gid} {one.st_size} {one.st_ino} {one.st_ctime_ns}"
            yield path.removeprefix(str(upper)), looks


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Which came, went, or look otherwise?"""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def held(host: Host) -> set[str]:
    """What do kernel and systemd of the host hold? Line by line."""
    return set(host.run("; ".join(HELD), check=False).splitlines())
