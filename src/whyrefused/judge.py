"""Is each item as declared, and why not? Items + evidence -> results and findings. Pure.

A check is two plain functions of `checks/test_….py`: `look(declared, evidence)`, which says what the host shows or
raises `CouldNotLook`, and the test itself, which asserts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from whyrefused.diagnose import Failure, diagnose
from whyrefused.plan.keys.connects import PathItem
from whyrefused.records import CouldNotLook, Missing, Result, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Item
    from whyrefused.records import Finding, Inventory, Outcome

NO_LOOK = "its check looks at nothing"
NOT_RUN = "not run: the run was cut short"
INTERRUPTED = "not run: interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One item to be judged, and the two functions of its check."""

    id: str
    item: Item
    look: Callable[[Any, Evidence], Seen] | None  # None: the test alone decides
    test: Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of one item."""

    question: Question
    outcome: Outcome
    seen: Seen | None
    why: str = ""  # of an error or a skip
    miss: Exception | None = None  # what `look` raised, for the fixture to raise again


def judge(question: Question, evidence: Evidence, skip: type[BaseException]) -> Judged:
    """Is this item as declared? `skip` is the exception by which a check says that it does not apply."""
    seen = None
    try:
        if question.look is None:
            return _blind(question)
        seen = question.look(question.item, evidence)
        question.test(declared=question.item, seen=seen)
        _proved(seen, evidence)
    except AssertionError:
        return Judged(question=question, outcome="failed", seen=seen)
    except skip as reason:
        return Judged(question=question, outcome="skipped", seen=seen, why=str(reason), miss=_as_exception(reason))
    except CouldNotLook as miss:
        return Judged(question=question, outcome="error", seen=seen, why=miss.why, miss=miss)
    except Exception as fault:  # noqa: BLE001 - one host's surprise is that host's error, never the fleet's
        why = f"the check itself failed: {type(fault).__name__}: {fault}"
        return Judged(question=question, outcome="error", seen=seen, why=why, miss=CouldNotLook(why))
    return Judged(question=question, outcome="passed", seen=seen)


def not_run(question: Question, why: str) -> Judged:
    """What is said of an item that nobody looked at?"""
    return Judged(question=question, outcome="skipped", seen=None, why=why)


def _blind(question: Question) -> Judged:
    """What becomes of an item at whose evidence nobody looks? Its test may fail or skip; a pass proves nothing."""
    question.test(declared=question.item)
    return Judged(question=question, outcome="error", seen=None, why=NO_LOOK, miss=CouldNotLook(NO_LOOK))


def _proved(seen: Seen, evidence: Evidence) -> None:
    """Is there evidence behind this pass? Raises `CouldNotLook` where a part of it is missing, or none is quoted."""
    parts = seen.value if isinstance(seen.value, tuple) else (seen.value,)
    for part in parts:
        if isinstance(part, Missing):
            raise CouldNotLook(part.why)
    if not seen.lines:
        raise CouldNotLook("no line of evidence shows that it is as declared")
    for line in seen.lines:
        why = evidence[line.host].unreached
        if why is not None:
            raise CouldNotLook(f"{line.host}: {why}")


def _as_exception(reason: BaseException) -> Exception | None:
    return reason if isinstance(reason, Exception) else None


def failures(judged: Iterable[Judged]) -> tuple[Failure, ...]:
    """Which of these items are not as declared?"""
    return tuple(filter(None, map(failure, judged)))


def failure(one: Judged) -> Failure | None:
    """What is there to explain? None where it is as declared, or nobody knows."""
    if one.outcome != "failed" or one.seen is None:
        return None
    return Failure(id=one.question.id, item=one.question.item, seen=one.seen)


def explain(inventory: Inventory, judged: Iterable[Judged], evidence: Evidence) -> tuple[Finding, ...]:
    """Which findings explain the failures?"""
    return diagnose(inventory, failures(judged), evidence)


def result(one: Judged, first: Mapping[str, str]) -> Result:
    """How does the report tell this item? `first` has the finding that explains it, by its id."""
    item, seen = one.question.item, one.seen
    plain = Result(
        id=one.question.id,
        host=item.host,
        check=item.check,
        subject=item.subject,
        outcome=one.outcome,
        expected=item.wanted,
        observed=one.why or (seen.said if seen else ""),
        evidence=seen.lines if seen else (),
        finding=first.get(one.question.id) if one.outcome == "failed" else None,
    )
    if not isinstance(item, PathItem):
        return plain
    return replace(
        plain, client=item.host, server=item.server, destination=item.destination, port=item.port,
        symptom=seen.symptom if seen else None,
    )  # fmt: skip
