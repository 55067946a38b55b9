"""forwards: declared, and not checked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan.items import LaterItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


def items(_inventory: Inventory, host: Host) -> Iterator[LaterItem]:
    """Which are declared?"""
    for key, target in host.expect.forwards.items():
        yield LaterItem(host=host.name, check="forwards", subject=key, wanted=f"{key} is forwarded to {target}")


def questions(_inventory: Inventory, _item: LaterItem) -> Iterator[Question]:
    """Nothing yet."""
    yield from ()
