"""The case of a port, and of the unit that should hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import Case
from whyrefused.facts import daemons
from whyrefused.plan.items import number_of
from whyrefused.probes.units import suffixed
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.plan.items import Item
    from whyrefused.plan.keys.services import ServiceItem
    from whyrefused.records import Host, Inventory, Seen


def of_port(item: Item, seen: Seen, server: Host | None, key: str | None, unit: str | None) -> Case:
    """Which case is a port of this server, as the inventory writes it, and the unit that should hold it?"""
    number, _, protocol = (key or "").partition("/")
    port = server.expect.ports.get(key or "") if server else None
    owner = unit or (port.service if port else None) or (_only_unit(server, int(number)) if server and number else None)
    services = server.expect.services.items() if server and owner else ()
    service = next((one for unit, one in services if _same(unit, str(owner))), None)
    return Case(
        item=item,
        seen=seen,
        server=server.name if server else None,
        port=int(number) if number else None,
        protocol=protocol or "tcp",
        bind=port.bind if port else "0.0.0.0",  # noqa: S104 - the grammar's default
        unit=owner,
        wants_enabled=bool(service and service.enabled),
        declared_ports={name: one.service for name, one in server.expect.ports.items()} if server else {},
        free_units=_free_units(server) if server else (),
    )


def _free_units(server: Host) -> tuple[str, ...]:
    """Which units are declared to run, without a port that names them?"""
    named = {suffixed(port.service) for port in server.expect.ports.values() if port.service}
    services = server.expect.services.items()
    return tuple(unit for unit, one in services if one.state == "running" and suffixed(unit) not in named)


def key_of(inventory: Inventory, item: ServiceItem) -> str | None:
    """Which declared port does this unit serve?"""
    host = inventory.hosts[item.host]
    named = (key for key, port in host.expect.ports.items() if port.service and _same(port.service, item.unit))
    known = (
        key
        for key, port in host.expect.ports.items()
        if port.service is None and _only_unit(host, number_of(key)) == item.unit
    )
    return next(named, None) or next(known, None)


def _same(unit: str, other: str) -> bool:
    return suffixed(unit) == suffixed(other)


def _only_unit(server: Host, port: int) -> str | None:
    """Which unit must be meant where a port names none? The one declared daemon that is known for this very port."""
    known = [unit for unit in _free_units(server) if port in daemons.known(unit).ports]
    return known[0] if len(known) == 1 else None
