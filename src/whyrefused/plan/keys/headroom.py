"""headroom: the share of a limit that must still be free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.plan import ends
from whyrefused.plan.items import Item, number_of, protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomItem(Item):
    """A limit of a host, and how much of it must be free."""

    free: float  # share, 0 to 1
    ports: tuple[tuple[int, str | None], ...]  # declared TCP ports that listen, each with its unit as declared
    units: tuple[str, ...]  # declared to run


def items(_inventory: Inventory, host: Host) -> Iterator[HeadroomItem]:
    """Which limits are declared?"""
    ports = tuple(
        (number_of(key), port.service)
        for key, port in host.expect.ports.items()
        if port.state == "listening" and protocol_of(key) == "tcp"
    )
    units = tuple(unit for unit, service in host.expect.services.items() if service.state == "running")
    for limit, share in host.expect.headroom.items():
        yield HeadroomItem(
            host=host.name, check="headroom", subject=limit, wanted=f"{share} of {limit} free",
            free=float(share.rstrip("%")) / 100, ports=ports, units=units,
        )  # fmt: skip


def questions(inventory: Inventory, item: HeadroomItem) -> Iterator[Question]:
    """How full are the queues of its listeners, the tables of its processes, or that of the connections?"""
    if item.subject == "backlog":
        yield item.host, "listeners", ""
        yield item.host, "proc_net", ""
        yield from ends.load(inventory, item.host)
    else:
        yield item.host, "kernel", ""
    if item.subject == "files":
        yield from ((item.host, "processes", unit) for unit in item.units)
