"""configured_in: declared, and not checked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan.items import LaterItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


def items(_inventory: Inventory, host: Host) -> Iterator[LaterItem]:
    """Which are declared?"""
    for connect in host.expect.connects:
        if connect.configured_in:
            subject = f"{connect.to} in {connect.configured_in}"
            wanted = f"configured as {connect.to}"
            yield LaterItem(host=host.name, check="configured_in", subject=subject, wanted=wanted)


def questions(_inventory: Inventory, _item: LaterItem) -> Iterator[Question]:
    """Nothing yet."""
    yield from ()
