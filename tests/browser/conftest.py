"""A real browser for the tests of the page; where there is none, they say so."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = runpy.run_path(str(Path(__file__).parent / "chromium.py"))
SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "unit/data/report/sample.py"))


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    """Which runs are there to show?"""
    return SAMPLE


@pytest.fixture(scope="session")
def chromium() -> dict[str, Any]:
    """What is in the helper beside this file?"""
    if not CHROMIUM["PROGRAM"]:
        pytest.skip("no chromium here: apt-get install chromium")
    return CHROMIUM


@pytest.fixture(scope="session")
def browser(chromium: dict[str, Any]) -> Iterator[Any]:
    """Which browser shows the page?"""
    with chromium["Chromium"]() as it:
        yield it
