"""browses: declared, and not checked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan.items import LaterItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


def items(_inventory: Inventory, host: Host) -> Iterator[LaterItem]:
    """Which are declared?"""
    for browse in host.expect.browses:
        subject = browse.url.replace("::", "..")
        yield LaterItem(host=host.name, check="browses", subject=subject, wanted=f"a browser opens {browse.url}")


def questions(_inventory: Inventory, _item: LaterItem) -> Iterator[Question]:
    """Nothing yet."""
    yield from ()
