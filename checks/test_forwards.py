"""forwards: declared, and not checked yet: each item says so, none is passed over in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whyrefused.records import LATER

if TYPE_CHECKING:
    from whyrefused.plan.items import LaterItem


def test_forwards(declared: LaterItem) -> None:
    """The declaration is counted as skipped."""
    pytest.skip(f"{LATER}: {declared.wanted}")
