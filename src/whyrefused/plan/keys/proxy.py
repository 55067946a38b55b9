"""proxy: the proxy variables of a host, and those of what dials one destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import PROXIES, destination
from whyrefused.plan import way
from whyrefused.plan.items import Item
from whyrefused.probes.proxy import ETC, LOGIN
from whyrefused.probes.units import suffixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.inventory.expect import Connect
    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyItem(Item):
    """A proxy variable, and what it must be."""

    variable: str  # http_proxy, …, no_proxy
    value: str | None  # None: must not be set
    names: tuple[str, ...]  # of no_proxy: what it must hold
    units: tuple[str, ...]  # declared units whose environment counts too


@dataclass(frozen=True, slots=True, kw_only=True)
class WayItem(Item):
    """A destination with a `proxy` of its own: the way that programs take to it with the environment they have."""

    scheme: str
    destination: str
    port: int
    place: str  # where they have it from: `login shell`, `unit app.service`, /etc/environment
    value: str  # URL of the declared proxy, without credentials; empty: directly


def items(_inventory: Inventory, host: Host) -> Iterator[Item]:
    """Which variables are declared? `none` declares each of the four that sends programs through a proxy."""
    yield from _ways(host)
    settings = host.expect.proxy
    if settings is None:
        return
    units = tuple(dict.fromkeys(_units(host)))
    for scheme in (*PROXIES, "no_proxy"):
        value = "none" if settings == "none" else getattr(settings, scheme)
        if value is None or (settings == "none" and scheme == "no_proxy"):
            continue
        variable = scheme if scheme == "no_proxy" else f"{scheme}_proxy"
        names = tuple(value) if scheme == "no_proxy" else ()
        wanted = ",".join(names) if names else (value if value == "none" else way.parsed(value).url)
        yield ProxyItem(
            host=host.name, check="proxy", subject=variable,
            wanted=f"{variable} {'not set' if value == 'none' else 'is ' + wanted}",
            variable=variable, value=None if value == "none" or names else wanted, names=names, units=units,
        )  # fmt: skip


def _units(host: Host) -> Iterator[str]:
    """Which units does the host's `expect` name? One with a `proxy` of its own is judged by that."""
    own = {_unit(connect) for connect in host.expect.connects if connect.proxy is not None}
    yield from (unit for unit, service in host.expect.services.items() if service.state == "running")
    yield from (port.service for port in host.expect.ports.values() if port.service)
    yield from (unit for unit in map(_unit, host.expect.connects) if unit and unit not in own)


def _unit(connect: Connect) -> str:
    who = connect.as_ or ""
    return who.removeprefix("unit:") if who.startswith("unit:") else ""


def _ways(host: Host) -> Iterator[WayItem]:
    for connect in host.expect.connects:
        scheme, target, port = destination(connect.to)
        if connect.proxy is None or scheme not in way.CARRIED:
            continue
        unit = _unit(connect)
        place = f"unit {suffixed(unit)}" if unit else (ETC if connect.as_ else LOGIN)
        declared = way.declared(connect.proxy, scheme, target)
        through = f"through {declared.url}" if declared else "directly"
        yield WayItem(
            host=host.name, check="proxy", subject=f"{connect.to} from {place}",
            wanted=f"programs with the environment of {place} go to {connect.to} {through}",
            scheme=scheme, destination=target, port=port, place=place, value=declared.url if declared else "",
        )  # fmt: skip


def questions(_inventory: Inventory, item: ProxyItem | WayItem) -> Iterator[Question]:
    """What is set for logins, the machine and the declared units?"""
    yield item.host, "proxy", ""
    if isinstance(item, ProxyItem):
        yield from ((item.host, "proxy", unit) for unit in item.units)
    elif item.place.startswith("unit "):
        yield item.host, "proxy", item.place.removeprefix("unit ")
