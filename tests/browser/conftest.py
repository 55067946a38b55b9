"""A real browser for the tests of the page; where there is none, they say so."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.reading import DRAWN, READY, UNFOLD

from whyrefused import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.records import Run

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


@pytest.fixture(scope="module")
def browser(chromium: dict[str, Any]) -> Iterator[Any]:
    """Which browser shows the page? One a module: while it is open, playwright's event loop counts as running."""
    with chromium["Chromium"]() as it:
        yield it


@pytest.fixture
def opened(browser: Any, sample: dict[str, Any], tmp_path: Path) -> Any:  # noqa: ANN401 - loaded with runpy
    """How is a run's page opened? As a function of the run and the window."""

    def opened(run: Run, width: int = 1280, fragment: str = "", *, dark: bool = False, scripts: bool = True) -> Any:  # noqa: ANN401
        report.write(tmp_path / "page.html", report.page(run, causes=sample["CAUSES"]), 0o600)
        browser.show(width, 900, dark=dark, scripts=scripts)
        browser.open(tmp_path / "page.html", fragment)
        if scripts and run.results:
            browser.until(READY)
        return browser

    return opened


@pytest.fixture(scope="module")
def show(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - loaded with runpy
    """How is a text opened as a page, with all that is folded unfolded? As a function."""
    path = tmp_path_factory.mktemp("shown") / "page.html"

    def show(text: str, *, scripts: bool = True) -> Any:  # noqa: ANN401
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        browser.show(1280, 900, scripts=scripts)
        browser.open(path)
        if scripts and 'id="rows"' in text:
            browser.until(READY)
        browser.evaluate(UNFOLD)
        if scripts:
            browser.evaluate(DRAWN)
        return browser

    return show
