"""What decides on which address a program listens that leaves it to the host?

A program that binds to the host's own name listens on what /etc/hosts gives it; one that binds to `::` and says nothing
of IPv4 takes it or not as net.ipv6.bindv6only says (ipv6(7)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights

if TYPE_CHECKING:
    from whyrefused.records import Frame

HOSTS, SYSCTL = "/etc/hosts", "sysctl net.ipv6.bindv6only"
SOURCE = f"cat {HOSTS}; {SYSCTL}"
SECONDS = 5
BYTES = 65536
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS: tuple[_rights.Run, ...] = ()
READS = {
    "/etc/hosts": "what the host's own name means",
    "/proc/sys/net/ipv6/bindv6only": "whether :: takes IPv4",
}

# Built-in commands only: nothing is started. A file of /proc/sys gives all it has to the first read(2): dash, which
# reads byte by byte, comes to its end before that of the line, so `read` fails with the value in the variable.
ASK = r"""
told=; v=; read v </proc/sys/net/ipv6/bindv6only; [ -z "$v" ] || told="bindv6only	$v
"
[ ! -r /etc/hosts ] || while read -r a r || [ "$a" ]; do
  case $a in 127.*) told="${told}hosts	$a	$r
" ;; esac
done </etc/hosts
told="${told}end
"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One line of /etc/hosts that names a loopback address."""

    address: str
    names: tuple[str, ...]
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a host says of addresses that are left to it."""

    v6only: bool | None  # net.ipv6.bindv6only; None where the host has no IPv6
    loopback: tuple[Own, ...]


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for it?"""
    return f'{ASK}printf %s "$told"'


def known(_asked: tuple[str, ...]) -> str:
    """Which shell text has the answer?"""
    return ASK


def parse(frame: Frame) -> Binding:
    """What does the host say? Without its last line it was not read to the end: `Unreadable`."""
    rows = [line.split("\t") for line in frame.text.split("\n") if line]
    if ["end"] not in rows:
        raise Unreadable(f"{SOURCE}: not read to the end")
    values = [row[1] for row in rows if row[0] == "bindv6only" and len(row) > 1]
    return Binding(
        v6only=values[0] == "1" if values else None,
        loopback=tuple(
            Own(
                address=row[1],
                names=tuple(row[2].partition("#")[0].lower().split()),
                line=" ".join(f"{row[1]} {row[2]}".split()),
            )
            for row in rows
            if row[0] == "hosts" and len(row) == 3  # noqa: PLR2004 - kind, address, names
        ),
    )
