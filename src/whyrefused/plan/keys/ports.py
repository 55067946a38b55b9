"""ports: a port, and what must listen there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from whyrefused.inventory.expect import destination
from whyrefused.plan import ends, index, way
from whyrefused.plan.items import Item, Protocol, number_of, protocol_of
from whyrefused.plan.who import at, dialled, members
from whyrefused.probes import dials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.inventory.expect import Port
    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory

WITNESSES = 3
"""So many clients of a port are looked at, where nobody seems to listen; they are asked for their own items only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortItem(Item):
    """A port, and what must listen there."""

    port: int
    protocol: Protocol
    state: Literal["listening", "absent"]
    bind: str  # ADDRESS, ADDRESS%DEVICE or %DEVICE
    unit: str | None  # as declared
    dialled: tuple[tuple[str, str], ...] = ()  # a few of its clients, and how each names it among what it dials


def items(inventory: Inventory, host: Host) -> Iterator[PortItem]:
    """Which ports are declared?"""
    for key, port in host.expect.ports.items():
        owner = f", held by {port.service}" if port.service else ""
        wanted = f"a listener that answers {port.bind}:{number_of(key)}{owner}"
        yield PortItem(
            host=host.name, check="ports", subject=key,
            wanted=wanted if port.state == "listening" else f"nothing listens on {key}",
            port=number_of(key), protocol=protocol_of(key), state=port.state, bind=port.bind, unit=port.service,
            dialled=tuple(_dialled(inventory, host, key, port)),
        )  # fmt: skip


def _dialled(inventory: Inventory, host: Host, key: str, port: Port) -> Iterator[tuple[str, str]]:
    """Who is declared to connect to it from elsewhere? A few of them: one that does tells that somebody answers."""
    if protocol_of(key) != "tcp" or port.state != "listening":
        return
    number = number_of(key)
    named = (client for name in port.clients for client in members(inventory, name) if client != host.name)
    for client in dict.fromkeys(islice(named, WITNESSES)):
        yield client, dials.key(dialled(inventory.hosts[client], host, port), number)
    yield from islice(_connecting(inventory).get((host.name, number), ()), WITNESSES)


def _connecting(inventory: Inventory) -> Mapping[tuple[str, int], list[tuple[str, str]]]:
    """Who is declared by its own `connects` to dial which port of whom, as its login and without a proxy?"""
    known = index.of(inventory)
    if known.connecting is None:
        known.connecting = {}
        for client in inventory.hosts.values():
            for connect in client.expect.connects:
                scheme, target, number = destination(connect.to)
                server = at(inventory, client, target)
                if server is None or server.name == client.name or connect.as_:
                    continue
                if way.declared(connect.proxy or client.expect.proxy, scheme, target) is None:
                    found = known.connecting.setdefault((server.name, number), [])
                    found.append((client.name, dials.key(target, number)))
    return known.connecting


def questions(inventory: Inventory, item: PortItem) -> Iterator[Question]:
    """Who listens, and in which state is the unit that should?"""
    yield from ends.listening(inventory, item.host)
    if item.state == "listening":
        yield from ends.rules(item.host)  # which may lead a port on which nobody listens to one who does
