"""Which few lines of a ruleset make a verdict and the kernel disagree?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .rulesets import Load, install

if TYPE_CHECKING:
    from .compare import Compared, Prober


def smallest(prober: Prober, loads: tuple[Load, ...], found: Compared) -> dict[str, Any]:
    """Which case is left when every line that can go is gone? Rules, what the host prints, connection, answer."""
    for size in (24, 12, 6, 3, 1, 1):
        for at in range(len(loads)):
            loads, found = _without(prober, loads, at, size, found)
    for at in reversed(range(len(loads))):
        shorter = (*loads[:at], *loads[at + 1 :])
        still = _disagrees(prober, shorter, found) if shorter else None
        if still:
            loads, found = shorter, still
    install(prober.rig, loads)
    listed, saves = prober.rig.texts()
    return {
        "loads": [{"command": list(one.command), "text": one.text} for one in loads],
        "connection": asdict(found.connection),
        "answer": found.answer,
        "verdict": found.trip.verdict,
        "how": found.trip.how,
        "why": found.trip.why,
        "redirected": found.trip.there.redirected,
        "there": found.trip.there.verdict,
        "back": found.trip.back and found.trip.back.verdict,
        "steps": [
            f"{step.place}: {step.rule}"
            for trace in (found.trip.there, found.trip.back)
            for step in (trace.steps if trace else ())
        ],
        "nft": _plain(listed),
        "saves": {name: text for name, text in saves.items() if text.strip()},
    }


def _plain(listed: str) -> str:
    document = json.loads(listed)
    document["nftables"] = [one for one in document["nftables"] if "metainfo" not in one]
    return json.dumps(document)


def _without(
    prober: Prober, loads: tuple[Load, ...], at: int, size: int, found: Compared
) -> tuple[tuple[Load, ...], Compared]:
    """Which loads are left when as many lines as can go are taken from one of them, so many at a time?"""
    lines, start = loads[at].text.splitlines(), 0
    while start < len(lines):
        left = lines[:start] + lines[start + size :]
        shorter = (*loads[:at], Load(command=loads[at].command, text="\n".join(left) + "\n"), *loads[at + 1 :])
        still = _disagrees(prober, shorter, found)
        if still:
            loads, found, lines = shorter, still, left
        else:
            start += size
    return loads, found


def _disagrees(prober: Prober, loads: tuple[Load, ...], found: Compared) -> Compared | None:
    prober.rig.reset()
    if any(prober.rig.load(one.command, one.text) for one in loads):
        return None
    (again,) = prober.compare([found.connection])
    return None if again.agrees else again
