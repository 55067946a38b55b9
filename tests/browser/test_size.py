"""Does a report stay small and quick whatever the size of the fleet? What noise cannot spoil; the rest: make bench."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from browser.reading import COUNT, LISTED, READY, fill

from whyrefused import report

FLEET = runpy.run_path(str(Path(__file__).parents[1] / "unit/data/report/fleet.py"))
MOST = {10_000: 2_000_000, 100_000: 10_000_000}
ELEMENTS = "document.querySelectorAll('*').length"


@pytest.mark.parametrize("items", MOST)
def test_a_fleet_fits_on_a_page(browser: Any, tmp_path: Path, items: int) -> None:  # noqa: ANN401
    """The file is small, no item costs an element before it comes into sight, and all of them are searched."""
    run = FLEET["run"](items)
    text = report.page(run, causes=FLEET["SAMPLE"]["CAUSES"])
    assert len(text.encode()) <= MOST[items]
    (tmp_path / "page.html").write_text(text)
    browser.show(1280, 900)
    browser.open(tmp_path / "page.html")
    browser.until(READY)
    of_findings = browser.evaluate("document.querySelectorAll('#findings *').length")
    assert browser.evaluate(ELEMENTS) - of_findings < 1_500
    assert of_findings <= 160 * len(run.findings) + 50
    fill(browser, "q", "web00042 8443")
    assert [["ports", "8443/tcp"]] == [it[:2] for it in browser.evaluate(LISTED)]
    assert browser.evaluate(COUNT).endswith(f"1 item of {items:,}")
    fill(browser, "q", "")
    browser.evaluate("document.querySelectorAll('#list .host button').forEach((it) => it.click())")
    assert browser.evaluate(ELEMENTS) - of_findings < 2_500


def test_thousands_of_findings_fit_too(browser: Any, sample: dict[str, Any], tmp_path: Path) -> None:  # noqa: ANN401
    """One fault on each host of a fleet: the widest are told in full, all have title, reach, first step and link."""
    run = sample["many"](3_000)
    text = report.page(run, causes=sample["CAUSES"])
    assert len(text.encode()) < 6_000_000
    (tmp_path / "page.html").write_text(text)
    browser.open(tmp_path / "page.html", "#finding=none")
    browser.until(READY)
    assert browser.evaluate(ELEMENTS) < 150_000
    assert 3_000 == browser.page.locator("article.finding").count()
    last = browser.page.locator("article.finding").last
    assert run.findings[-1].title in last.inner_text()
    assert run.findings[-1].fix[0] in last.inner_text()
