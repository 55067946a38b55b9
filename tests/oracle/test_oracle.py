"""Does the firewall package say what the kernel does? More of it: `make oracle CASES=100000 SEED=1`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .compare import Prober
from .needs import root_and_tools
from .rig import Rig
from .rulesets import case, install
from .run import PER_RULESET
from .words import by_hypothesis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = root_and_tools
CASES = int(os.environ.get("CASES", "2000"))
LAST_LINE = re.compile(r"cases (\d+) disagreements (\d+) cannot-tell (\d+)")
MOST_CANNOT_TELL = 0.02
SHRINKING = 25
"""Rulesets that hypothesis makes, and makes small where one is judged wrong."""


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    """Give a rig to ask."""
    with Rig("shrink") as rig:
        yield Prober(rig)


def test_the_kernel_agrees() -> None:
    """Every connection goes as its verdict says, and few have none; so `make oracle` says in its last line."""
    command = [sys.executable, str(Path(__file__).parent)]
    done = subprocess.run(command, env={**os.environ, "CASES": str(CASES)}, capture_output=True, text=True, check=False)
    last = LAST_LINE.fullmatch(done.stdout.rstrip().rpartition("\n")[2])
    assert last, done.stderr
    cases, disagreements, cannot_tell = map(int, last.groups())
    sys.stdout.write(f"{last[0]}\n")
    assert (cases, disagreements, done.returncode) == (CASES, 0, 0), done.stdout
    assert cannot_tell <= MOST_CANNOT_TELL * cases, done.stdout


@settings(max_examples=SHRINKING, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_disagrees_is_made_small(prober: Prober, data: st.DataObject) -> None:
    """The same, in rulesets that hypothesis chooses: a wrong verdict comes with the fewest rules that show it."""
    made = case(by_hypothesis(data), PER_RULESET)
    install(prober.rig, made.loads)
    wrong = [one for one in prober.compare(made.connections) if not one.agrees]
    assert not wrong, (made.loads, wrong[0])
