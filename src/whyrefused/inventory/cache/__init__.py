"""What did the last run make of this inventory, if nothing has changed since?

Kept is the outcome, without a word of what stands in the files otherwise; and nothing of an inventory that may hold a
secret. Why, and what is part of the key: docs/decisions/0024-inventory-read-here.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.cache import disk, rows
from whyrefused.inventory.cache.disk import folder
from whyrefused.inventory.cache.key import key_of, name_of
from whyrefused.inventory.flaws import SECRET_NAME
from whyrefused.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from whyrefused.inventory.sources import Found, Source
    from whyrefused.records import Inventory

__all__ = ["Slot", "folder", "slot"]

SECRETIVE = re.compile(SECRET_NAME + r"[\w-]{0,40}[\"']?\s{0,9}[:=]", re.IGNORECASE)
"""A key, at any depth and in any kind of file, that by its name may hold a secret."""
OF_ANOTHER = re.compile(r"~\w")
"""The home of a user by name: where that is may change without a file of the inventory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where the outcome of this very inventory is kept, or would be."""

    file: Path
    key: str

    def get(self, readable: Callable[[str], bool]) -> Inventory | None:
        """What did the last run make of it? The key files must still be there."""
        text = disk.get(self.file, self.key)
        if text is None:
            return None
        try:
            found = rows.read(text)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None
        keys = {host.connection.key_file for host in found.hosts.values()}
        return found if all(map(readable, filter(None, keys))) else None

    def put(self, inventory: Inventory, files: Iterable[Source]) -> None:
        """Keep it for the next run, unless it may hold a secret."""
        if any(host.connection.password for host in inventory.hosts.values()):
            return
        if any(SECRETIVE.search(file.text) or OF_ANOTHER.search(file.text) for file in files):
            return
        text = rows.written(inventory)
        if redact(text) == text and rows.read(text) == inventory:
            disk.put(self.file, self.key, text)


def slot(folder: Path, given: Sequence[str], found: Found, limit: Sequence[str], environ: Mapping[str, str]) -> Slot:
    """Where is this inventory kept?"""
    return Slot(file=folder / f"{name_of(given, limit)}.json", key=key_of(given, found, limit, environ))
