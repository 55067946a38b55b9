"""What did the last run make of this inventory, if nothing has changed since?

Kept is the outcome, without a word of what stands in the files otherwise; and nothing of an inventory that may hold a
secret. Why, and what is part of the key: docs/decisions/0024-inventory-read-here.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.cache import disk, rows
from whyrefused.inventory.cache.disk import folder
from whyrefused.inventory.cache.key import key_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from whyrefused.inventory.sources import Found, Source
    from whyrefused.records import Inventory

__all__ = ["Slot", "folder", "slot"]


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
        from whyrefused.inventory.cache import secretive  # noqa: PLC0415 - only where something is kept

        if secretive.inventory(inventory, files):
            return
        text = rows.written(inventory)
        if not secretive.text(text) and rows.read(text) == inventory:
            disk.put(self.file, self.key, text)


def slot(folder: Path, given: Sequence[str], found: Found, limit: Sequence[str], environ: Mapping[str, str]) -> Slot:
    """Where is this inventory kept?"""
    return Slot(file=folder / f"{name_of(given, limit)}.json", key=key_of(given, found, limit, environ))
