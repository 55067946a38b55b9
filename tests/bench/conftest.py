"""Benchmarks run when they are asked for, and share one lab of twenty hosts with five addresses each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from bench.standard import prepare
from lab import Lab, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = "WHYREFUSED_BENCH"
HOSTS, ADDRESSES = 20, 5


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "bench: prints figures that a busy machine spoils; runs with `make bench`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `bench` unless it was asked for and can run, with the reason."""
    why = None if os.environ.get(ASKED) == "1" else f"benchmarks run with make bench ({ASKED}=1)"
    if reason := why or unavailable():
        for item in items:
            if item.get_closest_marker("bench"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Give twenty hosts on which everything is as the standard audit declares it."""
    with Lab(f"bench-{os.getpid()}") as made:
        prepare(made, made.boot(*(f"h{number:02}" for number in range(1, HOSTS + 1)), addresses=ADDRESSES))
        yield made
