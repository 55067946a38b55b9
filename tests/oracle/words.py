"""How do strategies choose?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
T = TypeVar("T")


def pick(draw: Draw, options: Sequence[T]) -> T:
    """One of these; the first where hypothesis makes things simple."""
    found: T = options[draw(st.integers(0, len(options) - 1))]
    return found


def chance(draw: Draw, percent: int) -> bool:
    """True this often."""
    found: bool = draw(st.integers(0, 99)) >= 100 - percent
    return found


def some(draw: Draw, options: Sequence[T], count: int) -> list[T]:
    """Different ones of these."""
    left = list(options)
    return [left.pop(draw(st.integers(0, len(left) - 1))) for _ in range(count)]
