"""The generated pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyrefused import causes, manual, probes

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", manual.pages())
def test_page_is_current(name: str) -> None:
    """`make docs` would change nothing."""
    assert manual.pages()[name] == (REPOSITORY / name).read_text(encoding="utf-8")


def test_all_causes_are_there() -> None:
    """Every cause has a heading with its id as the anchor."""
    assert all(f'<a id="{code}"></a>' in manual.of_causes() for code in causes.registry())


def test_all_commands_are_there() -> None:
    """Every probe's fragment stands in the list, word for word."""
    page = manual.of_commands()
    for name, probe in probes.registry().items():
        assert probe.fragment(manual.SAMPLES.get(name, ())).strip() in page
