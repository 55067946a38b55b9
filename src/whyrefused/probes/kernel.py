"""Which limits has the kernel for connections and files, how much of each is used, and are local ports left?

Rows: `FILE:VALUE` as grep(1) prints the files of /proc/sys, `local PORTS ADDRESS:PORT` for each peer towards which many
of the local ports are taken, `local PORTS *` for all that are (only where there are sockets enough), and `end`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "sysctl"
SECONDS = 10
BYTES = 262144
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("grep -sH", "the settings"),
    _rights.run("ss -H -t -a -n", "who holds the local ports, where half of them are taken"),
    _rights.run("awk", "counts them"),
)
READS = {
    "/proc/sys/fs/file-nr": "open files",
    "/proc/sys/net/core/somaxconn": "limit of a queue",
    "/proc/sys/net/ipv4/*": "limits of TCP",
    "/proc/sys/net/netfilter/nf_conntrack_*": "the table of connections",
    "/proc/net/sockstat": "how many sockets",
    "/proc/net/sockstat6": "how many sockets",
}

SYS = "/proc/sys/"
FILES = (
    "fs/file-nr", "net/core/somaxconn", "net/ipv4/tcp_max_syn_backlog", "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_abort_on_overflow", "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports",
    "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max",
)  # fmt: skip

# A file of /proc/sys with numbers gives them to the first read only, and some shells read byte by byte: grep does it.
ASK = r"""
g=$(grep -sH . {files}); printf '%s\n' "$g"; u=0
set -- ${{g##*ip_local_port_range:}}; l=${{1:-1}}; h=${{2:-65535}}
sum() {{ while read -r a b c d e f g i; do case $a in TCP:|TCP6:) u=$((u + c + ${{g:-0}})) ;; esac; done; }}
sum </proc/net/sockstat; [ ! -r /proc/net/sockstat6 ] || sum </proc/net/sockstat6
case $g in *ip_local_reserved_ports:*) u=$h ;; esac
[ $((u * 2)) -lt $((h - l + 1)) ] || ss -H -t -a -n | awk -v l="$l" -v h="$h" '
  {{ p = $4; sub(/.*:/, "", p); if (p + 0 < l + 0 || h + 0 < p + 0) next }}
  !t[p]++ {{ n++ }}
  $1 != "LISTEN" && !s[p, $5]++ {{ c[$5]++ }}
  END {{ print "local", n + 0, "*"; for (a in c) if (h - l + 1 <= c[a] * 8) print "local", c[a], a }}'
for f in {files}; do case $g in *"$f:"*) ;; *) [ ! -e "$f" ] || echo "unread $f" ;; esac; done
echo end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The limits of a host's kernel."""

    values: Mapping[str, str]  # by the path below /proc/sys; what the kernel does not have is not there
    local: Mapping[str, int]  # local ports that are taken, by `ADDRESS PORT` of the peer, and `*` for any
    unread: tuple[str, ...] = ()  # what the kernel has and the login could not read

    def number(self, path: str, at: int = 0) -> int | None:
        """Which number stands there? None where the kernel does not have it."""
        words = self.values.get(path, "").split()
        return whole(words[at]) if len(words) > at else None

    def said(self, path: str) -> str:
        """How did the host say it?"""
        return f"{SYS}{path}:{' '.join(self.values[path].split())}"

    @property
    def tracks(self) -> bool:
        """Are connections tracked, in a table that can be full?"""
        return self.number("net/netfilter/nf_conntrack_max") is not None


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for the kernel's limits?"""
    return ASK.format(files=" ".join(f"{SYS}{name}" for name in FILES))


def parse(frame: Frame) -> Kernel:
    """Which limits? Where not even those are told that every kernel has, nothing was looked at."""
    lines = [line for line in frame.text.split("\n") if line.strip()]
    found = [line.removeprefix(SYS).partition(":") for line in lines if line.startswith(SYS)]
    values = {path: value for path, _, value in found}
    if not lines or lines[-1] != "end" or not {"fs/file-nr", "net/ipv4/ip_local_port_range"} <= values.keys():
        raise Unreadable(f"/proc/sys could not be read: {frame.text.strip()[:120]}")
    unread = tuple(line.removeprefix(f"unread {SYS}") for line in lines if line.startswith(f"unread {SYS}"))
    local = dict(_peer(line) for line in lines if line.startswith("local "))
    return Kernel(values=values, local=local, unread=unread)


def _peer(line: str) -> tuple[str, int]:
    """`local 4 198.51.100.1:80`, `local 4 [::ffff:198.51.100.1]:80`"""
    try:
        _, count, where = line.split()
        if where == "*":
            return where, whole(count) or 0
        address, _, port = where.rpartition(":")
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0].rstrip("]"))
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        numbers = [number for number in map(whole, (port, count)) if number is not None]
        return f"{mapped or found} {numbers[0]}", numbers[1]
    except (ValueError, IndexError) as error:
        raise Unreadable(f"ss -Htan: not understood: {line[:120]!r}") from error
