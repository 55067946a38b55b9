"""What can be loaded on a host at once, and how is it loaded?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import iptables_rules, nft_rules
from .packets import Connection, connections
from .words import chance, pick

if TYPE_CHECKING:
    from .rig import Rig
    from .words import Draw

REFUSED = re.compile(r"/dev/stdin:(\d+)[:-]|[Ll]ine:? (\d+)")
MOST_REFUSED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One text for one command."""

    command: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Rules, and the connections to try through them."""

    loads: tuple[Load, ...]
    connections: tuple[Connection, ...]


def case(draw: Draw, count: int) -> Case:
    """Rules of one or more commands, and so many connections."""
    mode = pick(draw, ("nft", "nft", "nft", "iptables", "both"))
    loads = []
    if mode != "iptables":
        loads.append(Load(command=("nft", "-f", "/dev/stdin"), text=nft_rules.ruleset(draw)))
    if mode != "nft":
        loads.append(Load(command=("ipset", "restore"), text=iptables_rules.SETS))
        backend = "legacy" if chance(draw, 20) else "nft"
        for version in (4, 6):
            name = "iptables" if version == 4 else "ip6tables"
            text = iptables_rules.ruleset(draw, version)
            loads.append(Load(command=(f"{name}-{backend}-restore",), text=text))
    # What comes from the server and is led to the server would not come back through the host.
    hairpin = any("dnat" in one.text.lower() for one in loads)
    return Case(loads=tuple(loads), connections=tuple(connections(draw, count, beyond=not hairpin)))


def install(rig: Rig, loads: tuple[Load, ...]) -> tuple[Load, ...]:
    """Load these rules instead of all others; what was taken of them? Lines that a command refuses are left out."""
    rig.reset()
    taken = (_taken(rig, one) for one in loads)
    return tuple(one for one in taken if one is not None)


def _taken(rig: Rig, one: Load) -> Load | None:
    lines = one.text.splitlines()
    for _ in range(MOST_REFUSED):
        text = "\n".join(lines) + "\n"
        said = rig.load(one.command, text)
        if not said:
            return Load(command=one.command, text=text)
        found = REFUSED.search(said)
        number = int(found[1] or found[2]) if found else 0
        if not 0 < number <= len(lines):
            return None
        del lines[number - 1]
    return None
