"""Which packets of a path come and go at this end, and what does the kernel count, while clients dial?

The second look at a path, at the server or a router: the client dials meanwhile (`burst`).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, _sight, failed, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes._sight import Sight
    from whyrefused.records import Frame

SOURCE = "cat /proc/net/snmp /proc/net/snmp6 /proc/net/netstat"
SECONDS = 12
BYTES = 131072
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.rooted("python3 -ISBc", "looks at the headers of these packets"),
    _rights.run("sleep", "waits, where python3 is not there"),
)
READS = {
    "/proc/net/snmp": "counters",
    "/proc/net/snmp6": "counters",
    "/proc/net/netstat": "counters",
}

COUNTED = ("TcpOutRsts", "IcmpOutDestUnreachs", "Icmp6OutDestUnreachs", "TcpExtListenOverflows", "TcpExtListenDrops",
           "TcpExtTCPReqQFullDrop", "TcpExtIPReversePathFilter")  # fmt: skip
"""What is kept of the kernel's counters; all are world-readable (proc_pid_net(5), net/ipv4/proc.c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What one end counted and saw meanwhile."""

    moved: Mapping[str, int]  # counter -> by how much; those that the kernel has
    paths: Mapping[str, Sight]  # by CLIENT/SERVER/PORT

    @property
    def line(self) -> str:
        """The counters that moved, in one line."""
        return " ".join(f"{name}+{count}" for name, count in self.moved.items() if count) or "no counter moved"


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text looks? Each argument is CLIENT/SERVER/PORT, all addresses literal."""
    counters = (
        'counters() { for f in snmp snmp6 netstat; do [ ! -r /proc/net/$f ] || while read -r l; do printf "%s\\t%s\\n" '
        '"$1" "$l"; done </proc/net/$f; done; }; counters before; '
    )
    return f"{counters}{_sight.program('watch', ' '.join(map(shlex.quote, asked)))}; counters after"


def parse(frame: Frame) -> Watch:
    """What moved, and which packets were seen? Both readings must be there."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    before, after = _counters(frame.text, "before"), _counters(frame.text, "after")
    if "TcpOutRsts" not in before or "TcpOutRsts" not in after:
        raise Unreadable(f"{SOURCE}: cut short")
    moved = {name: after[name] - before[name] for name in COUNTED if name in before and name in after}
    return Watch(moved=moved, paths=_sight.read(frame, SOURCE, SECONDS))


def _counters(text: str, when: str) -> dict[str, int]:
    """Pairs of lines `Tcp: NAME …`, `Tcp: NUMBER …`, and of snmp6 single lines `NAME NUMBER`."""
    found: dict[str, int] = {}
    heads: dict[str, list[str]] = {}
    for line in text.split("\n"):
        mark, _, words = line.partition("\t")
        fields = words.split()
        if mark != when or len(fields) < 2:  # noqa: PLR2004 - a name and a value
            continue
        group = fields[0].rstrip(":")
        if not fields[0].endswith(":"):
            found |= {fields[0]: number} if (number := whole(fields[1])) is not None else {}
        elif group not in heads:
            heads[group] = fields[1:]
        else:
            found |= {f"{group}{name}": number for name, value in zip(heads[group], fields[1:], strict=False)
                      if (number := whole(value)) is not None}  # fmt: skip
    return found
