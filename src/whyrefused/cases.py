"""Which case does a failed item make: all that was declared about it, for the causes to rule on? Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused import daemons, paths
from whyrefused.case import Case, Part, Through
from whyrefused.evidence import looked
from whyrefused.plan.items import number_of
from whyrefused.plan.keys.browses import BrowseItem
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.firewall import FirewallItem
from whyrefused.plan.keys.headroom import HeadroomItem
from whyrefused.plan.keys.ports import PortItem
from whyrefused.plan.keys.ports import items as port_items
from whyrefused.plan.keys.proxy import ProxyItem, WayItem
from whyrefused.plan.keys.resolves import NameItem
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.plan.who import is_literal
from whyrefused.probes.units import suffixed
from whyrefused.records import Line, Missing, Seen

if TYPE_CHECKING:
    from whyrefused.addresses import Address
    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Item
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Host, Inventory


def case_of(inventory: Inventory, item: Item, seen: Seen, evidence: Evidence) -> Case | None:
    """What is there to explain of a failed item? None where nothing was refused."""
    match item:
        # One that runs and is not enabled is not as declared, and nothing is refused.
        case ServiceItem() if item.state == "running" and seen.value[0] != "running":
            return _of_port(item, seen, inventory.hosts[item.host], _key_of(inventory, item), item.unit)
        case PortItem() if item.state == "listening":
            return _of_port(item, seen, inventory.hosts[item.host], item.subject, item.unit)
        case FirewallItem() if item.let_in:
            key = f"{item.port}/{item.protocol}"
            return _of_port(item, seen, inventory.hosts[item.host], key, None)
        case PathItem():
            return _through(inventory, item, seen, evidence) if item.proxy else _of_path(inventory, item, seen)
        case BrowseItem():
            return _of_page(inventory, item, seen)
        case HeadroomItem():
            return replace(_of_port(item, seen, None, None, None), server=item.host)
        case NameItem() | ProxyItem() | WayItem():
            return _of_port(item, seen, None, None, None)
    return None


def _of_path(inventory: Inventory, item: PathItem, seen: Seen) -> Case:
    server = inventory.hosts.get(item.server or "") or _at(inventory, seen)
    case = _of_port(item, seen, server, item.server_port or f"{item.port}/tcp", None)
    return replace(case, answers=_declared_answers(inventory, item, server), others=_others(inventory, server))


def _through(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """A path through a proxy is two connections: the case is the one that failed, or the proxy between them."""
    dial: Dial = seen.value
    beyond = paths.beyond(evidence, item)
    reaches = None if beyond is None else beyond.symptom == "connected"
    part: Part = "at"
    if dial.outcome is None or dial.barred or _misled(item, dial, evidence):
        part, case = "to", _of_path(inventory, _to_proxy(inventory, item), seen)
    elif not dial.passes_on or reaches:
        case = _of_port(_to_proxy(inventory, item), seen, None, None, None)
    elif beyond is None:
        part, case = "beyond", _of_server(inventory, item, seen)
    else:
        part, case = "beyond", _from_proxy(inventory, item, seen, evidence, beyond)
    return replace(case, through=Through(item=item, dial=dial, part=part, reaches=reaches))


def _misled(item: PathItem, dial: Dial, evidence: Evidence) -> bool:
    """Did the client end at an address that the proxy's host does not have? Then no proxy answered it."""
    own = looked(lambda: {one.address for one in evidence[item.via or ""].addresses})
    return not isinstance(own, Missing) and dial.last is not None and dial.last.address not in own


def _to_proxy(inventory: Inventory, item: PathItem) -> PathItem:
    """The client's connection to the proxy, as a path of its own."""
    key = f"{item.proxy_port}/tcp"
    declared = item.via is not None and key in inventory.hosts[item.via].expect.ports
    return replace(
        item, destination=item.proxy_host, port=item.proxy_port, server=item.via, server_port=key if declared else None,
        router=None, forward=None, scheme=None, proxy="",
    )  # fmt: skip


def _from_proxy(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence, dial: Dial) -> Case:
    """The proxy's own connection to the server, as its host dialled it."""
    host = evidence[item.via or ""]
    own = replace(item, host=host.name, who="", proxy="")
    lines = (*seen.lines, *paths.lines(host, own, dial))
    case = _of_path(inventory, own, Seen(value=dial, said=seen.said, lines=lines, symptom=dial.symptom))
    declared = _declared_answers(inventory, item, inventory.hosts.get(item.server or ""))
    return replace(case, answers=case.answers or declared)


def _of_server(inventory: Inventory, item: PathItem, seen: Seen) -> Case:
    """The port that the proxy could not reach, where nobody told how its connection ended: is it open at all?"""
    server = inventory.hosts.get(item.server or "")
    ports = port_items(inventory, server) if server else ()
    found = next((one for one in ports if one.subject == item.server_port and one.state == "listening"), None)
    if server is None or found is None:
        return _of_port(item, seen, None, None, None)
    return _of_port(found, seen, server, found.subject, found.unit)


def _of_page(inventory: Inventory, item: BrowseItem, seen: Seen) -> Case:
    """Where a plain connection to what the browser must reach fails too, that is what there is to explain."""
    page = seen.value
    if page.way and page.way.symptom != "connected":
        told = _plain(item, seen, page.way)
        path = item.path(inventory, item.destination, item.port)
        if not item.proxy:
            return _of_path(inventory, path, told)
        case = _of_path(inventory, _to_proxy(inventory, path), told)
        return replace(case, through=Through(item=path, dial=page.way, part="to", reaches=None))
    led = page.led
    if led and not item.proxy and page.end and page.end.symptom != "connected":
        path = item.path(inventory, *led)
        if path.server_port:
            return _of_path(inventory, path, _plain(item, seen, page.end))
    return _of_port(item, seen, None, None, None)


def _plain(item: BrowseItem, seen: Seen, dial: Dial) -> Seen:
    lines = tuple(Line(host=item.host, source="connect(2)", line=line) for line in dial.lines)
    said = f"{dial.symptom}: {dial.lines[-1]}" if dial.lines else dial.symptom
    return Seen(value=dial, said=said, lines=(*lines, *seen.lines), symptom=dial.symptom)


def _at(inventory: Inventory, seen: Seen) -> Host | None:
    """Which host of the inventory has the address that a path ended at? For a destination that it does not know."""
    last = seen.value.last
    found = [host for host in inventory.hosts.values() if last and host.connection.address == str(last.address)]
    return found[0] if found else None


def _declared_answers(inventory: Inventory, item: PathItem, server: Host | None) -> tuple[Address, ...]:
    """Which addresses does the inventory give the name that is dialled? By `resolves`, or as the server's own name."""
    declared = inventory.hosts[item.host].expect.resolves.get(item.destination, ())
    if not declared and server and server.name == item.destination and is_literal(server.connection.address):
        declared = (server.connection.address,)
    return tuple(ipaddress.ip_address(one) for one in declared if "/" not in one)


def _others(inventory: Inventory, server: Host | None) -> frozenset[Address]:
    """Which addresses are other hosts', none of which is declared to forward anything?"""
    return frozenset(
        ipaddress.ip_address(host.connection.address)
        for host in inventory.hosts.values()
        if host is not server and not host.expect.forwards and is_literal(host.connection.address)
    )


def _of_port(item: Item, seen: Seen, server: Host | None, key: str | None, unit: str | None) -> Case:
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


def _key_of(inventory: Inventory, item: ServiceItem) -> str | None:
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
    units = [unit for unit, service in server.expect.services.items() if service.state == "running"]
    known = [unit for unit in units if port in daemons.known(unit).ports]
    return known[0] if len(known) == 1 else None
