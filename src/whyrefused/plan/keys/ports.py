"""ports: a port, and what must listen there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.plan import ends
from whyrefused.plan.items import Item, Protocol, number_of, protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class PortItem(Item):
    """A port, and what must listen there."""

    port: int
    protocol: Protocol
    state: Literal["listening", "absent"]
    bind: str  # ADDRESS, ADDRESS%DEVICE or %DEVICE
    unit: str | None  # as declared


def items(_inventory: Inventory, host: Host) -> Iterator[PortItem]:
    """Which ports are declared?"""
    for key, port in host.expect.ports.items():
        owner = f", held by {port.service}" if port.service else ""
        wanted = f"a listener that answers {port.bind}:{number_of(key)}{owner}"
        yield PortItem(
            host=host.name, check="ports", subject=key,
            wanted=wanted if port.state == "listening" else f"nothing listens on {key}",
            port=number_of(key), protocol=protocol_of(key), state=port.state, bind=port.bind, unit=port.service,
        )  # fmt: skip


def questions(inventory: Inventory, item: PortItem) -> Iterator[Question]:
    """Who listens, and in which state is the unit that should?"""
    yield from ends.listening(inventory, item.host)
