"""Which items does an inventory declare?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.plan.keys import registry
from whyrefused.plan.who import asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.plan.items import Item
    from whyrefused.records import Inventory


def declared(inventory: Inventory) -> tuple[Item, ...]:
    """Which items are declared of the selected hosts? In inventory order; no two with one check and label."""
    found: dict[tuple[str, str], Item] = {}
    for name in asked(inventory):
        host = inventory.hosts[name]
        for item in _apart(item for key in registry().values() for item in key.items(inventory, host)):
            found.setdefault((item.check, item.label), item)
    return tuple(found.values())


def _apart(items: Iterable[Item]) -> Iterator[Item]:
    """Two declarations of one path, by its client and by its server, are two items: the client's is marked so."""
    known: set[tuple[str, str]] = set()
    for item in items:
        told = replace(item, subject=f"{item.subject} (connects)") if (item.check, item.label) in known else item
        known.add((told.check, told.label))
        yield told
