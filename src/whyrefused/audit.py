"""One run, from the inventory to what the reports show. Knows nothing of pytest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused import again, judge, whose
from whyrefused.collect import memory, resume, saved
from whyrefused.collect.fleet import collect
from whyrefused.collect.journal import Journal
from whyrefused.collect.replies import Replies
from whyrefused.collect.shared import once
from whyrefused.collect.stop import Stop
from whyrefused.collect.visit import digest
from whyrefused.collect.visited import Visited
from whyrefused.diagnose import Diagnosis, first_of
from whyrefused.evidence import Evidence
from whyrefused.files import write
from whyrefused.moments import now
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.private import private
from whyrefused.records import NOTHING_PRIVATE, Reply, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from whyrefused.collect.visit import Options
    from whyrefused.diagnose import Failure
    from whyrefused.plan.items import Item
    from whyrefused.records import Finding, Inventory, Outcome, Private, Result
    from whyrefused.script import Asked


NOBODY = Visited(replies={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line and the configuration say."""

    options: Options
    connect_timeout: float = 4.0
    replay: str | None = None  # judge this saved evidence, connect to nobody
    save: str | None = None  # keep what the hosts said in this file
    shareable: bool = False  # is a page for strangers wanted?
    second_look: bool = True  # whether both ends of an undetermined path are looked at again
    resume: float | None = None  # seconds: a younger answer that a run left is taken over; None: all hosts are visited
    shared: str | None = None  # folder in which several processes of one run share what the hosts said


@dataclass(frozen=True, kw_only=True)  # without slots: what is worked out is kept in it
class Verdicts:
    """What one run found, before it is known which of the items ran to their end."""

    sources: tuple[str, ...]
    started: str
    hosts: tuple[str, ...]
    results: Mapping[str, Result]  # by id
    findings: tuple[Finding, ...]
    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    finished: str = ""  # when the last host had answered
    interrupted: str = ""  # by what the visit was
    problems: tuple[str, ...] = ()  # what could not be written
    private: Private = NOTHING_PRIVATE
    resumed: str = ""  # when this run began, where `started` is when an earlier one did
    earlier: tuple[tuple[str, str], ...] = ()  # the hosts that the earlier one had asked, and when

    @cached_property
    def finding(self) -> Mapping[str, Finding]:
        """Which finding has this id?"""
        return {finding.id: finding for finding in self.findings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the replies of all hosts say of the selected items."""

    evidence: Evidence
    held: Mapping[str, judge.Judged]  # what was seen of those that a test is still to assert
    results: Mapping[str, Result]  # by id, none of them with its finding
    failures: tuple[Failure, ...]  # in the order of the items
    findings: tuple[Finding, ...]


class Audit:
    """The inventory, its items, and what the hosts said."""

    def __init__(self, settings: Settings, inventory: Inventory) -> None:
        self.settings = settings
        self.started = now()
        self.inventory = inventory
        self.items: tuple[Item, ...] = declared(self.inventory)
        self.evidence = Evidence(())
        self.journal: Path | None = None  # where what is finished is kept until the reports have it
        self.files: tuple[str, ...] = ()  # what this run writes
        self.left: tuple[Path, ...] = ()  # the journals that runs left beside it
        self.stop = Stop()
        self._judged: Mapping[str, judge.Judged] = {}
        self._decided: Look | None = None  # what the first look found, where it is all there is to find
        self.verdicts = self._of(NOBODY, (), ())

    def judged(self, result: str) -> judge.Judged | None:
        """What became of this item? None before the hosts were visited, and of those that `run` did not hold."""
        return self._judged.get(result)

    def expect(self, selected: Sequence[judge.Question]) -> None:
        """Note which items are to be judged, so that none is lost if the run ends before."""
        waiting = [judge.result(judge.not_run(one, judge.NOT_RUN), {}) for one in selected]
        self.verdicts = self._of(NOBODY, waiting, ())

    def run(
        self,
        selected: Sequence[judge.Question],
        skip: type[BaseException],
        *,
        hold: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Visit the hosts of the selected items, judge these, find the causes. Raises `BadInput` on bad evidence.

        What was seen of an item is held where `hold` says so of its id: where a test is still to assert it.
        """
        look = partial(self._look, selected=selected, skip=skip, hold=hold)
        visited = self._visited(selected, look)
        found = self._decided or look(visited)
        self._decided = None
        self.evidence, self._judged = found.evidence, found.held
        first = first_of(found.findings)
        results = (found.results[one.id] for one in selected)
        told = (replace(one, finding=first[one.id]) if one.id in first else one for one in results)
        self.verdicts = self._of(visited, told, found.findings)
        memory.give_back()  # what was read to be judged, too

    def _look(
        self,
        visited: Visited,
        *,
        selected: Sequence[judge.Question],
        skip: type[BaseException],
        hold: Callable[[str], bool],
    ) -> Look:
        """What do these replies say of the selected items?"""
        evidence = Evidence(visited.replies)
        diagnosis = Diagnosis(self.inventory, evidence)
        held: dict[str, judge.Judged] = {}
        results: dict[str, Result] = {}
        failures: dict[str, Failure] = {}
        for question in _by_host(selected):
            one = _judged(question, visited, evidence, skip)
            results[question.id] = judge.result(one, {})
            if hold(question.id):
                held[question.id] = one
            if failure := judge.failure(one):
                failures[question.id] = failure
                diagnosis.add(failure)
        in_order = tuple(failures[one.id] for one in selected if one.id in failures)
        return Look(
            evidence=evidence, held=held, results=results, failures=in_order, findings=diagnosis.findings()
        )  # fmt: skip

    def _of(
        self,
        visited: Visited,
        results: Iterable[Result],
        findings: tuple[Finding, ...],
    ) -> Verdicts:
        hosts = set(visited.replies)
        groups = {
            name: tuple(host for host in members if host in hosts)
            for name, members in self.inventory.groups.items()
            if name not in {"all", "ungrouped"} and hosts & set(members)
        }
        return Verdicts(
            sources=self.inventory.sources,
            started=visited.started or self.started,
            hosts=tuple(visited.replies),
            results={one.id: one for one in results},
            findings=findings,
            groups=groups,
            notes=(*self.inventory.warnings, *visited.told),
            finished=visited.finished,
            interrupted=visited.interrupted,
            problems=visited.problems,
            private=private(self.inventory, self.items, self.evidence) if self.settings.shareable else NOTHING_PRIVATE,
            resumed=visited.resumed,
            earlier=tuple(visited.earlier.items()),
        )

    def _visited(self, selected: Sequence[judge.Question], look: Callable[[Visited], Look]) -> Visited:
        asked = questions(self.inventory, [one.item for one in selected], self.settings.connect_timeout)
        if self.settings.replay:
            kept = saved.read(self.settings.replay)
            found = _replayed(kept, asked)
            # A journal has what hosts said before they were compared with each other.
            return self._declared(found) if kept.interrupted else found
        if self.settings.shared:
            shared = Path(self.settings.shared)
            return once(shared, lambda: self._visit(asked, look)).ordered(asked)
        return self._visit(asked, look)

    def _visit(self, asked: Mapping[str, Mapping[str, Asked]], look: Callable[[Visited], Look]) -> Visited:
        """What the hosts answer now, each kept on the disk as soon as it is there; in a file where that is wanted."""
        journal, options = Journal(self.journal), self.settings.options
        taken = self._taken_over(asked)
        journal.copy(taken.lines(), taken.asked)
        rest = {host: probes for host, probes in asked.items() if host not in taken.answers}
        visited = journal.whole(collect(self.inventory, rest, options, stop=self.stop, keep=journal.keep))
        visited = self._declared(visited.beside(taken.visited()).ordered(asked))
        if self.settings.second_look and not self.stop.by:
            first = look(visited)
            more = again.questions(self.inventory, first.failures, first.findings, first.evidence)
            # Where nothing is asked again, what was found is what is told.
            self._decided = None if more else first
            if more:
                keep = partial(journal.keep, again=True)
                second = collect(self.inventory, more, options, stop=self.stop, keep=keep)
                visited = saved.joined(visited, journal.whole(second, again=True))
        visited = _ended(visited, asked, started=self.started, by=self.stop.by)
        visited = visited.after(taken.asked, self.started)
        journal.end(visited)
        problems = [f"the journal {journal.problem}"] if journal.problem else []
        if self.settings.save:
            try:
                write(Path(self.settings.save), saved.parts(visited))
            except OSError as error:
                problems.append(f"{self.settings.save}: {error.strerror}")
        return replace(visited, problems=tuple(problems))

    def _taken_over(self, asked: Mapping[str, Mapping[str, Asked]]) -> resume.TakenOver:
        """Whose answer has a run left that was cut short, to just what would be asked now?"""
        age, options = self.settings.resume, self.settings.options
        if age is None:
            return resume.TakenOver()
        journals = [resume.left(one, age=age) for one in self.left]
        if not any(one.answers for one in journals):
            return resume.taken_over(journals, {}, files=self.files, now=self.started, age=age)
        hosts = self.inventory.hosts
        questions = {host: digest(hosts[host], probes, options) for host, probes in asked.items()}
        return resume.taken_over(journals, questions, files=self.files, now=self.started, age=age)

    def _declared(self, visited: Visited) -> Visited:
        replies = visited.replies
        reasons = whose.others(self.inventory, replies)
        return replace(visited, replies=Replies(replies, lambda host: whose.taken(replies[host], reasons)))


def _replayed(kept: Visited, asked: Iterable[str]) -> Visited:
    """What does saved evidence say of those that are asked? Where it is whole, who is not in it was not reached."""
    if kept.interrupted:
        return _ended(kept.ordered(asked), asked, started=kept.started, by=kept.interrupted, finished=kept.finished)
    missing = "not in the saved evidence"
    hosts = tuple(asked)
    replies = Replies(
        hosts, lambda name: kept.replies.get(name) or Reply(host=name, frames={}, unreached=missing)
    )  # fmt: skip
    return replace(kept.ordered(hosts), replies=replies)


def _judged(question: judge.Question, visited: Visited, evidence: Evidence, skip: type[BaseException]) -> judge.Judged:
    """Is this item as declared? Of a host that nobody came to, nothing is said."""
    if visited.interrupted and question.item.host not in visited.replies:
        return judge.not_run(question, f"{judge.INTERRUPTED} ({visited.interrupted})")
    return judge.judge(question, evidence, skip)


def _by_host(selected: Iterable[judge.Question]) -> Iterator[judge.Question]:
    """The same items, those of one host together: what a host said is then read once, and need not be held."""
    hosts: dict[str, list[judge.Question]] = {}
    for one in selected:
        hosts.setdefault(one.item.host, []).append(one)
    for items in hosts.values():
        yield from items


def _ended(visited: Visited, asked: Iterable[str], *, started: str, by: str, finished: str = "") -> Visited:
    """The same, with its two moments, and where it was interrupted by what."""
    hosts = tuple(asked)
    ended = replace(visited.ordered(hosts), started=started, finished=finished or now(), interrupted=by)
    if not by:
        return ended
    return ended.with_notes(f"interrupted ({by}): {len(ended.replies)} of {len(hosts)} hosts had been visited")


def nothing(sources: tuple[str, ...], by: str) -> Verdicts:
    """What is found by a run that ends before it knows its hosts?"""
    notes = (f"interrupted ({by}): no host had been visited",)
    return Verdicts(
        sources=sources, started=now(), hosts=(), results={}, findings=(), groups={}, notes=notes, interrupted=by
    )  # fmt: skip


def _ended_as(one: Result, outcome: Outcome) -> Result:
    return one if one.outcome == outcome else replace(one, outcome=outcome)


def finished(verdicts: Verdicts, outcomes: Mapping[str, Outcome], foreign: Sequence[tuple[str, str, str]]) -> Run:
    """What do the reports show, once it is known how each item ended? What did not run says so; nothing is left out.

    `outcomes` has the items that ran, by id, as pytest counted them.
    """
    results = tuple(
        _ended_as(one, outcomes[one.id]) if one.id in outcomes
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
        finished=verdicts.finished or now(),
        inventory=verdicts.sources,
        hosts=verdicts.hosts,
        complete=ran >= set(verdicts.results) and not verdicts.interrupted,
        results=results,
        findings=findings,
        groups=verdicts.groups,
        notes=verdicts.notes,
        foreign=tuple(foreign),
        private=verdicts.private,
        resumed=verdicts.resumed,
        earlier=verdicts.earlier,
    )
