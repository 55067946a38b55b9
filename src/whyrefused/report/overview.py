"""Where is how much of what? Causes by groups, checks by outcomes, and what no cause explains."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.report.packed import WORST_FIRST, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.records import Result
    from whyrefused.report.view import Card

GROUPS = 8
"""How many groups have a column; those with the most in trouble."""
REASONS, HOSTS = 100, 24
"""How many reasons the page lists of items that no finding explains, and how many hosts of each."""
ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)|(?<![\w:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?!\w)"
)
"""Hosts that nobody reaches differ in this and in their names."""
UNEXPLAINED = {"failed": "Not as declared, and no finding explains it", "error": "Could not be decided"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCount:
    """One line of the overview."""

    key: str  # what the page's filter calls it: a cause's id, or an outcome
    title: str
    manual: str  # anchor of its paragraph
    findings: int
    items: int
    hosts: int
    groups: tuple[int, ...]  # items of each group that has a column


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Causes by groups. A host of two groups counts in both."""

    groups: tuple[tuple[int, str], ...]  # its number in the filter, its name
    more: int  # groups in trouble that have no column
    causes: tuple[CauseCount, ...]
    rest: tuple[CauseCount, ...]  # what no cause explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Items with one outcome that say the same but for their host and its address, and that no finding explains."""

    outcome: str
    said: str  # what the first of them says
    others: int  # how many say it of other addresses
    items: int
    hosts: tuple[str, ...]  # the first few
    more: int  # hosts that are not named
    checks: tuple[str, ...]


def overview(cards: Sequence[Card], results: Iterable[Result], groups: Mapping[str, Sequence[str]]) -> Overview:
    """How often was each cause the root, and where? The most items first."""
    of = {card.finding.id: card for card in cards}
    places: dict[str, list[int]] = {}
    for at, hosts in enumerate(groups.values()):
        for host in hosts:
            places.setdefault(host, []).append(at)
    items: dict[tuple[str, str], Counter[str]] = {}
    for it in results:
        card = of.get(it.finding or "")
        if card:
            items.setdefault(("cause", card.finding.cause), Counter())[it.host] += 1
        elif it.outcome in UNEXPLAINED:
            items.setdefault(("rest", it.outcome), Counter())[it.host] += 1
    for card in cards:
        items.setdefault(("cause", card.finding.cause), Counter())
    weights = {kind: _weights(hosts, places, len(groups)) for kind, hosts in items.items()}
    troubled = Counter({at: sum(weight[at] for weight in weights.values()) for at in range(len(groups))})
    listed = [at for at, weight in troubled.most_common() if weight]
    shown = sorted(listed[:GROUPS])
    first = {card.finding.cause: card for card in reversed(cards)}
    findings = Counter(card.finding.cause for card in cards)
    lines = {
        kind: CauseCount(
            key=kind[1],
            title=first[kind[1]].title if kind[0] == "cause" else UNEXPLAINED[kind[1]],
            manual=first[kind[1]].manual if kind[0] == "cause" else "",
            findings=findings[kind[1]] if kind[0] == "cause" else 0,
            items=hosts.total(),
            hosts=len(hosts),
            groups=tuple(weights[kind][at] for at in shown),
        )
        for kind, hosts in items.items()
    }
    names = list(groups)
    return Overview(
        groups=tuple((at, names[at]) for at in shown),
        more=len(listed) - len(shown),
        causes=tuple(
            sorted((it for kind, it in lines.items() if kind[0] == "cause"), key=lambda it: (-it.items, it.title))
        ),
        rest=tuple(lines["rest", it] for it in UNEXPLAINED if ("rest", it) in lines),
    )


def _weights(hosts: Mapping[str, int], places: Mapping[str, Sequence[int]], groups: int) -> list[int]:
    weights = [0] * groups
    for host, items in hosts.items():
        for at in places.get(host, ()):
            weights[at] += items
    return weights


def reasons(results: Iterable[Result]) -> tuple[list[Reason], int]:
    """What do the items say that no finding explains? Once for all that say the same; and how many are not listed."""
    same: dict[tuple[str, str], list[Result]] = {}
    for it in results:
        if it.outcome in UNEXPLAINED and not it.finding:
            same.setdefault((it.outcome, ADDRESS.sub("", it.observed.replace(it.host, ""))), []).append(it)
    ordered = sorted(same.items(), key=lambda it: (WORST_FIRST[it[0][0]], -len(it[1]), it[0][1]))
    found = []
    for (outcome, _), items in ordered[:REASONS]:
        hosts = list(dict.fromkeys(it.host for it in items))
        found.append(
            Reason(
                outcome=outcome,
                said=cut(items[0].observed),
                others=len({it.observed for it in items}) - 1,
                items=len(items),
                hosts=tuple(hosts[:HOSTS]),
                more=max(0, len(hosts) - HOSTS),
                checks=tuple(sorted({it.check for it in items})),
            )
        )
    return found, sum(len(items) for _, items in ordered[REASONS:])


def checks(results: Iterable[Result]) -> list[tuple[str, Counter[str]]]:
    """How did each check end, how often?"""
    counts: dict[str, Counter[str]] = {}
    for it in results:
        counts.setdefault(it.check, Counter())[it.outcome] += 1
    return sorted(counts.items())
