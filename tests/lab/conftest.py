"""Which lab does a test get, and why none where none can run?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from . import Lab, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `lab` where no lab can run, with the reason."""
    if reason := unavailable():
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Give a lab of the module's own, with no host yet; xdist's workers have one each."""
    with Lab(f"test-{os.getpid()}") as made:
        yield made
