"""What does a report of a fleet cost: to write, to open, to search? CPU of all processes of a real browser.

No host is needed: the run is made up, with hosts that each say their own (`tests/unit/data/report/fleet.py`).
"""

from __future__ import annotations

import resource
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bench import race

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.bench

TESTS = Path(__file__).parents[1]
CHROMIUM = runpy.run_path(str(TESTS / "browser/chromium.py"))
ITEMS = (1_000, 10_000, 100_000)
LAPS = 5
FINDINGS = 5_000
READY = "document.documentElement.classList.contains('ready')"
SETTLED = "new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 0)), 200))"
SOUGHT = ("web00042 8443", "no such words", "nginx MainPID", "a")
"""One host, nothing, two words that stand in evidence alone, nearly everything."""
SOUGHT_AMONG_FINDINGS = ("db0042", "postgresql failed", "no such words", "a")
"""One finding, all of them, none, and all again."""
MOST: dict[int, tuple[float, float]] = {10_000: (2, 1.0), 100_000: (10, 3.0)}
"""At most so many MB, and seconds of CPU until the page can be used."""
MOST_SEARCH, MOST_WRITE, MOST_GROWTH = 0.5, 5.0, 13
"""Seconds of CPU to search 100,000 rows and to write them; how many times as much ten times the items may cost."""
WRITE = """
import resource, runpy, sys, time
from pathlib import Path
from whyrefused import report
fleet = runpy.run_path(sys.argv[1])
run = (fleet["SAMPLE"]["many"] if sys.argv[4] == "many" else fleet["run"])(int(sys.argv[2]))
report.warm_up()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
text = report.page(run, causes=fleet["SAMPLE"]["CAUSES"])
took = time.process_time() - start
Path(sys.argv[3]).write_text(text)
print(took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, len(run.findings))
"""


def written(items: int, path: Path, kind: str = "fleet") -> tuple[float, float, int]:
    """What does it take to write a page of so many items: CPU seconds, MiB more than before, and its findings?"""
    words = (sys.executable, "-c", WRITE, str(TESTS / "unit/data/report/fleet.py"), str(items), str(path), kind)
    laps = [subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    return min(float(it[0]) for it in laps), float(laps[0][1]), int(laps[0][2])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Which browser opens them?"""
    if not CHROMIUM["PROGRAM"]:
        pytest.skip("no chromium here: apt-get install chromium")
    with CHROMIUM["Chromium"]() as it:
        it.show(1280, 900)
        yield it


def opening(browser: Any, path: Path) -> float:  # noqa: ANN401 - loaded with runpy
    """How much CPU until the page can be used?"""
    browser.page.goto("about:blank")
    time.sleep(0.3)
    before = browser.cpu()
    browser.open(path)
    browser.until(READY)
    return float(browser.cpu() - before)


def searching(browser: Any, text: str) -> float:  # noqa: ANN401
    """How much CPU until what fits is shown? With the typing and the drawing."""
    before = browser.cpu()
    browser.page.locator("#filter-q").fill(text)
    browser.evaluate(SETTLED)
    return float(browser.cpu() - before)


def test_a_finding_on_each_of_five_thousand_hosts(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """One fault everywhere: printed beside the others, and within the promise of 100,000 items."""
    path = tmp_path / "many.html"
    took, _, findings = written(FINDINGS, path, "many")
    opened, searched, cleared = [], [], []
    for _ in range(3):
        opened.append(opening(browser, path))
        searched.append([searching(browser, it) for it in SOUGHT_AMONG_FINDINGS])
        cleared.append(searching(browser, ""))
    size, best = path.stat().st_size / 1e6, [min(it) for it in zip(*searched, strict=True)]
    head = ("findings", "file MB", "written, CPU s", "opened, CPU s", "searched, CPU s", "cleared, CPU s")
    race.say(
        "The report of one fault on each host: least of three",
        [head, (f"{findings:,}", f"{size:.2f}", f"{took:.2f}", f"{min(opened):.2f}",
                f"{min(best):.2f}-{max(best):.2f}", f"{min(cleared):.2f}")],
    )  # fmt: skip
    most_size, most_open = MOST[100_000]
    assert size <= most_size
    assert min(opened) <= most_open
    assert max(best) <= MOST_SEARCH, dict(zip(SOUGHT_AMONG_FINDINGS, best, strict=True))


def test_the_report(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Size, CPU and memory to write, CPU to open and to search: all of them within the promise, and linear."""
    head = ("items", "findings", "file MB", "written, CPU s", "MiB", "opened, CPU s", "searched, CPU s", "elements")
    table: list[tuple[str, ...]] = [head]
    written_in: dict[int, float] = {}
    beyond: list[tuple[object, ...]] = []
    for items in ITEMS:
        path = tmp_path / f"{items}.html"
        took, memory, findings = written(items, path)
        size = path.stat().st_size / 1e6
        opened, searched = [], []
        for _ in range(LAPS):
            opened.append(opening(browser, path))
            searched.append([searching(browser, it) for it in SOUGHT])
        best = [min(it) for it in zip(*searched, strict=True)]
        elements = browser.evaluate("document.querySelectorAll('*').length")
        written_in[items] = took
        table.append((f"{items:,}", f"{findings:,}", f"{size:.2f}", f"{took:.2f}", f"{memory:.0f}",
                      f"{min(opened):.2f} ({max(opened):.2f})", f"{min(best):.2f}-{max(best):.2f}",
                      f"{elements:,}"))  # fmt: skip
        most_size, most_open = MOST.get(items, (size, 1.0))
        if size > most_size or min(opened) > most_open or max(best) > MOST_SEARCH:
            beyond.append((items, size, min(opened), best))
    race.say("The report: least of five (most)", table)
    assert not beyond
    assert written_in[100_000] < MOST_WRITE
    assert written_in[100_000] < MOST_GROWTH * written_in[10_000]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KiB
