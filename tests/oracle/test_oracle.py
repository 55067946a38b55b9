"""Does the firewall package say what the kernel does? More of it: `make oracle CASES=100000 SEED=1`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .compare import Prober
from .needs import root_and_tools
from .rig import Rig
from .rulesets import case, install
from .run import PER_RULESET, run
from .words import by_hypothesis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = root_and_tools
CASES = int(os.environ.get("CASES", "2000"))
SEED = int(os.environ.get("SEED", "1"))
MOST_CANNOT_TELL = 0.02
SHRINKING = 25
"""Rulesets that hypothesis makes, and makes small where one is judged wrong."""


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    """Give a rig to ask."""
    with Rig("shrink") as rig:
        yield Prober(rig)


def test_the_kernel_agrees() -> None:
    """Every connection goes as its verdict says, and few have none."""
    tally = run(CASES, SEED)
    sys.stdout.write(f"{tally}\n")
    assert tally.cases == CASES
    assert not tally.disagreements, tally.disagreements[0]
    assert tally.cannot_tell <= MOST_CANNOT_TELL * CASES, tally.reasons


@settings(max_examples=SHRINKING, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_disagrees_is_made_small(prober: Prober, data: st.DataObject) -> None:
    """The same, in rulesets that hypothesis chooses: a wrong verdict comes with the fewest rules that show it."""
    made = case(by_hypothesis(data), PER_RULESET)
    install(prober.rig, made.loads)
    wrong = [one for one in prober.compare(made.connections) if not one.agrees]
    assert not wrong, (made.loads, wrong[0])
