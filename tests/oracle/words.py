"""How does a grammar choose?

Every choice is a number between two others. hypothesis makes them where a failure shall become small by itself; plain
dice make them in long runs, where hypothesis repeats itself: of 200 rulesets that it made from one seed 110 differed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    import random

Draw = Callable[[int, int], int]
"""Gives a number from the first to the second, both included; hypothesis goes towards the first."""
T = TypeVar("T")


def by_hypothesis(data: st.DataObject) -> Draw:
    """Who makes choices that shrink?"""
    return lambda low, high: data.draw(st.integers(low, high))


def by_dice(rng: random.Random) -> Draw:
    """Who makes choices that are all alike likely?"""
    return rng.randint


def pick(draw: Draw, options: Sequence[T]) -> T:
    """One of these; the first where hypothesis makes things simple."""
    return options[draw(0, len(options) - 1)]


def chance(draw: Draw, percent: int) -> bool:
    """True this often."""
    return draw(0, 99) >= 100 - percent


def some(draw: Draw, options: Sequence[T], count: int) -> list[T]:
    """Different ones of these."""
    left = list(options)
    return [left.pop(draw(0, len(left) - 1)) for _ in range(count)]
