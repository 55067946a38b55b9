"""What one end sees of a path while it is dialled: the rows that remote/sight.py prints, for `burst` and `watch`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.probes import Unreadable, _remote, failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv6Address

    from whyrefused.records import Frame

WATCHED = 5.5
"""Seconds that both ends look: a visit's start is not the other's, and a burst may wait 2.5 s for its answers."""
BURST, CONTROL = 12, 5
"""Connects to the port, and to a closed one: as remote/sight.py has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """Packets of one kind that passed one end."""

    way: Literal["in", "out"]
    kind: str  # SYN, SYN-ACK, RST, ICMP-TYPE/CODE
    ttl: int
    sender: str
    count: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one end saw of a path."""

    burst: Mapping[str, int]  # errno's name or ok -> how many connects to the port; empty at the server
    control: Mapping[str, int]  # the same of the closed port
    packets: tuple[Packet, ...] | None  # None where the login may not look at packets

    def passed(self, way: str, kind: str) -> int:
        """How many packets of this kind came in or went out?"""
        return sum(one.count for one in self.packets or () if (one.way, one.kind) == (way, kind))


def path(client: IPv4Address | IPv6Address | str, server: IPv4Address | IPv6Address, port: int) -> str:
    """How is a path named among what both ends are asked?"""
    return f"{client}/{server}/{port}"


def program(mode: str, arguments: str) -> str:
    """Which shell text runs remote/sight.py? Looking at packets takes root; without python3 there is only time."""
    run = f"python3 -ISBc {shlex.quote(_remote.program('sight.py'))} {mode} {WATCHED:g} {arguments}"
    waited = f"sleep {WATCHED:g}; printf 'lost\\tpython3 is not there\\n'"
    able = 'if [ "$S" ]; then'
    return f"if command -v python3 >/dev/null 2>&1; then {able} $S {run}; else {run}; fi; else {waited}; fi"


def read(frame: Frame, source: str, seconds: int) -> Mapping[str, Sight]:
    """What was seen of each path? Raises `Unreadable` where the look did not come to its end."""
    if frame.status != 0:
        raise Unreadable(failed(frame, source, seconds))
    rows = [line.split("\t") for line in frame.text.split("\n")]
    if ["seen"] not in rows and not any(row[0] == "lost" for row in rows):
        raise Unreadable(f"{source}: cut short")
    names = dict.fromkeys(row[0] for row in rows if len(row) > 1 and row[0].count("/") == 2)  # noqa: PLR2004 - a path
    return {name: _sight([row[1:] for row in rows if row[0] == name]) for name in names}


def _sight(rows: list[list[str]]) -> Sight:
    try:
        return Sight(
            burst={row[1]: int(row[2]) for row in rows if row[0] == "burst"},
            control={row[1]: int(row[2]) for row in rows if row[0] == "control"},
            packets=tuple(_packet(row[1:]) for row in rows if row[0] == "packet") if ["seen"] in rows else None,
        )
    except (ValueError, IndexError) as error:
        raise Unreadable(f"a second look: not understood: {rows[:1]!r:.120}") from error


def _packet(words: list[str]) -> Packet:
    way, kind, ttl, sender, count = words
    if way not in {"in", "out"}:
        raise ValueError(way)
    return Packet(
        way="in" if way == "in" else "out", kind=kind, ttl=int(ttl), sender=sender, count=int(count),
        line=f"{count} {kind} {way}, from {sender}, ttl {ttl}",
    )  # fmt: skip
