"""What does the page say of a finding, in which order do they stand? No markup here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from whyrefused.escape import slug
from whyrefused.report.findings import NOT_ASKED, cause_ids
from whyrefused.report.packed import LENGTH, LINES, cut
from whyrefused.report.totals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.records import Finding, Line, Result, Ruling, Run

    Causes = Mapping[str, tuple[str, str]]

UNDETERMINED = "undetermined"
UNDETERMINED_TITLE = "Not determined"
NAMED = 20
"""How many of the items that it explains a finding names."""
FULL, BRIEF = 200, 2_000
"""So many findings, the widest, are told with the reason of each cause that answered; so many with their evidence, fix
and verification. What is beyond has a title, its reach and the first step; findings.json has all of it."""
EVIDENCE = 6_000_000
"""How many characters of evidence all findings together show."""


class Budget:
    """How much more evidence may a part of the page show?"""

    def __init__(self, left: int) -> None:
        self._left = left

    def grant(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Which of these lines still fit?"""
        shown = lines[:LINES] if self._left > 0 else ()
        self._left -= sum(min(len(it.line), LENGTH) for it in shown)
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive lines of evidence with one host and one source."""

    host: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line of a differential."""

    cause: str
    title: str
    manual: str  # anchor of its paragraph, "" when there is none
    ruling: Ruling
    evidence: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One finding as the page shows it."""

    anchor: str
    told: str  # full, brief or short
    finding: Finding
    title: str  # its cause in words
    manual: str
    radius: str
    named: tuple[str, ...]  # the first of the items it explains, in words
    unnamed: int
    evidence: tuple[Block, ...]
    more: int  # lines of evidence that are not shown
    answers: tuple[Answer, ...]

    def ruled(self, answer: str) -> list[Answer]:
        """Which causes answered so?"""
        return [it for it in self.answers if it.ruling.answer == answer]

    @property
    def hidden(self) -> list[Answer]:
        """Which causes could not be looked at behind this one?"""
        return [it for it in self.answers if it.cause in self.finding.hides]

    @property
    def others(self) -> list[Answer]:
        """Which other causes are proven too, and hidden by this one?"""
        return [it for it in self.ruled("proven") if it.cause != self.finding.cause]


def cards(run: Run, results: Iterable[Result], causes: Causes) -> list[Card]:
    """The findings, widest first and the undetermined last. `results` are sorted as the page lists them."""
    wanted = {id_ for finding in run.findings for id_ in finding.explains}
    places: dict[str, tuple[int, Result]] = {it.id: (at, it) for at, it in enumerate(results) if it.id in wanted}
    ordered = sorted(run.findings, key=lambda it: (it.cause == UNDETERMINED, -len(it.explains), it.id))
    budget = Budget(EVIDENCE)
    return [
        _card(it, places, causes, budget, "full" if at < FULL else "brief" if at < BRIEF else "short")
        for at, it in enumerate(ordered)
    ]


def _card(
    finding: Finding, places: Mapping[str, tuple[int, Result]], causes: Causes, budget: Budget, told: str
) -> Card:
    explained = [it for _, it in sorted((places[it] for it in finding.explains if it in places), key=lambda it: it[0])]
    names = [f"{it.host} · {it.check} · {it.subject}" for it in explained[:NAMED]]
    names += sorted(it for it in finding.explains if it not in places)[: NAMED - len(names)]
    none = Budget(0)
    evidence, more = blocks(finding.evidence, none if told == "short" else budget)
    reach = len({it.host for it in explained})
    return Card(
        anchor=slug("finding", finding.id),
        told=told,
        finding=finding,
        title=_called(finding.cause, causes),
        manual=_manual(finding.cause, causes),
        radius=f"{counted(len(finding.explains), 'item')} on {counted(reach, 'host')}",
        named=tuple(names),
        unnamed=len(finding.explains) - len(names),
        evidence=evidence,
        more=more,
        answers=tuple(
            _answer(it, finding.differential.get(it, NOT_ASKED), causes, budget if told == "full" else none)
            for it in cause_ids()
        ),
    )


def _answer(cause: str, ruling: Ruling, causes: Causes, budget: Budget) -> Answer:
    return Answer(
        cause=cause,
        title=_called(cause, causes),
        manual=_manual(cause, causes),
        ruling=ruling,
        evidence=blocks(ruling.evidence, budget)[0],
    )


def blocks(lines: Sequence[Line], budget: Budget) -> tuple[tuple[Block, ...], int]:
    """Evidence as blocks under one heading each, and how many lines are left out."""
    shown = budget.grant(lines)
    made = tuple(
        Block(host=host, source=source, text="\n".join(cut(it.line) for it in same))
        for (host, source), same in groupby(shown, key=lambda it: (it.host, it.source))
    )
    return made, len(lines) - len(shown)


def _called(cause: str, causes: Causes) -> str:
    return UNDETERMINED_TITLE if cause == UNDETERMINED else causes[cause][0] if cause in causes else cause


def _manual(cause: str, causes: Causes) -> str:
    return slug("cause", cause) if cause in causes else ""


def ordered(causes: Causes) -> list[str]:
    """The documented order, then whatever else is given."""
    return [*(it for it in cause_ids() if it in causes), *sorted(set(causes) - set(cause_ids()))]
