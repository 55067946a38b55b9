"""Which exit status wins where several would be right? Every pair of what can happen to a run."""

from __future__ import annotations

import itertools

import pytest

from whyrefused.status import exit_status

HAPPENS = {
    # what happened: (the status it asks for, what is known of it)
    "all as declared": (0, {}),
    "something is not": (1, {"given": 1, "wrong": 1}),
    "not decided": (1, {"given": 1, "wrong": 1}),
    "another test failed": (1, {"given": 1}),
    "pytest did not count it": (1, {"wrong": 1}),
    "not written": (1, {"unwritten": True}),
    "interrupted": (2, {"interrupted": True}),
    "interrupted, and pytest says so": (2, {"given": 2}),
    "a killed run, judged again": (2, {"interrupted": True}),
    "wrong command line": (4, {"given": 4}),
    "broken": (3, {"given": 3}),
    "nothing was judged": (5, {"judged": 0}),
    "nothing was there": (5, {"given": 5, "judged": 0}),
}
ORDER = (4, 3, 2, 1, 5, 0)
"""Which of two statuses is told: a wrong command line before all, then what kept the run from its end, then results."""


def both(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """What is known where both happened? pytest says the weightiest."""
    statuses = [known.get("given", 0) for known in (one, other)]
    given = next(status for status in ORDER if status in statuses)
    return {"judged": 1, "wrong": 0, "unwritten": False, "interrupted": False, **one, **other, "given": given}


@pytest.mark.parametrize(("one", "other"), list(itertools.product(HAPPENS, repeat=2)))
def test_every_pair(one: str, other: str) -> None:
    """The status is that of the two which stands first in the order."""
    (first, known), (second, more) = HAPPENS[one], HAPPENS[other]
    expected = next(status for status in ORDER if status in {first, second})
    assert expected == exit_status(**both(known, more))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", range(7))
@pytest.mark.parametrize(("judged", "wrong"), [(0, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("unwritten", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
def test_green_is_rare(given: int, judged: int, wrong: int, *, unwritten: bool, interrupted: bool) -> None:
    """0 is said only where something was judged, nothing is wrong, all is written, and nobody ended it."""
    status = exit_status(given, judged=judged, wrong=wrong, unwritten=unwritten, interrupted=interrupted)
    green = given == 0 and judged > 0 and not wrong and not unwritten and not interrupted
    assert green == (status == 0)
    assert (status == given) or given in {0, 1, 2, 5}
