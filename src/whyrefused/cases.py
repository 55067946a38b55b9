"""Which case does a failed item make: all that was declared about it, for the causes to rule on? Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused import daemons, paths
from whyrefused.case import Arrival, Case, Part, Through
from whyrefused.evidence import looked
from whyrefused.nat import translation
from whyrefused.plan.items import number_of
from whyrefused.plan.keys import forwards
from whyrefused.plan.keys.browses import BrowseItem
from whyrefused.plan.keys.configured_in import ConfiguredItem
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.firewall import FirewallItem
from whyrefused.plan.keys.forwards import ForwardItem
from whyrefused.plan.keys.headroom import HeadroomItem
from whyrefused.plan.keys.ports import PortItem
from whyrefused.plan.keys.ports import items as port_items
from whyrefused.plan.keys.proxy import ProxyItem, WayItem
from whyrefused.plan.keys.resolves import NameItem
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.plan.who import at, is_literal
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Line, Missing, Seen

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
            return (_through if item.proxy else _of_path)(inventory, item, seen, evidence)
        case BrowseItem():
            return _of_page(inventory, item, seen, evidence)
        case ForwardItem():
            return _of_forward(inventory, translation.located(evidence, item), seen)
        case HeadroomItem():
            return replace(_of_port(item, seen, None, None, None), server=item.host)
        # A file or key that is not there is not as declared, and names nothing that would be refused.
        case ConfiguredItem() if seen.value.variant is not None:
            return _of_port(item, seen, inventory.hosts.get(item.server or ""), f"{item.port}/tcp", None)
        case NameItem() | ProxyItem() | WayItem():
            return _of_port(item, seen, None, None, None)
    return None


def _of_path(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    named = at(inventory, inventory.hosts[item.host], item.destination)
    router = item.router if named else _forwarder(inventory, item, seen, evidence)
    if router:
        return _forwarded(inventory, router, item, seen, evidence)
    server = inventory.hosts.get(item.server or "") or _at(inventory, seen)
    case = _of_port(item, seen, server, item.server_port or f"{item.port}/tcp", None)
    return replace(
        case, answers=_declared_answers(inventory, item, server), others=_others(inventory, server),
        named=named.name if named else None, named_serves=_serves(named, case.key),
    )  # fmt: skip


def _serves(host: Host | None, key: str) -> bool:
    """Is this host declared to answer on the port, or to lead elsewhere?"""
    return host is not None and (key in host.expect.ports or bool(host.expect.forwards))


def _through(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """A path through a proxy is two connections: the case is the one that failed, or the proxy between them."""
    dial: Dial = seen.value
    beyond = paths.beyond(evidence, item)
    reaches = None if beyond is None else beyond.symptom == "connected"
    part: Part = "at"
    if dial.outcome is None or dial.barred or _misled(item, dial, evidence):
        part, case = "to", _of_path(inventory, _to_proxy(inventory, item), seen, evidence)
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
    case = _of_path(inventory, own, Seen(value=dial, said=seen.said, lines=lines, symptom=dial.symptom), evidence)
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


def _forwarder(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> str | None:
    """Which router has the address that was dialled, and a declared forward of this port?

    It may have more addresses than the inventory knows of.
    """
    last, key = seen.value.last, f"{item.port}/tcp"
    for host in inventory.hosts.values():
        if last and key in host.expect.forwards and host.name != item.server:
            own = looked(lambda name=host.name: evidence[name].addresses)
            if not isinstance(own, Missing) and last.address in {one.address for one in own}:
                return host.name
    return None


def _forwarded(inventory: Inventory, name: str, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """The path leads through a router: what its name should give is the router's, the rest is the server's."""
    forward = translation.located(evidence, forwards.of(inventory, inventory.hosts[name], f"{item.port}/tcp"))
    server = inventory.hosts.get(item.server or forward.server or "")
    case = _of_port(item, seen, server, f"{forward.target_port}/tcp", None)
    router = inventory.hosts[name]
    case = replace(
        case, answers=_declared_answers(inventory, item, None), others=_others(inventory, router), forward=forward
    )
    return _arrived(inventory, case, forward, evidence)


def _arrived(inventory: Inventory, case: Case, forward: ForwardItem, evidence: Evidence) -> Case:
    """What does the server see of it? Nothing is known where the router's rules were not seen to lead there."""
    last = case.dial.last if case.dial else None
    if last is None:
        return case
    try:
        found = translation.best(evidence, forward, last.source or "any", (last.address,))
    except CouldNotLook:
        return case
    if found.state == "relayed":
        return replace(case, relayed=True)
    if found.state == "no-forward" and forward.program:
        # The declared program on the router is missed there, not a rule: the router is the server.
        own = _of_port(case.item, case.seen, inventory.hosts[forward.host], forward.subject, None)
        return replace(own, answers=case.answers, others=case.others)
    if found.state != "forwarded" or found.address is None:
        return case
    source = str(found.source) if found.source else last.source
    return replace(case, arrival=Arrival(source=source, address=found.address))


def _of_forward(inventory: Inventory, item: ForwardItem, seen: Seen) -> Case:
    """A forward that leads where it should, but to nobody who answers, is a path of the router's own to the server."""
    server = inventory.hosts.get(item.server or "")
    key = f"{item.target_port}/{item.protocol}"
    way = seen.value.way
    if item.program and way is not None and way.state == "no-forward":
        return _of_port(item, seen, inventory.hosts[item.host], item.subject, None)
    if not seen.value.unanswered:
        return replace(_of_port(item, seen, server, key, None), forward=item)
    path = PathItem(
        host=item.host, check=item.check, subject=item.subject, wanted=item.wanted, server=item.server,
        destination=item.target, port=item.target_port, server_port=key,
    )  # fmt: skip
    case = _of_port(path, replace(seen, value=seen.value.dial), server, key, None)
    return replace(case, answers=_declared_answers(inventory, path, server), others=_others(inventory, server))


def _of_page(inventory: Inventory, item: BrowseItem, seen: Seen, evidence: Evidence) -> Case:
    """Where a plain connection to what the browser must reach fails too, that is what there is to explain."""
    page = seen.value
    if page.way and page.way.symptom != "connected":
        told = _plain(item, seen, page.way)
        path = item.path(inventory, item.destination, item.port)
        if not item.proxy:
            return _of_path(inventory, path, told, evidence)
        case = _of_path(inventory, _to_proxy(inventory, path), told, evidence)
        return replace(case, through=Through(item=path, dial=page.way, part="to", reaches=None))
    led = page.led
    if led and not item.proxy and page.end and page.end.symptom != "connected":
        path = item.path(inventory, *led)
        if path.server_port:
            return _of_path(inventory, path, _plain(item, seen, page.end), evidence)
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
    known = [unit for unit in _free_units(server) if port in daemons.known(unit).ports]
    return known[0] if len(known) == 1 else None
