"""What would hosts say that mean harm? What real hosts said, with a payload in every so many words of theirs."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from scenarios import replay

from whyrefused import judge
from whyrefused.diagnose import first_of
from whyrefused.records import Frame, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whyrefused.records import Inventory, Reply

WORD = re.compile(r"[^\s=:,()\[\]{}\"']{2,}|(?<=\")[^\"\n]+(?=\")")
"""A word of a host, or all of a quoted text: the names that somebody on a host may choose are among them."""


def poisoned(text: str, payloads: Sequence[str], every: int, start: int) -> str:
    """What is this text with a payload behind every so-manieth word, each payload in its turn?"""
    count = -1

    def meant(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        if count % every != start % every:
            return found[0]
        return found[0] + payloads[(count // every) % len(payloads)]

    return WORD.sub(meant, text)


def replies(kept: Mapping[str, Reply], payloads: Sequence[str], every: int, start: int) -> dict[str, Reply]:
    """What do these hosts say then? Each frame is whole, as from a host that knows how we ask."""
    return {
        name: replace(
            reply,
            unreached=reply.unreached and poisoned(reply.unreached, payloads, 1, 0),
            frames={
                probe: replace(frame, text=poisoned(frame.text, payloads, every, start + at))
                if isinstance(frame, Frame)
                else frame
                for at, (probe, frame) in enumerate(reply.frames.items())
            },
        )
        for name, reply in kept.items()
    }


def judged(inventory: Inventory, said: Mapping[str, Reply]) -> Run:
    """What does the tool make of it? One run, as the reports get it."""
    evidence = replay.Evidence(said.values())
    items = [judge.judge(one, evidence, pytest.skip.Exception) for one in replay.questions_of(inventory)]
    findings = judge.explain(inventory, items, evidence)
    return Run(
        started="2026-11-22T06:00:01Z", finished="2026-11-22T06:00:03Z", inventory=inventory.sources,
        hosts=tuple(said), complete=True, results=tuple(judge.result(one, first_of(findings)) for one in items),
        findings=findings, groups={name: hosts for name, hosts in inventory.groups.items() if name != "all"},
    )  # fmt: skip


def one_of(runs: Sequence[Run]) -> Run:
    """All of these as one run; what has an id has its run's number before it."""
    results = [
        replace(it, id=f"{at} {it.id}", finding=it.finding and f"{at} {it.finding}")
        for at, run in enumerate(runs)
        for it in run.results
    ]
    found = [
        replace(it, id=f"{at} {it.id}", explains=tuple(f"{at} {id_}" for id_ in it.explains))
        for at, run in enumerate(runs)
        for it in run.findings
    ]
    return replace(
        runs[0], results=tuple(results), findings=tuple(found), hosts=tuple({it for run in runs for it in run.hosts}),
        groups={f"{at} {name}": hosts for at, run in enumerate(runs) for name, hosts in run.groups.items()},
        inventory=tuple(it for run in runs for it in run.inventory),
    )  # fmt: skip


OURS = {"outcome", "symptom", "answer", "cause", "complete", "port", "started", "finished", "hides"}
"""The fields whose values the records' types close: no outside text can stand in them."""


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a run
    """Which texts from outside stand in it?"""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for it in value:
            yield from texts(it)
    elif isinstance(value, dict):
        for key, it in value.items():
            yield from texts((key, it))
    elif is_dataclass(value):
        for it in fields(value):
            if it.name not in OURS:
                yield from texts(getattr(value, it.name))


def tame(value: Any, names: Mapping[str, str], keys: frozenset[str]) -> Any:  # noqa: ANN401 - any part of a run
    """What is it with every text from outside replaced? `keys` are ours where they are keys."""
    if isinstance(value, str):
        return names[value]
    if isinstance(value, tuple):
        return tuple(tame(it, names, keys) for it in value)
    if isinstance(value, dict):
        return {key if key in keys else names[key]: tame(it, names, keys) for key, it in value.items()}
    if not is_dataclass(value):
        return value
    new = {it.name: tame(getattr(value, it.name), names, keys) for it in fields(value) if it.name not in OURS}
    return replace(value, **new)  # type: ignore[type-var]


def clean(run: Run, keys: frozenset[str]) -> Run:
    """The same run with a harmless word for every text from outside; in the same order, the same where they were."""
    ranked = sorted({*texts(run)} - {""})
    return tame(run, {it: f"w{at:06d}" for at, it in enumerate(ranked)} | {"": ""}, keys)  # type: ignore[no-any-return]
