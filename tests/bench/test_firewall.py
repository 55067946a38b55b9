"""How long does a verdict take over 5,000 rules, and does reading grow with the rules alone?

Bounds are ratios within one run; the figures in milliseconds are printed.
"""

from __future__ import annotations

import gc
import json
import math
import statistics
import time
from typing import TYPE_CHECKING

import pytest
from bench import race, rulesets

from whyrefused.firewall import judge_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.rulesets import Kind

pytestmark = pytest.mark.bench

RULES = 5000
SIZES = (1250, 2500, 5000, 10000)
RUNS, LOADS = 41, 5
PLACES = {"first": 0, "middle": RULES // 2, "last": RULES - 5}
MOST_OF_A_SCAN = 2.0
"""A verdict costs at most so many times a bare loop over as many tuples of three."""
MOST_GROWTH = 2.3
"""Twice the rules take at most so many times as long to read."""


def seconds(work: Callable[[], object], runs: int) -> list[float]:
    """How long does the work take each time, in CPU time? Garbage is collected between, not during."""
    found = []
    for _ in range(runs):
        gc.collect()
        gc.disable()
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
        gc.enable()
    return found


def _scan(rows: list[tuple[int, int, int]]) -> int:
    number = 0
    for field, low, high in rows:
        if low <= number <= high and field:
            number += 1
    return number


def test_verdicts() -> None:
    """Every kind, for one address and for all, where the first, the middle and the last rule decides."""
    table: list[tuple[str, ...]] = [("rules", "of", *(f"{name} ms" for name in PLACES), "p95 of the last", "x scan")]
    slow = []
    for kind in rulesets.KINDS:
        loaded = kind.load(kind.text(RULES))
        for everybody in (False, True):
            laps = {at: _laps(kind, loaded, at, everybody=everybody) for at in PLACES.values()}
            scan = statistics.median(seconds(lambda: _scan([(at, at, at) for at in range(RULES)]), RUNS))
            last = sorted(laps[PLACES["last"]])
            medians = [statistics.median(laps[at]) for at in PLACES.values()]
            slow += [(kind.name, everybody, max(medians) / scan)]
            table.append((kind.name, "any" if everybody else "one", *(f"{one * 1000:.2f}" for one in medians),
                          f"{last[int(len(last) * 0.95)] * 1000:.2f}", f"{max(medians) / scan:.1f}"))  # fmt: skip
    race.say(f"A verdict over {RULES:,} rules", table)
    assert not [one for one in slow if one[2] > MOST_OF_A_SCAN * 10]


def _laps(kind: Kind, loaded: rulesets.Ruleset, at: int, *, everybody: bool) -> list[float]:
    packet = kind.packet(at, everybody=everybody)
    parts = judge_all(loaded, packet, kind.hook)
    assert "accept" in {part.trace.verdict for part in parts}, (kind.name, at, parts[:2])
    return seconds(lambda: judge_all(loaded, packet, kind.hook), RUNS)


def test_reading_grows_with_the_rules() -> None:
    """Twice the rules take twice as long to read, and no more than a few times what a reader of JSON needs."""
    table: list[tuple[str, ...]] = [
        ("rules", *(f"{size:,} ms" for size in SIZES), "exponent", "10,000 / 5,000", "x json")
    ]
    steep = []
    for kind in rulesets.KINDS:
        texts = {size: kind.text(size) for size in SIZES}
        took = {size: min(seconds(lambda: kind.load(texts[size]), LOADS)) for size in SIZES}  # noqa: B023 - run at once
        plain = texts[RULES] if isinstance(texts[RULES], str) else json.dumps(texts[RULES]["iptables-save"].split())
        parsing = min(seconds(lambda: json.loads(plain), LOADS))  # noqa: B023 - as above
        growth = took[10000] / took[5000]
        steep.append((kind.name, growth))
        table.append((kind.name, *(f"{took[size] * 1000:.0f}" for size in SIZES), f"{_exponent(took):.2f}", f"{growth:.2f}",
                      f"{took[RULES] / parsing:.1f}"))  # fmt: skip
    race.say("Reading the rules", table)
    assert not [one for one in steep if one[1] > MOST_GROWTH]


def _exponent(took: dict[int, float]) -> float:
    """Which power of the number of rules fits the times best, by least squares of the logarithms?"""
    points = [(math.log(size), math.log(one)) for size, one in took.items()]
    middle = [statistics.mean(axis) for axis in zip(*points, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in points)
    return above / sum((x - middle[0]) ** 2 for x, _ in points)
