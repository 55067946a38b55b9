"""What does the page show, in which order? The run as rows, cards and counts; no markup here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from whyrefused.report.escape import slug
from whyrefused.report.findings import NOT_ASKED, cause_ids
from whyrefused.report.totals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.records import Finding, Line, Result, Ruling, Run

    Causes = Mapping[str, tuple[str, str]]

UNDETERMINED = "undetermined"
UNDETERMINED_TITLE = "Not determined"
LINES = 40
"""How many lines of evidence one item or finding shows; findings.json has them all."""
LENGTH = 2_000
"""How many characters of one text the page shows."""
WORST_FIRST = {"failed": 0, "error": 1, "skipped": 2, "passed": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive lines of evidence with one host and one source."""

    host: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item of the table."""

    anchor: str
    result: Result
    host: int  # which entry of the host filter it belongs to
    cause: int  # which entry of the cause filter it belongs to
    title: str  # the cause in words, "" when no finding explains it
    finding: str  # anchor of that finding
    evidence: tuple[Block, ...]
    more: int  # lines of evidence that are not shown


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
    finding: Finding
    title: str  # its cause in words
    manual: str
    radius: str
    rows: tuple[Row, ...]
    unlisted: tuple[str, ...]  # ids it explains that this run has no result for
    evidence: tuple[Block, ...]
    more: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostItems:
    """One host and those of its items that need nobody's attention."""

    anchor: str
    index: int
    name: str
    groups: tuple[str, ...]
    rows: tuple[Row, ...]
    attention: int  # items of this host in the table above
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCount:
    """One line of the overview."""

    title: str
    manual: str
    findings: int
    items: int
    hosts: int


def laid_out(run: Run, causes: Causes, hosts: Sequence[str]) -> tuple[list[Card], list[Row]]:
    """The findings, widest first and the undetermined last; and every item, the worst first."""
    by_id = {it.id: it for it in run.findings}
    ranks = {cause: rank for rank, cause in enumerate([*ordered(causes), UNDETERMINED], 1)}
    places = {host: place for place, host in enumerate(hosts)}
    results = sorted(run.results, key=lambda it: (it.host, WORST_FIRST[it.outcome], it.check, it.subject, it.id))
    rows = [_row(it, by_id.get(it.finding or ""), causes, places[it.host], ranks) for it in results]
    by_result = {it.result.id: it for it in rows}
    cards = [_card(it, by_result, causes) for it in run.findings]
    cards.sort(key=lambda it: (it.finding.cause == UNDETERMINED, -len(it.finding.explains), it.finding.id))
    return cards, rows


def _row(result: Result, finding: Finding | None, causes: Causes, host: int, ranks: Mapping[str, int]) -> Row:
    evidence, more = _blocks(result.evidence)
    return Row(
        anchor=slug("item", result.id),
        result=result,
        host=host,
        cause=ranks.get(finding.cause, 0) if finding else 0,
        title=_called(finding.cause, causes) if finding else "",
        finding=slug("finding", finding.id) if finding else "",
        evidence=evidence,
        more=more,
    )


def _card(finding: Finding, by_result: Mapping[str, Row], causes: Causes) -> Card:
    explained = sorted(finding.explains)
    rows = tuple(by_result[it] for it in explained if it in by_result)
    evidence, more = _blocks(finding.evidence)
    reach = len({it.result.host for it in rows})
    return Card(
        anchor=slug("finding", finding.id),
        finding=finding,
        title=_called(finding.cause, causes),
        manual=_manual(finding.cause, causes),
        radius=f"{counted(len(explained), 'item')} on {counted(reach, 'host')}",
        rows=rows,
        unlisted=tuple(it for it in explained if it not in by_result),
        evidence=evidence,
        more=more,
        answers=tuple(_answer(it, finding.differential.get(it, NOT_ASKED), causes) for it in cause_ids()),
    )


def _answer(cause: str, ruling: Ruling, causes: Causes) -> Answer:
    return Answer(
        cause=cause,
        title=_called(cause, causes),
        manual=_manual(cause, causes),
        ruling=ruling,
        evidence=_blocks(ruling.evidence)[0],
    )


def quiet(run: Run, rows: Iterable[Row], hosts: Sequence[str]) -> list[HostItems]:
    """Each host with its passed and skipped items; a host without any item is named all the same."""
    by_host: dict[str, list[Row]] = {host: [] for host in hosts}
    for row in rows:
        by_host[row.result.host].append(row)
    groups: dict[str, list[str]] = {}
    for group, members in sorted(run.groups.items()):
        for host in members:
            groups.setdefault(host, []).append(group)
    return [
        HostItems(
            anchor=slug("host", host),
            index=index,
            name=host,
            groups=tuple(groups.get(host, ())),
            rows=tuple(it for it in by_host[host] if it.result.outcome in {"passed", "skipped"}),
            attention=sum(it.result.outcome in {"failed", "error"} for it in by_host[host]),
            counts=Counter(it.result.outcome for it in by_host[host]),
        )
        for index, host in enumerate(hosts)
    ]


def overview(cards: Iterable[Card]) -> list[CauseCount]:
    """How often was each cause the root? The most items first."""
    by_cause = sorted(cards, key=lambda it: it.finding.cause)
    counts = []
    for _, same in groupby(by_cause, key=lambda it: it.finding.cause):
        group = list(same)
        rows = {row.anchor: row for card in group for row in card.rows}
        counts.append(
            CauseCount(
                title=group[0].title,
                manual=group[0].manual,
                findings=len(group),
                items=len(rows),
                hosts=len({row.result.host for row in rows.values()}),
            )
        )
    return sorted(counts, key=lambda it: (-it.items, it.title))


def _blocks(lines: Iterable[Line]) -> tuple[tuple[Block, ...], int]:
    """Evidence as blocks under one heading each, and how many lines are left out."""
    listed = list(lines)
    blocks = tuple(
        Block(host=host, source=source, text="\n".join(cut(it.line) for it in same))
        for (host, source), same in groupby(listed[:LINES], key=lambda it: (it.host, it.source))
    )
    return blocks, max(0, len(listed) - LINES)


def _called(cause: str, causes: Causes) -> str:
    return UNDETERMINED_TITLE if cause == UNDETERMINED else causes[cause][0] if cause in causes else cause


def _manual(cause: str, causes: Causes) -> str:
    return slug("cause", cause) if cause in causes else ""


def ordered(causes: Causes) -> list[str]:
    """The documented order, then whatever else is given."""
    return [*(it for it in cause_ids() if it in causes), *sorted(set(causes) - set(cause_ids()))]


def cut(text: str) -> str:
    """How much of a text fits on the page?"""
    return text if len(text) <= LENGTH else f"{text[:LENGTH]} … ({len(text) - LENGTH:,} characters more)"
