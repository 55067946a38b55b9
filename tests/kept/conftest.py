"""The fleet that these tests audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .fleet import Fleet, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Eight hosts of a real sshd on loopback."""
    with fleet(tmp_path_factory.mktemp("fleet"), 8) as made:
        yield made
