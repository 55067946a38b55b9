"""proxy: the proxy variables of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import PROXIES
from whyrefused.plan.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyItem(Item):
    """A proxy variable, and what it must be."""

    variable: str  # http_proxy, …, no_proxy
    value: str | None  # None: must not be set
    names: tuple[str, ...]  # of no_proxy: what it must hold
    units: tuple[str, ...]  # declared units whose environment counts too


def items(_inventory: Inventory, host: Host) -> Iterator[ProxyItem]:
    """Which variables are declared? `none` declares each of the four that sends programs through a proxy."""
    settings = host.expect.proxy
    if settings is None:
        return
    units = tuple(unit for unit, service in host.expect.services.items() if service.state == "running")
    for scheme in (*PROXIES, "no_proxy"):
        value = "none" if settings == "none" else getattr(settings, scheme)
        if value is None or (settings == "none" and scheme == "no_proxy"):
            continue
        variable = scheme if scheme == "no_proxy" else f"{scheme}_proxy"
        names = tuple(value) if scheme == "no_proxy" else ()
        wanted = ",".join(names) if names else value
        yield ProxyItem(
            host=host.name, check="proxy", subject=variable,
            wanted=f"{variable} {'not set' if value == 'none' else 'is ' + wanted}",
            variable=variable, value=None if value == "none" or names else value, names=names, units=units,
        )  # fmt: skip


def questions(_inventory: Inventory, item: ProxyItem) -> Iterator[Question]:
    """What is set for logins, the machine and the declared units?"""
    yield item.host, "proxy", ""
    yield from ((item.host, "proxy", unit) for unit in item.units)
