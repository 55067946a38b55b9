"""What did a run that was cut short leave to the one that resumes it? Answers to the very same questions, if young.

Only first looks are taken over. A second look is one moment at both ends of a path: half of one tells nothing.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whyrefused import __version__
from whyrefused.collect import saved
from whyrefused.collect.replies import Replies
from whyrefused.collect.stored import Place, Stored
from whyrefused.collect.visited import Visited
from whyrefused.files import open_own
from whyrefused.moments import between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

NOTHING = "--resume: no run that was cut short had left an answer here"
DAMAGED = "it is damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One host's answer in a journal."""

    journal: Stored
    place: Place
    asked: str
    question: str
    reached: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a journal holds of a run that was cut short."""

    path: Path
    files: frozenset[str] = frozenset()  # what that run was to write
    answers: Mapping[str, Answered] = field(default_factory=dict)  # by host
    problem: str = ""  # why nothing of it may be used


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """The hosts that need not be visited again."""

    answers: Mapping[str, Answered] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def visited(self) -> Visited:
        """What had they said? Each reply is read when it is asked for."""
        answers = self.answers
        return Visited(
            replies=Replies(answers, lambda host: saved.reply_of(host, answers[host].journal.at(answers[host].place))),
            warnings={host: one.warnings for host, one in answers.items()},
            notes=self.notes,
        )

    def lines(self) -> Iterator[bytes]:
        """Which lines of a journal keep them?"""
        return (one.journal.raw(one.place) for one in self.answers.values())

    @property
    def asked(self) -> Mapping[str, str]:
        """When was each asked?"""
        return {host: one.asked for host, one in self.answers.items()}


def left(path: Path, *, age: float = math.inf) -> Left:
    """What is in this journal? Never raises: what cannot be used says why.

    One into which nothing was written for longer than `age` is not read: all in it is older.
    """
    try:
        file = open_own(path)
        old = time.time() - os.fstat(file.fileno()).st_mtime > age
        return _read(path, Stored(file), f"all in it is {_older(age)}" if old else "")
    except OSError as error:
        return Left(path=path, problem=error.strerror or str(error))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError):
        return Left(path=path, problem=DAMAGED)


def _read(path: Path, journal: Stored, problem: str) -> Left:
    head = json.loads(journal.first_line())
    if head["schema"] != saved.JOURNAL:
        raise ValueError("no journal")
    files = frozenset(map(str, head["files"]))
    if head.get("version") != __version__:
        problem = f"it is of another version than {__version__}"
    return Left(path=path, files=files, answers={} if problem else _answers(journal), problem=problem)


def _answers(journal: Stored) -> Mapping[str, Answered]:
    answers: dict[str, Answered] = {}
    for place, line in journal.lines():
        one = json.loads(line)
        if "host" in one:
            reply = saved.reply_of(str(one["host"]), one)
            if not one["again"]:
                answers.setdefault(reply.host, _answered(journal, place, one, reached=reply.unreached is None))
    return answers


def _answered(journal: Stored, place: Place, one: Mapping[str, Any], *, reached: bool) -> Answered:
    return Answered(
        journal=journal,
        place=place,
        asked=str(one.get("asked", "")),
        question=str(one.get("question", "")),
        reached=reached,
        warnings=tuple(dict.fromkeys(saved.texts(one["warnings"]))),
    )


def taken_over(
    journals: Iterable[Left], questions: Mapping[str, str], *, files: Iterable[str], now: str, age: float
) -> TakenOver:
    """Whose answer need not be asked for again? `questions` has what stands for each host's, `files` what is written.

    Of several answers the youngest counts. What cannot be used is named, with the reason.
    """
    mine = frozenset(files)
    found: dict[str, Answered] = {}
    others: Counter[str] = Counter()
    ours = [one for one in journals if one.files & mine or not one.files]
    notes = [f"--resume: {one.path} is not used: {one.problem}" for one in ours if one.problem]
    for host, question in questions.items():
        had = [one.answers[host] for one in ours if host in one.answers]
        fits = [one for one in had if not _why_not(one, question, now, age)]
        if fits:
            found[host] = max(fits, key=lambda one: one.asked)
        elif had:
            others[_why_not(max(had, key=lambda one: one.asked), question, now, age)] += 1
    if not any(one.answers for one in ours):
        return TakenOver(notes=(*notes, NOTHING))
    moments = sorted(one.asked for one in found.values())
    span = f", asked between {moments[0]} and {moments[-1]}" if moments else ""
    notes.append(f"--resume: the answers of {len(found)} of {len(questions)} hosts are those of an earlier run{span}")
    notes += [f"--resume: visited again, {why}: {many}" for why, many in sorted(others.items())]
    return TakenOver(answers=found, notes=tuple(notes))


def _why_not(one: Answered, question: str, now: str, age: float) -> str:
    """Why must be asked again? Empty where the answer stands for today's."""
    if not one.reached:
        return "not reached then"
    if not one.question or one.question != question:
        return "asked something else then, or elsewhere"
    with suppress(ValueError):
        seconds = between(one.asked, now)
        if seconds < 0:
            return "asked later than now, as this machine's clock has it"
        return "" if seconds <= age else _older(age)
    return "asked nobody knows when"


def _older(age: float) -> str:
    return f"older than {age:g} s (--resume-age)"
