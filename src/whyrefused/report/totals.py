"""How many of what does a run hold?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.records import LATER

if TYPE_CHECKING:
    from whyrefused.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The counts that head a report."""

    hosts: int
    items: int
    passed: int
    failed: int
    error: int
    skipped: int
    later: int  # those of the skipped that a later version will check
    findings: int

    @property
    def decided(self) -> int:
        """How many items have a verdict?"""
        return self.passed + self.failed


def totals(run: Run) -> Totals:
    """What are the counts of this run?"""
    outcomes = Counter(result.outcome for result in run.results)
    return Totals(
        hosts=len(run.hosts),
        items=len(run.results),
        passed=outcomes["passed"],
        failed=outcomes["failed"],
        error=outcomes["error"],
        skipped=outcomes["skipped"],
        later=sum(result.outcome == "skipped" and LATER in result.observed for result in run.results),
        findings=len(run.findings),
    )


def counted(number: int, noun: str) -> str:
    """How is so many of something said?

    >>> counted(1, "host"), counted(1200, "item")
    ('1 host', '1,200 items')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def outcomes(of: Totals) -> list[tuple[str, str]]:
    """How is the number of each outcome said?"""
    later = f" ({of.later:,} {LATER})" if of.later else ""
    return [
        ("passed", f"{of.passed:,} passed"),
        ("failed", f"{of.failed:,} failed"),
        ("error", counted(of.error, "error")),
        ("skipped", f"{of.skipped:,} skipped{later}"),
    ]


def summary(run: Run) -> str:
    """Which sentence closes the run?"""
    of = totals(run)
    start = "" if run.complete else "Incomplete: "
    listed = ", ".join(text for _, text in outcomes(of))
    return (
        f"{start}{counted(of.hosts, 'host')}, {counted(of.items, 'item')}: {listed}; {counted(of.findings, 'finding')}."
    )
