"""How often does Python look for garbage in a run? Seldom: nearly all that is loaded, read and judged stays.

Its own thresholds have it go through everything again and again while a run grows, for a tenth of the whole time.
"""

from __future__ import annotations

import gc

SELDOM = (50_000, 50, 100)
"""As in gc.set_threshold: garbage in circles is at most some ten thousand records."""

_before: list[tuple[int, int, int]] = []


def seldom() -> None:
    """From now on, look for it seldom."""
    if not _before:
        _before.append(gc.get_threshold())
        gc.set_threshold(*SELDOM)


def as_before() -> None:
    """From now on, look for it as often as before."""
    if _before:
        gc.set_threshold(*_before.pop())
