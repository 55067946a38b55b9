"""resolves: a name, and the addresses it must have."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.plan import ends
from whyrefused.plan.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class NameItem(Item):
    """A name, and the addresses it must have."""

    name: str
    answers: tuple[IPv4Address | IPv6Address, ...]  # each must be given
    permitted: tuple[IPv4Network | IPv6Network, ...]  # may be given besides


def items(_inventory: Inventory, host: Host) -> Iterator[NameItem]:
    """Which names are declared?"""
    for name, answers in host.expect.resolves.items():
        yield NameItem(
            host=host.name, check="resolves", subject=name, wanted=f"{name} is {', '.join(answers)}", name=name,
            answers=tuple(ipaddress.ip_address(answer) for answer in answers if "/" not in answer),
            permitted=tuple(ipaddress.ip_network(answer) for answer in answers if "/" in answer),
        )  # fmt: skip


def questions(inventory: Inventory, item: NameItem) -> Iterator[Question]:
    """What does the host's own resolver order answer? One that speaks IPv4 alone is not given what else there is."""
    yield from ends.name(inventory, item.host, item.name, item.answers)
    if any(isinstance(answer, ipaddress.IPv6Address) for answer in item.answers):
        yield item.host, "addresses", ""
