"""Which lab does a test get, and why none where none can run?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from . import Lab, matrix, unavailable
from .scenario import LOGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .scenario import Ended


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `lab` where no lab can run, with the reason."""
    if reason := unavailable():
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def record_scenario(record_property: Callable[[str, object], None]) -> Callable[[Ended], None]:
    """Keep what came of a scenario with the test's report, for the matrix at the end of the run."""
    return lambda ended: record_property(matrix.PROPERTY, matrix.packed(ended))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the confusion matrix of each login, and keep it where that is wanted."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    kept = [each for report in reports if report.when == "call" for each in report.user_properties]
    ended = matrix.answered(carried for name, carried in kept if name == matrix.PROPERTY)
    for login in LOGINS if ended else ():
        terminalreporter.section(matrix.sentence(ended, login))
        terminalreporter.write_line(matrix.table(ended, login))
    if ended and os.environ.get("WHYREFUSED_ACCURACY"):
        matrix.write(ended)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Give a lab of the module's own, with no host yet; xdist's workers have one each."""
    with Lab(f"test-{os.getpid()}") as made:
        yield made
