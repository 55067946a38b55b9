"""How long does a verdict take over 5,000 rules, and does reading grow with the rules alone?

Bounds are ratios within one run; the figures in milliseconds are printed.
"""

from __future__ import annotations

import gc
import json
import math
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from bench import race, rulesets

from whyrefused.firewall import judge_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.rulesets import Kind

    from whyrefused.firewall import Ruleset

pytestmark = pytest.mark.bench

RULES = 5000
SIZES = (1250, 2500, 5000, 10000)
RUNS, LOADS = 21, 5
PLACES = {"first": 0, "middle": RULES // 2, "last": RULES - 5}
MOST = {"one": 0.4, "any": 0.6}
"""A verdict takes at most so much of the time in which `json.loads` reads 5,000 rules of nft."""
MANY_PARTS = "nft, sets and a verdict map"
"""Its answer for `any` alone has 10,000 parts, and is held to nothing."""
MOST_GROWTH = 2.3
"""Twice the rules take at most so many times as long to read."""


def seconds(*works: Callable[[], object], runs: int) -> list[list[float]]:
    """How long does each of the works take, by turns, in CPU time? Garbage is collected before and after."""
    found: list[list[float]] = [[] for _ in works]
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(runs):
        for work, laps in zip(works, found, strict=True):
            start = time.process_time()
            work()
            laps.append(time.process_time() - start)
    gc.enable()
    gc.unfreeze()
    return found


def test_verdicts() -> None:
    """Every kind, for one address and for all, where the first, the middle and the last rule decides."""
    table: list[tuple[str, ...]] = [("rules", "of", *(f"{name} ms" for name in PLACES), "p95 of the slowest", "x json")]
    text = rulesets.nft_flat(RULES)
    slow = []
    for kind in rulesets.KINDS:
        loaded = kind.load(kind.text(RULES))
        for who, most in MOST.items():
            works = [_verdict(kind, loaded, at, everybody=who == "any") for at in PLACES.values()]
            *laps, parsing = seconds(*works, lambda: json.loads(text), runs=RUNS)
            medians = [statistics.median(each) for each in laps]
            worst = laps[medians.index(max(medians))]
            ratio = max(medians) / statistics.median(parsing)
            if ratio > most and (kind.name, who) != (MANY_PARTS, "any"):
                slow.append((kind.name, who, ratio))
            table.append((kind.name, who, *(f"{one * 1000:.2f}" for one in medians),
                          f"{sorted(worst)[int(RUNS * 0.95)] * 1000:.2f}", f"{ratio:.2f}"))  # fmt: skip
    race.say(f"A verdict over {RULES:,} rules", table)
    assert not slow


def _verdict(kind: Kind, loaded: Ruleset, at: int, *, everybody: bool) -> Callable[[], object]:
    packet = kind.packet(at, everybody=everybody)
    parts = judge_all(loaded, packet, kind.hook)
    assert "accept" in {part.trace.verdict for part in parts}, (kind.name, at, parts[:2])
    return lambda: judge_all(loaded, packet, kind.hook)


def test_reading_grows_with_the_rules() -> None:
    """Twice the rules take about twice as long to read."""
    head = ("rules", *(f"{size:,} ms" for size in SIZES), "exponent", "10,000 / 5,000", "5,000 x json")
    table: list[tuple[str, ...]] = [head]
    text, steep = rulesets.nft_flat(RULES), []
    for kind in rulesets.KINDS:
        works = [partial(kind.load, kind.text(size)) for size in SIZES]
        best = [min(laps) for laps in seconds(*works, lambda: json.loads(text), runs=LOADS)]
        took = dict(zip(SIZES, best, strict=False))
        growth = took[10000] / took[5000]
        if growth > MOST_GROWTH:
            steep.append((kind.name, growth))
        table.append((kind.name, *(f"{one * 1000:.0f}" for one in took.values()), f"{_exponent(took):.2f}",
                      f"{growth:.2f}", f"{took[RULES] / best[-1]:.1f}"))  # fmt: skip
    race.say("Reading the rules", table)
    assert not steep


def _exponent(took: dict[int, float]) -> float:
    """Which power of the number of rules fits the times best, by least squares of the logarithms?"""
    points = [(math.log(size), math.log(one)) for size, one in took.items()]
    middle = [statistics.mean(axis) for axis in zip(*points, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in points)
    return above / sum((x - middle[0]) ** 2 for x, _ in points)
