"""services: a systemd unit and the state it must be in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.plan import ends
from whyrefused.plan.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem(Item):
    """A unit and its state."""

    unit: str
    state: Literal["running", "stopped", "absent"]
    enabled: bool | None


def items(_inventory: Inventory, host: Host) -> Iterator[ServiceItem]:
    """Which units are declared?"""
    for unit, service in host.expect.services.items():
        boot = {None: "", True: ", enabled", False: ", not enabled"}[service.enabled]
        yield ServiceItem(
            host=host.name, check="services", subject=unit, wanted=f"{unit} {service.state}{boot}",
            unit=unit, state=service.state, enabled=service.enabled,
        )  # fmt: skip


def questions(inventory: Inventory, item: ServiceItem) -> Iterator[Question]:
    """Its state, and who listens where it should."""
    yield item.host, "units", item.unit
    yield from ends.listening(inventory, item.host)
