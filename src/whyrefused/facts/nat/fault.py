"""One thing that is wrong with routes or address translation, as a cause tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whyrefused.records import Line, Symptom


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong, where, and what mends it."""

    variant: str
    host: str
    subject: str
    because: str
    lines: tuple[Line, ...]
    fix: tuple[str, ...]
    verify: tuple[str, ...]
    symptoms: frozenset[Symptom] = frozenset()  # that it can make; empty: any
