"""A run that is killed after each of its answers and resumed tells what one run tells, second looks and all.

The hosts are those of stories; what they are asked, what is kept of it and who judges it is as in any run.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from scenarios.replay import STORIES, questions_of, read

from whyrefused import audit as audits
from whyrefused import moments, report
from whyrefused.audit import Audit, Settings, finished
from whyrefused.claim import claim, left
from whyrefused.collect import visited
from whyrefused.collect.visit import Options, digest
from whyrefused.records import Missing, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from whyrefused.claim import Claim
    from whyrefused.collect.visited import Answer, Visited
    from whyrefused.records import Inventory, Run
    from whyrefused.script import Asked

SECOND = ("hairpin", "rejected-at-a-name-nobody-declared", "too-many-connections")
"""Stories with a second look."""
TOLD = (*SECOND, *(story for story in STORIES[::8] if story not in SECOND))


class Killed(BaseException):
    """The run ends here, as it does by SIGKILL: nothing that it has begun is finished."""


class Hosts:
    """What answers: the hosts of a story, and how many answers they give until the run is killed."""

    def __init__(self, story: str, answers: int) -> None:
        self.inventory, self._replies, _ = read(story)
        self.looks: list[dict[str, set[str]]] = []  # whom a run asked what, look by look
        self._left = answers

    @property
    def reached(self) -> set[str]:
        """Who answers at all?"""
        return {host for host, reply in self._replies.items() if reply.unreached is None}

    def collect(  # whyrefused.collect.fleet.collect
        self,
        _inventory: Inventory,
        asked: Mapping[str, Mapping[str, Asked]],
        options: Options,
        *,
        keep: Callable[[Iterable[Answer]], list[Answer]],
        **_: Any,  # noqa: ANN401 - nobody asks this run to stop
    ) -> Visited:
        """Answer what is asked, one host after the other."""
        self.looks.append({host: set(probes) for host, probes in asked.items()})
        answers: list[Answer] = []
        for host, probes in asked.items():
            if not self._left:
                raise Killed
            self._left -= 1
            said = self._replies.get(host) or Reply(host=host, frames={}, unreached="not in the story")
            frames = {probe: said.frames.get(probe, Missing("not in the story")) for probe in probes}
            reply = replace(
                said, frames=frames if said.unreached is None else {}, asked=moments.now(),
                question=digest(self.inventory.hosts[host], probes, options),
            )  # fmt: skip
            answers += keep([(reply, (f"{host} was asked",))])
        return visited.of(answers)


def run(hosts: Hosts, own: Claim, patched: pytest.MonkeyPatch, *, resumes: bool = False) -> Run:
    """What does a run tell of these hosts?"""
    patched.setattr(audits, "collect", hosts.collect)
    audit = Audit(Settings(options=Options(), resume=60.0 if resumes else None), hosts.inventory)
    audit.journal = own.journal
    if own.journal and resumes:
        audit.files, audit.left = left(own.journal)
    audit.run(list(questions_of(hosts.inventory)), pytest.skip.Exception)
    return finished(audit.verdicts, {id_: one.outcome for id_, one in audit.verdicts.results.items()}, [])


def told(of: Run) -> tuple[Any, ...]:
    """All that it tells but when, and by how many runs."""
    notes = tuple(note for note in of.notes if not note.startswith("--resume"))
    document = report.findings(of)
    return document["results"], document["findings"], of.hosts, of.complete, notes


@pytest.mark.parametrize("story", TOLD)
def test_after_each_answer(story: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was on the disk: the same results and findings, nobody is asked the same twice, and all are asked."""
    files = [tmp_path / "found.json"]
    all_of_them = Hosts(story, 10**6)
    own = claim(files, moments.now())
    whole = run(all_of_them, own, monkeypatch)
    own.release()
    first = all_of_them.looks[0]
    assert story not in SECOND or len(all_of_them.looks) == 2
    for answers in range(sum(map(len, all_of_them.looks))):
        killed, own = Hosts(story, answers), claim(files, moments.now())
        with pytest.raises(Killed):
            run(killed, own, monkeypatch)
        for lock in own.locks:
            os.close(lock)  # as the kernel does it for a process that is killed
        answered = set(list(first)[:answers]) & all_of_them.reached
        own = claim(files, moments.now())
        resuming = Hosts(story, 10**6)
        again = run(resuming, own, monkeypatch, resumes=True)
        assert told(whole) == told(again), f"killed after {answers} answers"
        assert answered == {host for host, _ in again.earlier}
        assert {host: first[host] for host in first if host not in answered} == resuming.looks[0]
        assert all_of_them.looks[1:] == resuming.looks[1:]  # both ends once more: half of a second look tells nothing
        for one in left(own.journal)[1] if own.journal else ():
            one.unlink()
            one.parent.rmdir()
        own.release()
