"""How does the time that a function takes grow with its input? Told as a ratio, whatever else the machine does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Given = TypeVar("Given")

SMALL, TIMES = 32_768, 8
LINEAR = 4 * TIMES
"""Below this ratio time grows with the input; what grows with its square takes 64 times as long for 8 times as much."""
NOISE = 0.005
"""Seconds below which nothing can be told."""


def growth(function: Callable[[Given], object], make: Callable[[int], Given]) -> float:
    """How many times as long does it take for eight times as much? The least of three each, in processor time."""
    least = {}
    for size in (SMALL, SMALL * TIMES):
        given = make(size)
        least[size] = min(_seconds(function, given) for _ in range(3))
    return least[SMALL * TIMES] / max(least[SMALL], NOISE)


def _seconds(function: Callable[[Given], object], given: Given) -> float:
    start = time.thread_time()
    function(given)
    return time.thread_time() - start
