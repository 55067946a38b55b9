"""Does a server's answer come back to the client the way the request came? Pure.

Address translation is undone where it was done: an answer that goes another way keeps the server's own address, and the
client, who knows of no such connection, throws it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.facts import routing
from whyrefused.facts.nat import translation
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.facts.nat.translation import Way
    from whyrefused.probes.routes import Route
    from whyrefused.records import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What becomes of the answers."""

    sane: bool | None  # None: not known
    because: str
    lines: tuple[Line, ...] = ()
    variant: str = ""  # of the fault, where it is one
    host: str = ""  # where that lies
    subject: str = ""


def directly(server: HostEvidence, client: Address) -> Return:
    """Has the server a way to its client? Raises `CouldNotLook`."""
    route = routing.to(server, client)
    if route is None:
        because = f"{server.name} has no route to {client}, so its answers never leave"
        return _lost(server, because, routing.none_said(server, client.version), f"route to {client}")
    said = (routing.said(server, route),)
    if route.kind in routing.NO_WAY:
        because = f"{server.name}'s route to {client} is {route.line}: its answers never leave"
        return _lost(server, because, said, str(route.network))
    return Return(sane=None, because=f"{server.name} answers {client} by {route.line}", lines=said)


def through(router: HostEvidence, server: HostEvidence, way: Way, client: Address) -> Return:
    """Do the answers to this client come back through the router? Raises `CouldNotLook`."""
    if way.source is not None:
        return _translated(router, server, way, way.source)
    found = directly(server, client)
    if found.sane is False:
        return found
    route = routing.to(server, client)
    assert route is not None  # noqa: S101 - directly() told of none
    if routing.through(route, router):
        return Return(sane=True, because=f"{server.name} answers {client} through {router.name}", lines=found.lines)
    if not routing.direct(route):
        because = f"whether {_gateways(route)}, by whom {server.name} answers, hands it to {router.name} is not known"
        return Return(sane=None, because=because, lines=found.lines)
    return _past(router, server, way, client, found.lines)


def _past(router: HostEvidence, server: HostEvidence, way: Way, client: Address, lines: tuple[Line, ...]) -> Return:
    """The server answers the client as a neighbour, past the router."""
    here, there = routing.to(router, client), routing.to(router, way.address) if way.address else None
    neighbours = here is not None and there is not None and routing.devices(here) == routing.devices(there)
    because = (
        f"{server.name} answers {client} directly and not through {router.name}, which does not masquerade: the client "
        f"dialled {way.verdict.destination} and knows of no connection with {way.address}"
    )
    return Return(
        sane=False, because=because, lines=lines, variant="hairpin" if neighbours else "no-return-path",
        host=router.name, subject=f"{way.verdict.port}/{way.verdict.packet.protocol}",
    )  # fmt: skip


def _translated(router: HostEvidence, server: HostEvidence, way: Way, source: Address) -> Return:
    """The server answers the address that the router gives the packets: is that the router's?"""
    step = translation.translator(way.verdict, translation.SNAT)
    lines = (router.line(step.place, step.rule),) if step else ()
    if source in {own.address for own in router.addresses}:
        return Return(sane=True, because=f"{router.name} gives it its own address {source}", lines=lines)
    route = routing.to(server, source)
    if route is None or not routing.direct(route):
        return Return(sane=None, because=f"who has {source}, which {router.name} gives it, is not known", lines=lines)
    because = f"{router.name} gives it the source {source}, an address that it does not have: the answers go astray"
    return Return(
        sane=False, because=because, lines=(*lines, routing.said(server, route)), variant="stale-snat",
        host=router.name, subject=str(source),
    )  # fmt: skip


def anybody(router: HostEvidence, server: HostEvidence, way: Way) -> Return:
    """Do answers to anybody come back through the router? Raises `CouldNotLook`."""
    if way.source is not None:
        return _translated(router, server, way, way.source)
    version = way.address.version if way.address else 4
    led = [one for one in routing.gatewayed(server, version) if routing.through(one, router)]
    if led:
        lines = tuple(routing.said(server, one) for one in led[:1])
        return Return(sane=True, because=f"{server.name} answers through {router.name}", lines=lines)
    if routing.gatewayed(server, version):
        return Return(sane=None, because=f"{server.name} answers through other gateways than {router.name}")
    because = f"{server.name} has no route beyond its own networks, and {router.name} does not masquerade"
    return _lost(server, because, routing.none_said(server, version), "default route")


def _lost(server: HostEvidence, because: str, lines: tuple[Line, ...], subject: str) -> Return:
    return Return(sane=False, because=because, lines=lines, variant="no-return-path", host=server.name, subject=subject)


def _gateways(route: Route) -> str:
    return ", ".join(gateway for gateway, _ in route.ways if gateway) or "the gateway"


def looked_through(router: HostEvidence, server: HostEvidence, way: Way, clients: tuple[Address, ...]) -> Return:
    """Do the answers to these clients, or to anybody, come back? What could not be looked at is not known."""
    try:
        if way.state != "forwarded":
            return Return(sane=True, because="a program of the router's answers its clients itself")
        if way.address in {own.address for own in router.addresses}:
            return Return(sane=True, because=f"{router.name} answers itself")
        found = [through(router, server, way, client) for client in clients] or [anybody(router, server, way)]
    except CouldNotLook as miss:
        return Return(sane=None, because=miss.why)
    return min(found, key=lambda one: (False, None, True).index(one.sane))
