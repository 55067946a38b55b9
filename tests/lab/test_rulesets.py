"""Are the verdicts right on rules that real programs make?

Each case of `rulesets/` runs a program's own commands on a real host. Then its rules are read and judged, and the same
connections are really made: the kernel says who is right.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from whyrefused.firewall import Trace, judge, load

from . import keep, ruleset, traffic
from .layer import CONTAINERS
from .process import LabError
from .site import Site, Stage, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from . import Lab
    from .ruleset import Ask, Case
    from .site import Box
    from .traffic import Dial, Met

pytestmark = pytest.mark.lab

PROGRAMS = {program.name: program for program in ruleset.programs()}
RETRIES = 2
CASES = [case for program in PROGRAMS.values() for case in program.cases]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One connection: what was said of it, and what it met."""

    dial: Dial
    ask: Ask
    met: Met
    trace: Trace
    answerers: frozenset[str]  # who may answer it, as the trace has it; empty: it does not tell

    def __str__(self) -> str:
        said = f"{self.trace.verdict} {self.trace.how}{self.trace.why} {self.trace.redirected}"
        step = self.trace.decided
        return f"{self.dial}: {self.met}, asked for {self.ask.end}, judged {said} by {step and (step.place, step.rule)}"


class Theatre:
    """Plays the cases: those of a program one after the other on a host of its own, the programs side by side."""

    def __init__(self, lab: Lab, cases: Iterable[str]) -> None:
        self.pool = ThreadPoolExecutor(len(PROGRAMS))
        self.over = threading.Event()
        self.site = Site(lab, {port for program in PROGRAMS.values() for port in program.ports})
        self.played: dict[str, Future[list[Tried]]] = {case: Future() for case in cases}
        for name in PROGRAMS:
            self.pool.submit(self._season, name)

    def _season(self, name: str) -> None:
        program = PROGRAMS[name]
        chosen = (case for case in program.cases if str(case) in self.played and not self.over.is_set())
        box: Box | None = None
        for case in chosen:
            future = self.played[str(case)]
            try:
                layer = CONTAINERS if program.layer else None
                box = box or self.site.put(name, layer, program.ports, program.routed)
                future.set_result(self._play(case, box))
            except Exception as error:  # noqa: BLE001 - it is raised again in the case's own test
                future.set_exception(error)

    def _play(self, case: Case, box: Box) -> list[Tried]:
        """Run a case's commands, judge and dial."""
        box.host.run(f"exec 2>&1; {PROGRAMS[case.program].clear}", check=False)
        box.host.run(f"{words(self.site, box)}set -e; exec 2>&1\n{case.run}")
        stage = Stage(self.site, box, case.places)
        texts = stage.texts()
        rules = load(*texts)
        asked = {dial: ask for ask in case.asks for dial in stage.dials(ask)}
        traces = {dial: judge(rules, *stage.question(dial)) for dial in asked}
        met = traffic.meet(stage.inside, list(asked))
        tried = [Tried(dial=dial, ask=ask, met=met[dial], trace=traces[dial],
                       answerers=_answerers(stage, dial, ask, traces)) for dial, ask in asked.items()]  # fmt: skip
        for _ in range(RETRIES):
            # A machine under load may answer late, or find a neighbour too late; a wrong verdict stays wrong.
            again = [one.dial for one in tried if not agrees(one)]
            met = traffic.meet(stage.inside, again) if again else {}
            tried = [replace(one, met=met.get(one.dial, one.met)) for one in tried]
        if case.kept and os.environ.get("WHYREFUSED_RECORD") and all(map(agrees, tried)):
            judged = [(*stage.question(dial), traces[dial]) for dial in asked]
            keep.keep(case.kept, texts, judged, self.site.renames(box))
        return tried


def _answerers(stage: Stage, dial: Dial, ask: Ask, traces: dict[Dial, Trace]) -> frozenset[str]:
    if ask.by:
        named = [word.split(" ") for word in ask.by]
        return frozenset(f"{address} {port}" for name, port in named for address in stage.addresses[name])
    if not traces[dial].redirected:
        return frozenset({f"{dial.destination} {dial.port}"})
    to = [each.rpartition(":") for each in traces[dial].redirected.split(" or ")]
    own = stage.network.addresses
    return frozenset(f"{at} {port}" for text, _, port in to for at in ([text.strip("[]")] if text else own))


@pytest.fixture(scope="module")
def theatre(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Theatre]:
    """Play the cases that were chosen."""
    called = [item.callspec for item in request.session.items if isinstance(item, pytest.Function) and has_case(item)]
    made = Theatre(lab, {str(spec.params["tried"]) for spec in called})
    yield made
    made.over.set()
    made.pool.shutdown(cancel_futures=True)


def has_case(item: pytest.Function) -> bool:
    """Is this a test of a case?"""
    return item.module.__name__ == __name__ and hasattr(item, "callspec")


@pytest.fixture(scope="module", params=CASES, ids=str)
def tried(request: pytest.FixtureRequest, theatre: Theatre) -> list[Tried]:
    """Give what became of one case."""
    try:
        return theatre.played[str(request.param)].result()
    except LabError as error:
        if "cannot be installed" in str(error):
            pytest.skip(str(error).splitlines()[0])
        raise


def agrees(one: Tried) -> bool:
    """Is the verdict what the connection met?"""
    trace, end = one.trace, one.met.end
    if trace.verdict == "cannot-tell":
        verdict = end if end in ("accept", "drop") else "reject"
        return bool(one.ask.untold) and one.ask.untold in trace.why and (trace.quiet or verdict) == verdict
    if one.ask.untold:
        return False
    if trace.verdict == "reject":
        return end in trace.how.split(" or ")
    return end == trace.verdict and (end != "accept" or one.met.by in one.answerers)


def test_connections_meet_what_the_case_says(tried: list[Tried]) -> None:
    """The program's commands have the effect that its manual promises."""
    wrong = [one for one in tried if one.met.end != ruleset.code(one.ask.end, ruleset.version(one.dial.destination))]
    assert not wrong, "\n".join(map(str, wrong))


def test_verdicts_are_what_connections_meet(tried: list[Tried]) -> None:
    """Each connection ends as its trace says, and whoever NAT leads it to answers."""
    untold = sum(one.trace.verdict == "cannot-tell" for one in tried)
    wrong = [one for one in tried if not agrees(one)]
    sys.stdout.write(f"connections {len(tried)} disagreements {len(wrong)} cannot-tell {untold}\n")
    assert not wrong, "\n".join(map(str, wrong))


def test_authors_are_named(tried: list[Tried]) -> None:
    """The program that wrote the deciding rule is named."""
    wrong = [one for one in tried if one.ask.author is not None and one.ask.author != one.trace.author]
    assert not wrong, "\n".join(f"{one.trace.author!r} {one}" for one in wrong)
