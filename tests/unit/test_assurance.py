"""Each promise is claimed once, and linked to tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = [*(f"R{number}" for number in (1, 2, "2b", *range(3, 13))), *(f"S{number}" for number in range(1, 14))]
ROWS = re.findall(r"^\| ([RS]\d+b?) \| (.+) \| (.*) \|$", (ROOT / "ASSURANCE.md").read_text(), re.MULTILINE)
LINKS = [
    (claim, text, target) for claim, _, shown in ROWS for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", shown)
]
PAGES = [target for _, words, _ in ROWS for target in re.findall(r"\]\(([^)]+)\)", words)]


def named_in(path: Path) -> set[str]:
    """The tests of a file, at its top level."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_promise_is_claimed() -> None:
    """Each promise stands once, in order, says what is promised, and is shown by a test."""
    assert PROMISES == [claim for claim, _, _ in ROWS]
    assert all(words.strip().endswith((".", ")")) for _, words, _ in ROWS)
    assert set(PROMISES) == {claim for claim, _, _ in LINKS}


@pytest.mark.parametrize(("claim", "text", "target"), LINKS, ids=[f"{link[0]}-{link[1]}" for link in LINKS])
def test_no_link_is_dead(claim: str, text: str, target: str) -> None:
    """The file is there, and the test is in it; a link that names only a file names one with tests."""
    assert claim
    path = ROOT / target
    assert path.is_file()
    found = {name for name in named_in(path) if name.startswith("test_")}
    assert text in found or (text == path.stem and found)


def test_no_page_is_dead() -> None:
    """What is linked beside the tests is there too."""
    assert PAGES
    assert not [target for target in PAGES if not (ROOT / target).exists()]
