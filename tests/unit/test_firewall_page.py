"""Is what docs/firewall.md shows what the package answers?"""

from __future__ import annotations

import doctest
from pathlib import Path

import whyrefused.firewall

PAGE = Path(__file__).resolve().parents[2] / "docs/firewall.md"


def test_the_examples_of_the_page() -> None:
    """Each is run, and prints what stands there."""
    done = doctest.testfile(str(PAGE), module_relative=False)
    assert done.attempted > 5
    assert not done.failed


def test_the_examples_of_the_package() -> None:
    """The same of its docstring."""
    assert not doctest.testmod(whyrefused.firewall).failed
