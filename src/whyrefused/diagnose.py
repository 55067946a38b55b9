"""Why did the items fail? Failures and the evidence of both ends -> findings, one for each root. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from whyrefused.case import BrowseItem, excluded, unknown
from whyrefused.cases import case_of
from whyrefused.causes import registry
from whyrefused.facts import pages, refuser
from whyrefused.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.facts.refuser import Refusal
    from whyrefused.plan.items import Item
    from whyrefused.records import Inventory, Line, Ruling, Seen

UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One item that is not as declared."""

    id: str  # pytest node id
    item: Item
    seen: Seen


def diagnose(inventory: Inventory, failures: Iterable[Failure], evidence: Evidence) -> tuple[Finding, ...]:
    """Which roots explain these failures? Each finding once, with all that it explains.

    An item may be explained by two findings where two faults are proven that both keep it from working; the first of
    them is what a client meets first. A failure that is no refused connection, such as a port that should be closed
    and is not, has no finding.
    """
    diagnosis = Diagnosis(inventory, evidence)
    for failure in failures:
        diagnosis.add(failure)
    return diagnosis.findings()


class Diagnosis:
    """The roots of the failures so far. In which order these come does not matter, so that each comes with its host."""

    def __init__(self, inventory: Inventory, evidence: Evidence) -> None:
        self._inventory = inventory
        self._evidence = evidence
        self._roots: dict[str, _Root] = {}

    def add(self, failure: Failure) -> None:
        """Why is this one not as declared?"""
        place = _nearest_first(failure)
        for finding in _explained(self._inventory, failure, self._evidence):
            known = self._roots.setdefault(finding.id, _Root(place, finding))
            known.parts.append(_Part(place, finding.explains, finding.evidence, finding.hides))
            if place < known.place:
                known.place, known.told = place, finding

    def findings(self) -> tuple[Finding, ...]:
        """Which roots explain them? Each once."""
        return tuple(sorted((root.joined() for root in self._roots.values()), key=_weight))


class _Part(NamedTuple):
    """What one failure adds to its root."""

    place: tuple[int, str]
    explains: tuple[str, ...]
    evidence: tuple[Line, ...]
    hides: tuple[str, ...]


@dataclass(slots=True)
class _Root:
    """One root, in the words of what stands nearest to it."""

    place: tuple[int, str]
    told: Finding
    parts: list[_Part] = field(default_factory=list)

    def joined(self) -> Finding:
        """All that it explains, and the evidence of each, the nearest first."""
        self.parts.sort(key=lambda part: part.place)
        return replace(
            self.told,
            explains=tuple(dict.fromkeys(one for part in self.parts for one in part.explains)),
            evidence=tuple(dict.fromkeys(line for part in self.parts for line in part.evidence)),
            hides=tuple(dict.fromkeys(code for part in self.parts for code in part.hides)),
        )


def _explained(inventory: Inventory, failure: Failure, evidence: Evidence) -> list[Finding]:
    try:
        case = case_of(inventory, failure.item, failure.seen, evidence)
        if case is None:
            return []
        rulings = {code: _over_all(code, case, evidence) for code in registry()}
        return _of_case(case, failure.id, rulings, evidence)
    except Exception:  # noqa: BLE001 - the item stays failed; what one host says must not cost the others their findings
        return []


def _over_all(code: str, case: Case, evidence: Evidence) -> Ruling:
    """What does this cause answer, where a name led to several addresses of the server, and each failed by itself?"""
    ruled = [_ruled(code, one, evidence) for one in (case, *map(case.ended_by, case.alike))]
    return next((one for answer in ("proven", "unknown") for one in ruled if one.answer == answer), ruled[0])


def _ruled(code: str, case: Case, evidence: Evidence) -> Ruling:
    """What does this cause answer? Where a plain connection to a page works, nothing on that way keeps it shut."""
    try:
        ruling = registry()[code].rule(case, evidence)
    except Exception as fault:  # noqa: BLE001 - as above
        return unknown(f"the rule itself failed: {type(fault).__name__}: {fault}")
    plain = pages.plain(case.seen.value) if isinstance(case.item, BrowseItem) else ()
    if plain and ruling.answer != "proven" and code not in {"proxy", "browser"}:
        lines = (evidence[case.item.host].line("connect(2)", line) for line in plain)
        return excluded("a plain connection from the same host works", *lines)
    return ruling


def first_of(findings: Iterable[Finding]) -> Mapping[str, str]:
    """Which finding explains each failed result first? The one that no other of its findings hides."""
    by_result: dict[str, list[Finding]] = {}
    for finding in findings:
        for result in finding.explains:
            by_result.setdefault(result, []).append(finding)
    return {result: _first(mine) for result, mine in by_result.items()}


def _first(mine: list[Finding]) -> str:
    codes = {finding.cause for finding in mine}
    plain = [one for one in mine if one.cause == UNDETERMINED or not codes & set(registry()[one.cause].hidden_by)]
    return (plain or mine)[0].id


NEAREST = (
    "services",
    "ports",
    "firewall",
    "proxy",
    "resolves",
    "configured_in",
    "headroom",
    "forwards",
    "connects",
    "browses",
)


def _nearest_first(failure: Failure) -> tuple[int, str]:
    """What stands nearest to a root tells it best, and its words head the finding; a path is told last."""
    check = failure.item.check
    return (NEAREST.index(check) if check in NEAREST else len(NEAREST)), failure.id


def _weight(finding: Finding) -> tuple[bool, int, str]:
    return finding.cause == UNDETERMINED, -len(finding.explains), finding.id


def _of_case(case: Case, result: str, rulings: Mapping[str, Ruling], evidence: Evidence) -> list[Finding]:
    proven = {code: ruling for code, ruling in rulings.items() if ruling.answer == "proven"}
    if not proven:
        return [_undetermined(case, result, rulings, refuser.of(case, evidence))]
    return [
        Finding(
            id=f"{code}:{ruling.host}:{ruling.subject}",
            cause=code,
            variant=ruling.variant,
            host=ruling.host,
            subject=ruling.subject,
            title=f"{ruling.host}: {registry()[code].title}: {ruling.because}",
            explains=(result,),
            evidence=tuple(dict.fromkeys((*ruling.evidence, *case.seen.lines))),
            fix=ruling.fix,
            verify=ruling.verify,
            differential=rulings,
            hides=_hidden_behind(code, rulings) if case.port else (),
        )
        for code, ruling in proven.items()
    ]


def _hidden_behind(code: str, rulings: Mapping[str, Ruling]) -> tuple[str, ...]:
    """Which causes could not be looked at because a packet meets this one first?"""
    causes = registry()
    return tuple(
        other for other, ruling in rulings.items() if ruling.answer == "unknown" and code in causes[other].hidden_by
    )


def _undetermined(case: Case, result: str, rulings: Mapping[str, Ruling], refusal: Refusal | None) -> Finding:
    host = case.server or case.item.host
    subject = case.key if case.port else case.item.subject
    return Finding(
        id=f"{UNDETERMINED}:{host}:{subject}",
        cause=UNDETERMINED,
        variant=case.seen.symptom or case.item.check,
        host=host,
        subject=subject,
        title=f"{host}: undetermined: {case.item.wanted}, but {case.seen.said}"
        + (f" ({refusal.because})" if refusal else ""),
        explains=(result,),
        evidence=(*case.seen.lines, *(refusal.lines if refusal else ())),
        fix=(),
        verify=(),
        differential=rulings,
    )
