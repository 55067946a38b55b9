"""Does a client keep to itself what is meant for the server, for the address is in a network of its own? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import routing
from whyrefused.facts.nat.fault import Fault
from whyrefused.records import Missing

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.routes import Route

NO_NEIGHBOUR = "EHOSTUNREACH"
"""What connect(2) says where nobody on the link answers for the address (arp(7))."""


def own_address(client: HostEvidence, server: HostEvidence, address: Address | None) -> Fault | None:
    """Has the client the very address that it dials, which is another host's? Then its packets never leave it."""
    if address is None or client.name == server.name or address.is_loopback:
        return None
    mine = [one for one in client.addresses if one.address == address]
    if not mine:
        return None
    theirs = [one for one in server.addresses if one.address == address]
    return Fault(
        variant="own-address", host=client.name, subject=str(address),
        because=f"{client.name} has {address} itself, on {mine[0].interface}: what it dials never leaves it",
        lines=(*(client.line("ip -o addr show", one.line) for one in mine),
               *(server.line("ip -o addr show", one.line) for one in theirs)),
        fix=(f"ip addr del {address} dev {mine[0].interface} on {client.name}, or another network for that interface",),
        verify=(f"ip route get {address}",),
    )  # fmt: skip


def of_networks(case: Case, client: HostEvidence, server: HostEvidence) -> Fault | None:
    """Does the client look for the server on a link where it is not, and have another way that leads to it?

    The server's own network is not the one that the client's route is for, and nobody there answered for the address.
    """
    address, last = case.dialled, case.dial.last if case.dial else None
    if address is None or last is None or last.word != NO_NEIGHBOUR or client.name == server.name:
        return None
    route = looked(lambda: routing.to(client, address))
    if route is None or isinstance(route, Missing) or not routing.direct(route):
        return None
    led = looked(lambda: _led(client, server, address, route))
    if led is None or isinstance(led, Missing):
        return None
    home, other = led
    device = ", ".join(routing.devices(route))
    return Fault(
        variant="subnet-overlap", host=client.name, subject=str(route.network),
        because=f"{client.name} looks for {address} on {device}, whose network {route.network} it lies in too, and not "
                f"where {server.name} is",
        lines=(routing.said(client, route), routing.said(client, other), routing.said(server, home)),
        fix=(f"give {device} of {client.name} another network than {route.network} (Docker: default-address-pools)",
             f"or, until then: ip route add {address} {_by(other)}"),
        verify=(f"ip route get {address}",),
    )  # fmt: skip


def _led(client: HostEvidence, server: HostEvidence, address: Address, route: Route) -> tuple[Route, Route] | None:
    """Which network is the server's, and by which other route would the client get there? Raises `CouldNotLook`.

    Two neighbours may well have masks that differ: the other route has to be for just the server's network, or the
    client's link one on which only guests of its own are.
    """
    device = server.interface_of(address)
    rows = routing.own_networks(server, address.version)
    home = next((one for one in rows if address in one.network and device in routing.devices(one)), None)
    mine = routing.own_networks(client, address.version)
    if home is None or home.network == route.network or not _of_an_interface(route):
        return None
    if any(one.network == home.network and routing.devices(one) & routing.devices(route) for one in mine):
        return None
    guests = all(map(routing.of_engine, routing.devices(route)))
    others = routing.besides(client, address, route)
    return next(((home, one) for one in others if guests or one.network == home.network), None)


def _of_an_interface(route: Route) -> bool:
    """Is it there because an interface has an address in this network?"""
    words = route.line.split()
    return "kernel" in words and "proto" in words


def _by(route: Route) -> str:
    gateway, device = route.ways[0]
    return f"via {gateway} dev {device}" if gateway else f"dev {device}"
