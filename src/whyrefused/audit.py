"""One run, from the inventory to what the reports show. Knows nothing of pytest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused import again, judge, whose
from whyrefused.collect import saved
from whyrefused.collect.fleet import collect
from whyrefused.collect.shared import once
from whyrefused.evidence import Evidence
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.records import Reply, Run
from whyrefused.report import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.collect.visit import Options
    from whyrefused.plan.items import Item
    from whyrefused.records import Finding, Inventory, Outcome, Result
    from whyrefused.script import Asked

PRIVATE, PUBLIC = 0o600, 0o644

Visited = tuple[dict[str, Reply], tuple[str, ...]]
"""What the hosts answered, by host, and what the reader must know of the visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line and the configuration say."""

    options: Options
    connect_timeout: float = 4.0
    replay: str | None = None  # judge this saved evidence, connect to nobody
    save: str | None = None  # keep what the hosts said in this file
    second_look: bool = True  # whether both ends of an undetermined path are looked at again
    shared: str | None = None  # folder in which several processes of one run share what the hosts said


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What one run found, before it is known which of the items ran to their end."""

    sources: tuple[str, ...]
    started: str
    hosts: tuple[str, ...]
    results: Mapping[str, Result]  # by id
    findings: tuple[Finding, ...]
    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = field(default=())


def now() -> str:
    """What time is it? ISO 8601, UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Audit:
    """The inventory, its items, and what the hosts said."""

    def __init__(self, settings: Settings, inventory: Inventory) -> None:
        self.settings = settings
        self.started = now()
        self.inventory = inventory
        self.items: tuple[Item, ...] = declared(self.inventory)
        self.evidence = Evidence(())
        self._judged: dict[str, judge.Judged] = {}
        self.verdicts = self._of((), (), (), ())

    def judged(self, result: str) -> judge.Judged | None:
        """What became of this item? None before the hosts were visited."""
        return self._judged.get(result)

    def expect(self, selected: Sequence[judge.Question]) -> None:
        """Note which items are to be judged, so that none is lost if the run ends before."""
        waiting = [judge.Judged(question=one, outcome="skipped", seen=None, why=judge.NOT_RUN) for one in selected]
        self.verdicts = self._of((), waiting, (), ())

    def run(self, selected: Sequence[judge.Question], skip: type[BaseException]) -> None:
        """Visit the hosts of the selected items, judge these, find the causes. Raises `BadInput` on bad evidence."""
        replies, notes = self._replies(selected, skip)
        self.evidence = Evidence(replies.values())
        judged = [judge.judge(one, self.evidence, skip) for one in selected]
        findings = judge.explain(self.inventory, judged, self.evidence)
        self._judged = {one.question.id: one for one in judged}
        self.verdicts = self._of(tuple(replies), judged, findings, notes)

    def _again(
        self, replies: Mapping[str, Reply], selected: Sequence[judge.Question], skip: type[BaseException]
    ) -> Mapping[str, Mapping[str, Asked]]:
        """What is asked once more, where the first look leaves a path undetermined?"""
        evidence = Evidence(replies.values())
        judged = [judge.judge(one, evidence, skip) for one in selected]
        failures, findings = judge.failures(judged), judge.explain(self.inventory, judged, evidence)
        return again.questions(self.inventory, failures, findings, evidence)

    def _of(
        self,
        hosts: tuple[str, ...],
        judged: Iterable[judge.Judged],
        findings: tuple[Finding, ...],
        notes: Iterable[str],
    ) -> Verdicts:
        visited = set(hosts)
        groups = {
            name: tuple(host for host in members if host in visited)
            for name, members in self.inventory.groups.items()
            if name not in {"all", "ungrouped"} and visited & set(members)
        }
        return Verdicts(
            sources=self.inventory.sources,
            started=self.started,
            hosts=hosts,
            results={one.question.id: judge.result(one, findings) for one in judged},
            findings=findings,
            groups=groups,
            notes=(*self.inventory.warnings, *notes),
        )

    def _replies(self, selected: Sequence[judge.Question], skip: type[BaseException]) -> Visited:
        asked = questions(self.inventory, [one.item for one in selected], self.settings.connect_timeout)
        if self.settings.replay:
            kept = saved.loads(self.settings.replay)
            missing = "not in the saved evidence"
            return {name: kept.get(name) or Reply(host=name, frames={}, unreached=missing) for name in asked}, ()
        if self.settings.shared:
            return once(Path(self.settings.shared), lambda: self._visit(asked, selected, skip))
        return self._visit(asked, selected, skip)

    def _visit(
        self,
        asked: Mapping[str, Mapping[str, Asked]],
        selected: Sequence[judge.Question],
        skip: type[BaseException],
    ) -> Visited:
        """What the hosts answer now, kept in a file where that is wanted."""
        said, notes = collect(self.inventory, asked, self.settings.options)
        replies = whose.declared(self.inventory, said)
        if self.settings.second_look and (more := self._again(replies, selected, skip)):
            second, told = collect(self.inventory, more, self.settings.options)
            replies, notes = again.merged(replies, second), (*notes, *(one for one in told if one not in notes))
        if self.settings.save:
            write(Path(self.settings.save), saved.dumps(replies.values()), PRIVATE)
        return replies, notes


def finished(verdicts: Verdicts, outcomes: Mapping[str, Outcome], foreign: Sequence[tuple[str, str, str]]) -> Run:
    """What do the reports show, once it is known how each item ended? What did not run says so; nothing is left out.

    `outcomes` has the items that ran, by id, as pytest counted them.
    """
    results = tuple(
        replace(one, outcome=outcomes[one.id]) if one.id in outcomes
        else replace(one, outcome="skipped", observed=judge.NOT_RUN, evidence=(), finding=None, symptom=None)
        for one in verdicts.results.values()
    )  # fmt: skip
    ran = set(outcomes)
    findings = tuple(
        replace(one, explains=tuple(id_ for id_ in one.explains if id_ in ran))
        for one in verdicts.findings
        if ran & set(one.explains)
    )
    return Run(
        started=verdicts.started,
        finished=now(),
        inventory=verdicts.sources,
        hosts=verdicts.hosts,
        complete=ran >= set(verdicts.results),
        results=results,
        findings=findings,
        groups=verdicts.groups,
        notes=verdicts.notes,
        foreign=tuple(foreign),
    )
