"""Does the closing sentence count right?"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from whyrefused import report

SAMPLE = runpy.run_path(str(Path(__file__).parent / "data/report/sample.py"))


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (
            SAMPLE["broken"](),
            "4 hosts, 29 items: 21 passed, 6 failed, 1 error, 1 skipped (1 not checked yet); 3 findings.",
        ),
        (SAMPLE["healthy"](), "4 hosts, 21 items: 21 passed, 0 failed, 0 errors, 0 skipped; 0 findings."),
        (SAMPLE["empty"](), "0 hosts, 0 items: 0 passed, 0 failed, 0 errors, 0 skipped; 0 findings."),
        (
            replace(SAMPLE["healthy"](), complete=False),
            "Incomplete: 4 hosts, 21 items: 21 passed, 0 failed, 0 errors, 0 skipped; 0 findings.",
        ),
        (
            replace(
                SAMPLE["healthy"](), hosts=("web1",), results=SAMPLE["failing"]()[:1], findings=(SAMPLE["loopback"](),)
            ),
            "1 host, 1 item: 0 passed, 1 failed, 0 errors, 0 skipped; 1 finding.",
        ),
    ],
    ids=["broken", "healthy", "empty", "cut-short", "singular"],
)
def test_summary(run: object, sentence: str) -> None:
    """Hosts, items, outcomes and findings, in one sentence."""
    assert sentence == report.summary(run)  # type: ignore[arg-type]


def test_skipped_for_another_reason_is_not_later() -> None:
    """Only the words `not checked yet` count as such."""
    later = SAMPLE["quiet"]()[-1]
    run = replace(
        SAMPLE["healthy"](), results=(later, replace(later, id="other", observed="does not apply: no systemd"))
    )
    assert "2 skipped (1 not checked yet)" in report.summary(run)
