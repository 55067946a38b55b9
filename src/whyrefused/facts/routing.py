"""Where do a host's packets go, and does it hand on those of others? Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused.facts.addresses import V4
from whyrefused.probes.routes import Route
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.routes import Tables
    from whyrefused.records import Line

SHOW = "ip route show table all"
TABLES = ("local", "main", "default")
"""The tables that every host asks in this order (ip-rule(8))."""
ENGINES = ("docker", "br-", "podman", "cni", "lxcbr", "lxdbr", "incusbr", "virbr")
"""What the bridges of Docker, Podman, CNI, LXC and libvirt are called at the beginning."""
NO_WAY = frozenset({"unreachable", "prohibit", "blackhole"})


def to(host: HostEvidence, address: Address) -> Route | None:
    """Which route do the host's own packets to this address take? None where it has none.

    Raises `CouldNotLook` where the routes were not read, or rules choose the table by more than the destination.
    """
    tables = _tables(host, address.version)
    for policy in tables.policies:
        ends = _ends(policy)
        if ends is not None:
            if address in ends.network:
                return _local(tables, address) or ends
        elif _touches(policy, tables, address):
            raise CouldNotLook(f"{host.name}: a rule chooses the routing table: {policy}")
    for name in TABLES:
        met = [one for one in tables.routes if one.table == name and address in one.network]
        best = min(met, key=lambda one: (-one.network.prefixlen, one.metric), default=None)
        if best is not None and best.kind != "throw":
            return best
    return None


def _ends(policy: str) -> Route | None:
    """Does this rule end the way to a network, whoever asks? As a route of that kind would."""
    match policy.split():
        case [_, "from", "all", "to", text, kind] if kind in NO_WAY:
            network = ipaddress.ip_network(text)
            return Route(kind=kind, network=network, table="", ways=(), source="", metric=0, line=policy)
    return None


def _local(tables: Tables, address: Address) -> Route | None:
    """Is it an address of the host's own? Those are asked for before any other rule."""
    return next((one for one in tables.routes if one.table == "local" and address in one.network), None)


def _touches(policy: str, tables: Tables, address: Address) -> bool:
    """May this rule choose another route to the address? A table without one leaves the choice to the next rule."""
    _, lookup, table = policy.partition(" lookup ")
    name = table.split()[0] if lookup and table.split() else ""
    return not name or any(one.table == name and address in one.network for one in tables.routes)


def _tables(host: HostEvidence, version: int) -> Tables:
    tables = host.routing.v4 if version == V4 else host.routing.v6
    if tables.why:
        raise CouldNotLook(f"{host.name}: {tables.why}")
    return tables


def said(host: HostEvidence, route: Route) -> Line:
    """Which line of evidence is this route?"""
    return host.line(SHOW, route.line)


def none_said(host: HostEvidence, version: int) -> tuple[Line, ...]:
    """Which lines show that there is no route? All that the main table has, a few of many."""
    rows = [one for one in _tables(host, version).routes if one.table == "main"]
    return tuple(said(host, one) for one in rows[:5]) or (host.line(SHOW, "no route"),)


def devices(route: Route) -> frozenset[str]:
    """Through which interfaces does it lead?"""
    return frozenset(device for _, device in route.ways)


def of_engine(interface: str) -> bool:
    """Is this interface the bridge of a container engine or hypervisor, behind which only its own guests are?"""
    return interface.startswith(ENGINES)


def direct(route: Route) -> bool:
    """Does it lead to a neighbour, without a gateway?"""
    return route.kind == "unicast" and all(not gateway for gateway, _ in route.ways)


def through(route: Route, router: HostEvidence) -> bool:
    """Do all its gateways belong to this host?"""
    own = {str(one.address) for one in router.addresses}
    return bool(route.ways) and all(gateway in own for gateway, _ in route.ways)


def gatewayed(host: HostEvidence, version: int) -> tuple[Route, ...]:
    """Which routes lead beyond the host's own networks?"""
    routes = _tables(host, version).routes
    return tuple(one for one in routes if one.kind == "unicast" and any(gateway for gateway, _ in one.ways))


def own_networks(host: HostEvidence, version: int) -> tuple[Route, ...]:
    """Which routes lead to neighbours, by interfaces that are up? Raises `CouldNotLook`."""
    rows = _tables(host, version).routes
    return tuple(one for one in rows if one.table == "main" and direct(one) and "linkdown" not in one.line.split())


def besides(host: HostEvidence, address: Address, route: Route) -> tuple[Route, ...]:
    """By which other routes could the host send to this address, if this one were not there? Raises `CouldNotLook`."""
    rows = [one for one in _tables(host, address.version).routes if one.table == "main" and one.kind == "unicast"]
    met = [one for one in rows if address in one.network and not devices(one) & devices(route)]
    return tuple(sorted(met, key=lambda one: -one.network.prefixlen))


def pairs(host: HostEvidence) -> tuple[tuple[str, str], ...]:
    """Which network is behind which interface? Empty where that is not known or hangs on more than the destination."""
    try:
        tables = [_tables(host, V4), _tables(host, 6)]
    except CouldNotLook:
        return ()
    if any(one.policies for one in tables):
        return ()  # not worth telling apart by destination: a packet's interface is then not known
    routes = [one for table in tables for one in table.routes if one.table in TABLES and one.kind == "unicast"]
    return tuple((str(one.network), one.ways[0][1]) for one in routes if len(devices(one)) == 1)


def forwarding_off(host: HostEvidence, version: int, interface: str) -> str:
    """Which setting keeps the host from handing on what comes in on this interface? Empty where none does.

    The kernel asks the interface's own setting for IPv4, the one for all interfaces for IPv6 (ip-sysctl.rst). Raises
    `CouldNotLook` where it was not read.
    """
    own = f"ipv4/conf/{interface}/forwarding"
    name = "ipv6/conf/all/forwarding" if version != V4 else own if own in host.routing.settings else "ipv4/ip_forward"
    value = host.routing.settings.get(name)
    if value is None:
        raise CouldNotLook(f"{host.name}: {name} was not read")
    if value != "0":
        return ""
    # Written to `ip_forward`, the value reaches every interface.
    return "ipv4/ip_forward" if host.routing.settings.get("ipv4/ip_forward") == "0" and version == V4 else name


def loopback_shut(host: HostEvidence, interface: str) -> str:
    """Which setting keeps what comes in on this interface from loopback addresses? Empty where it is let there.

    Raises `CouldNotLook` where it was not read.
    """
    names = ("ipv4/conf/all/route_localnet", f"ipv4/conf/{interface}/route_localnet")
    values = [host.routing.settings.get(name) for name in names]
    if "1" in values:
        return ""
    if None in values:
        raise CouldNotLook(f"{host.name}: {names[1]} was not read")
    return names[1]


def address_on(host: HostEvidence, interface: str, version: int) -> Address | None:
    """Which address do the host's packets have that leave by this interface? The first that is not of the link."""
    own = [one for one in host.addresses if one.interface == interface and one.address.version == version]
    own = [one for one in own if one.scope != "link"] or own
    return own[0].address if own else None


def source_of(host: HostEvidence, address: Address) -> Address | None:
    """Which source does masquerade give packets to this address? None where that is not told.

    The first address of the interface they leave by (nf_nat_masquerade of the Linux kernel).
    """
    route = to(host, address)
    found = {address_on(host, device, address.version) for device in devices(route)} if route else set()
    return found.pop() if len(found) == 1 else None
