"""May there be a secret in this? Then nothing of it is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whyrefused.inventory.flaws import SECRET_NAME
from whyrefused.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.inventory.sources import Source
    from whyrefused.records import Inventory

SECRETIVE = re.compile(SECRET_NAME + r"[\w-]{0,40}[\"']?\s{0,9}[:=]", re.IGNORECASE)
"""A key, at any depth and in any kind of file, that by its name may hold a secret."""
OF_ANOTHER = re.compile(r"~\w")
"""The home of a user by name: where that is may change without a file of the inventory."""


def inventory(found: Inventory, files: Iterable[Source]) -> bool:
    """May there be one in this inventory, or in a file of it? Or something that is another's to change."""
    return any(host.connection.password for host in found.hosts.values()) or any(
        SECRETIVE.search(file.text) or OF_ANOTHER.search(file.text) for file in files
    )


def text(kept: str) -> bool:
    """Is there one in what would be kept?"""
    return redact(kept) != kept
