"""When was it? Moments as text, ISO 8601, UTC, to the second: those of one kind sort as they came."""

from __future__ import annotations

import datetime as dt


def now() -> str:
    """What time is it?"""
    return told(dt.datetime.now(dt.UTC))


def told(moment: dt.datetime) -> str:
    """How is this moment written?"""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def between(first: str, second: str) -> float:
    """How many seconds later is the second? Raises ValueError where one of them is no such moment.

    >>> between("2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z")
    1.0
    """
    return (_read(second) - _read(first)).total_seconds()


def _read(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if not text.endswith("Z") or told(moment) != text:
        raise ValueError(f"{text!r} is no moment as it is written here")
    return moment
