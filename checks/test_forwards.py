"""forwards: a port of a router leads to the declared host and port, is let through, and somebody answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whyrefused.facts.nat import forwards
from whyrefused.records import LATER, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.facts.nat.forwards import Forwarded
    from whyrefused.plan.keys.forwards import ForwardItem
    from whyrefused.records import Line


def look(declared: ForwardItem, evidence: Evidence) -> Seen:
    """Where does the router send it, and does the target answer? Where a client connects, that it does is enough."""
    if declared.protocol == "udp":
        pytest.skip(f"{LATER} over UDP: {declared.wanted}")
    found = forwards.judged(evidence, declared)
    dial = found.dial if found.unanswered else None
    return Seen(
        value=found, said="; ".join(_words(found)), lines=tuple(_lines(evidence, declared, found)),
        symptom=dial.symptom if dial else None,
    )  # fmt: skip


def _words(found: Forwarded) -> list[str]:
    told = [found.way.because] if found.way else ["a declared client connects; where it ends cannot be seen"]
    if found.unanswered and found.dial:
        told.append(f"where nobody answers: {found.dial.lines[-1]}")
    return told + ([found.back.because] if found.back and found.back.sane is False else [])


def _lines(evidence: Evidence, declared: ForwardItem, found: Forwarded) -> list[Line]:
    router = evidence[declared.host]
    source = f"connect({declared.target}:{declared.target_port})"
    dialled = [router.line(source, line) for line in found.dial.lines] if found.dial else []
    return [
        *(found.way.lines if found.way else ()), *found.outside, *dialled, *(found.back.lines if found.back else ()),
    ]  # fmt: skip


def test_forwards(declared: ForwardItem, seen: Seen) -> None:
    """It leads to the declared host and port, the target answers, and its answers come back."""
    assert seen.value.way is None or seen.value.way.right, declared.wanted
    assert seen.value.answered, declared.wanted
    assert seen.value.back is None or seen.value.back.sane is not False, declared.wanted
