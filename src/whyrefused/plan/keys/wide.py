"""wide: no port that is bound wide is refused by a rule made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.plan import ends
from whyrefused.plan.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class WideItem(Item):
    """No port bound wide is refused by a rule made for it."""


def items(_inventory: Inventory, host: Host) -> Iterator[WideItem]:
    """Is it declared?"""
    if host.expect.wide:
        yield WideItem(host=host.name, check="wide", subject="wide", wanted="no wide port refused by a rule for it")


def questions(_inventory: Inventory, item: WideItem) -> Iterator[Question]:
    """Who listens, and which rules are there?"""
    yield from ((item.host, probe, "") for probe in ends.LISTENING)
    yield from ends.rules(item.host)
