"""firewall: who must be let in to a port, and who must be refused."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.plan import ends
from whyrefused.plan.items import Item, Protocol, number_of, protocol_of
from whyrefused.plan.who import literal, members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory

ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a connection may come from, as the inventory names it."""

    name: str  # `any`, a CIDR, an address, a host, a group
    networks: tuple[IPv4Network | IPv6Network, ...]  # what the name says by itself
    hosts: tuple[tuple[str, str], ...]  # inventory hosts meant by it, each with its address if that is a literal one


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallItem(Item):
    """A source that the firewall must let in to a port, or refuse."""

    port: int
    protocol: Protocol
    bind: str
    address: str  # of the host in the inventory: a name or an address
    source: Source
    let_in: bool


def items(inventory: Inventory, host: Host) -> Iterator[FirewallItem]:
    """Which sources are declared of the host's ports?"""
    for key, port in host.expect.ports.items():
        if port.state != "listening":
            continue
        for let_in, sources in ((True, port.allow), (False, port.deny)):
            verb = "allow" if let_in else "deny"
            for name in sources:
                yield FirewallItem(
                    host=host.name, check="firewall", subject=f"{key} {verb} {name}",
                    wanted=f"the firewall {'lets in' if let_in else 'refuses'} {name} to {key}",
                    port=number_of(key), protocol=protocol_of(key), bind=port.bind, address=host.connection.address,
                    source=_source(inventory, name), let_in=let_in,
                )  # fmt: skip


def _source(inventory: Inventory, name: str) -> Source:
    if name == "any":
        return Source(name=name, networks=ANYWHERE, hosts=())
    try:
        return Source(name=name, networks=(ipaddress.ip_network(name),), hosts=())
    except ValueError:
        hosts = tuple((host, literal(inventory.hosts[host])) for host in members(inventory, name))
        return Source(name=name, networks=(), hosts=hosts)


def questions(_inventory: Inventory, item: FirewallItem) -> Iterator[Question]:
    """Which rules are there, and which addresses do the sources have?"""
    yield from ends.rules(item.host)
    yield from ((host, "addresses", "") for host, _ in item.source.hosts)
