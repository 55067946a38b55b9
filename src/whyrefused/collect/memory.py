"""How much memory do many threads leave behind? glibc has a heap for each few of them, and keeps what is free in it.

That is a quarter of a run's memory. Other C libraries have other ways, and are left to them.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

ARENA_MAX = -8  # malloc.h: M_ARENA_MAX
HEAPS = 2
"""Python runs one thread at a time: more heaps are never needed at once."""


def few_heaps() -> None:
    """Let the threads that are started from now on share their heaps (mallopt(3))."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, HEAPS)


def give_back() -> None:
    """Give the kernel what threads that have ended have left (malloc_trim(3))."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
