"""What does a run say to other programs? `whyrefused/findings/1`, the same bytes for the same run."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from whyrefused import __version__
from whyrefused.escape import plain
from whyrefused.records import Ruling
from whyrefused.report import pieces
from whyrefused.report.totals import totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.records import Finding, Line, Result, Run

SCHEMA = "whyrefused/findings/1"
PATH_KEYS = ("client", "server", "destination", "port", "symptom")
"""The keys that only a path has; another item leaves them out."""

NOT_ASKED = Ruling(answer="unknown", because="not asked")


@functools.cache
def schema() -> dict[str, Any]:
    """Which JSON Schema does every findings document fit?"""
    text = resources.files(__package__).joinpath("findings.schema.json").read_text("utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


@functools.cache
def cause_ids() -> tuple[str, ...]:
    """Which eleven causes does every differential answer for, and in which order?"""
    return tuple(schema()["$defs"]["differential"]["required"])


def findings(run: Run) -> dict[str, Any]:
    """What is the findings document of this run, as JSON-safe values?"""
    document: dict[str, Any] = _clean(
        {
            "schema": SCHEMA,
            "run": _run(run),
            "results": [_result(it) for it in sorted(run.results, key=lambda it: it.id)],
            "findings": [_finding(it) for it in sorted(run.findings, key=lambda it: it.id)],
        }
    )
    return document


def to_json(run: Run) -> str:
    """Which bytes does `--findings FILE` hold? ASCII, so no control or bidi character is ever printed by `cat`."""
    return "".join(in_parts(run))


def in_parts(run: Run) -> Iterator[str]:
    """Which text is that, part by part? The whole of a large fleet need not be held."""
    yield f'{{\n "schema": {pieces.text(SCHEMA)},\n "run": {pieces.text(_run(run), 1)},\n "results": '
    yield from pieces.listed(map(_result, sorted(run.results, key=lambda it: it.id)), 1)
    yield ',\n "findings": '
    yield from pieces.listed(map(_finding, sorted(run.findings, key=lambda it: it.id)), 1)
    yield "\n}\n"


def _run(run: Run) -> dict[str, Any]:
    of = totals(run)
    earlier = {"resumed": run.resumed, "asked": dict(sorted(run.earlier))} if run.earlier else {}
    return {
        "started": run.started,
        "finished": run.finished,
        "inventory": list(run.inventory),
        "hosts": sorted(run.hosts),
        "complete": run.complete,
        "groups": {group: sorted(hosts) for group, hosts in sorted(run.groups.items())},
        "notes": list(run.notes),
        "outcomes": {"passed": of.passed, "failed": of.failed, "error": of.error, "skipped": of.skipped},
        "not_checked_yet": of.later,
        "other_tests": [{"id": id_, "outcome": outcome, "text": text} for id_, outcome, text in sorted(run.foreign)],
        "version": __version__,
        **earlier,
    }


def _result(it: Result) -> dict[str, Any]:
    entry = {
        "id": it.id,
        "host": it.host,
        "check": it.check,
        "subject": it.subject,
        "outcome": it.outcome,
        "expected": it.expected,
        "observed": it.observed,
        "evidence": _lines(it.evidence),
        "finding": it.finding,
    }
    path = {key: getattr(it, key) for key in PATH_KEYS}
    if any(value is not None for value in path.values()):
        entry |= path
    return entry


def _finding(it: Finding) -> dict[str, Any]:
    return {
        "id": it.id,
        "cause": it.cause,
        "variant": it.variant,
        "host": it.host,
        "subject": it.subject,
        "title": it.title,
        "explains": sorted(it.explains),
        "evidence": _lines(it.evidence),
        "fix": list(it.fix),
        "verify": list(it.verify),
        "hides": list(it.hides),
        "differential": {cause: _ruling(it.differential.get(cause, NOT_ASKED)) for cause in cause_ids()},
    }


def _ruling(it: Ruling) -> dict[str, Any]:
    return {"answer": it.answer, "because": it.because, "evidence": _lines(it.evidence)}


def _lines(lines: Iterable[Line]) -> list[dict[str, str]]:
    return [{"host": it.host, "source": it.source, "line": it.line} for it in lines]


def _clean(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same value, with texts that every JSON reader takes."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): _clean(it) for key, it in value.items()}
    return [_clean(it) for it in value] if isinstance(value, list) else value
