"""Which mutants survive, and which branches does no test run?"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mutants.anew import try_anew
from mutants.core import CORE, ROOT
from mutants.loaded import try_loaded
from mutants.mutate import mutants
from mutants.trial import ARGUMENTS, told, warm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mutants.core import Module
    from mutants.mutate import Mutant

LEAST = 85
"""How many of a hundred mutants must be noticed, in each module."""


@dataclass(slots=True, kw_only=True)
class Score:
    """How many of a module's mutants were noticed?"""

    module: str
    tried: int = 0
    noticed: int = 0

    @property
    def percent(self) -> float:
        """Which share?"""
        return 100 * self.noticed / max(self.tried, 1)

    def __str__(self) -> str:
        return f"{self.module}: {self.noticed} of {self.tried} noticed ({self.percent:.1f} %)"


def tried(module: Module, every: int) -> Iterator[tuple[Mutant, bool]]:
    """Which mutants are there, and which of them are noticed?"""
    these = mutants(module.path.read_text(encoding="utf-8"), module.only)[::every]
    later, heard = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for number, found in told(lambda tell: try_loaded(module, these, folder, tell)):
            heard += 1
            if found is None:
                later.append(these[number])
            else:
                yield these[number], found
        for number, found in told(lambda tell: try_anew(module, later, folder, tell)):
            heard += 1
            yield later[number], bool(found)
    if heard < len(these) + len(later):
        sys.exit(f"{module.name}: not all were tried. Do its tests pass? pytest {' '.join(module.arguments)}")


def say(line: str) -> None:
    """Tell it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def scored(module: Module, every: int) -> Score:
    """Try the mutants of a module, and tell who survived."""
    score = Score(module=module.loaded)
    for mutant, noticed in tried(module, every):
        score.tried += 1
        score.noticed += noticed
        if not noticed:
            say(f"survived: {module.path.relative_to(ROOT)}:{mutant.line}: {mutant.old!r} -> {mutant.new!r}")
    say(str(score))
    return score


def covered() -> int:
    """Do the tests run every branch of the core? Fails below 100 %."""
    tests = dict.fromkeys(word for module in CORE for word in module.arguments)
    paths = ",".join(str(module.path) for module in CORE)
    with tempfile.TemporaryDirectory() as folder:
        data, coverage = f"--data-file={folder}/data", (sys.executable, "-m", "coverage")
        ran = subprocess.run(
            [*coverage, "run", data, "--branch", "-m", "pytest", "-q", *ARGUMENTS, *tests], check=False, cwd=ROOT
        )
        report = [*coverage, "report", data, "-m", f"--include={paths}", "--fail-under=100", "--precision=1"]
        return ran.returncode or subprocess.run(report, check=False, cwd=ROOT).returncode


def ended(scores: Sequence[Score]) -> int:
    """Which exit status have these scores? Each module must reach the mark by itself."""
    return 0 if scores and all(one.tried and one.percent >= LEAST for one in scores) else 1


def main() -> int:
    """Try them all, or those of the modules that are named; say who survived, and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="only modules whose name holds this")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth mutant")
    parser.add_argument("--branches", action="store_true", help="instead: does each branch run?")
    given = parser.parse_args()
    if given.branches:
        return covered()
    warm()
    chosen = [one for one in CORE if not given.module or any(word in one.name for word in given.module)]
    scores = [scored(module, given.every) for module in chosen]
    whole = Score(module="all", tried=sum(one.tried for one in scores), noticed=sum(one.noticed for one in scores))
    say(str(whole))
    return ended(scores)
