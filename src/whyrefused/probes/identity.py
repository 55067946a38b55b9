"""Which machine answered, and as whom were we there?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, whole

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "uname -n; id -u; cat /proc/sys/kernel/random/boot_id; date +%s"
SECONDS = 5
BYTES = 4096
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ("proxy",)
RUNS = (
    _rights.run("uname -n", "the host's name, where /proc does not tell it"),
    _rights.run("id -u", "who logged in, where /proc does not tell it"),
    _rights.run("date +%s", "how far its clock is off, where no bus has told the time"),
)
READS = {
    "/etc/os-release": "which distribution",
    "/proc/sys/kernel/hostname": "the host's name",
    "/proc/self/status": "who logged in",
    "/proc/sys/kernel/random/boot_id": "which boot",
}

RIGHTS = frozenset({"all", "list", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A host's own word on who it is."""

    hostname: str
    uid: int  # of the login; 0 is root
    boot: str  # changes with every boot; empty where /proc does not tell
    os: str = ""  # ID= of os-release(5): debian, fedora, …
    visitor: str = ""  # the address that our SSH connection came from, as the host sees it
    reached: str = ""  # the host's own address that it came to
    rights: str = ""  # all, list or none: what sudo permits; empty where it was not asked
    visitor_port: int = 0  # the ports of both ends; 0 where the evidence does not say
    port: int = 0
    clock: int = 0  # its own time, seconds since 1970; 0 where the evidence does not say


# Built-in commands only, but where /proc is not there, or `proxy` has not just been told the time by the bus.
WHO = r"""
h=; read -r h </proc/sys/kernel/hostname
u=; while read -r k a b c; do case $k in Uid:) u=$b; break ;; esac; done </proc/self/status
b=; read -r b </proc/sys/kernel/random/boot_id
i=; [ ! -r /etc/os-release ] || while read -r l || [ "$l" ]; do case $l in ID=*) i=${l#ID=}; break ;; esac; done \
  </etc/os-release
case $i in \"*|\'*) i=${i#?}; i=${i%?} ;; esac
"""
KNOWN = r"""
case ${seen_proxy-} in *"
clock	"[0-9]*) c=${seen_proxy##*"
clock	"}; c=${c%%[!0-9]*} ;; *) return 1 ;; esac
[ "$h" ] && [ "$u" ] && told="$h
$u
$b
$i
$SSH_CONNECTION
$M
$c
"
"""
ASK = r"""
[ "$h" ] || h=$(uname -n); [ "$u" ] || u=$(id -u); printf '%s\n' "$h" "$u" "$b" "$i" "$SSH_CONNECTION" "$M"; date +%s
"""


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks a host who it is?"""
    return f"{WHO}{ASK}"


def known(_asked: tuple[str, ...]) -> str:
    """Which shell text knows it?"""
    return f"{WHO}{KNOWN}"


def parse(frame: Frame) -> Identity:
    """Who is it? Lines: node name, user id, boot id, os-release ID, SSH_CONNECTION of sshd(8), rights, time."""
    lines = [*frame.text.split("\n"), "", "", "", "", "", "", ""]
    uid = whole(lines[1])
    if not lines[0] or uid is None:
        raise Unreadable(f"uname -n; id -u: not understood: {frame.text[:80]!r}")
    visitor, theirs, reached, ours = [*lines[4].split(), "", "", "", ""][:4]
    return Identity(
        hostname=lines[0], uid=uid, boot=lines[2], os=lines[3], visitor=_address(visitor), reached=_address(reached),
        rights=lines[5] if lines[5] in RIGHTS else "", visitor_port=whole(theirs) or 0, port=whole(ours) or 0,
        clock=whole(lines[6]) or 0,
    )  # fmt: skip


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""
