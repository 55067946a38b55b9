"""Who in the inventory has which name and address, and who dials whom? Looked up once for all items, not for each."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.inventory.expect import Port
    from whyrefused.records import Host, Inventory

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Through = tuple[str, "str | None", str]
"""A declared path through a forward: the client, the server that it names, what it dials."""


class Index:
    """One inventory, by name, address, client and router: each table is made when it is first asked for."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.connecting: dict[tuple[str, int], list[tuple[str, str]]] | None = None  # by server and port; `keys/ports`
        self.through: dict[tuple[str, str], list[Through]] | None = None  # by router and port; `keys/forwards` fills it

    @cached_property
    def selected(self) -> frozenset[str]:
        """Which hosts is this run limited to?"""
        return frozenset(self.inventory.selected)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Which hosts may this run ask? The machine it runs on too, where it is only named a client."""
        implicit = "localhost" in self.inventory.hosts and "localhost" not in self.inventory.groups.get("all", ())
        return self.selected | ({"localhost"} if implicit else set())

    @cached_property
    def places(self) -> Mapping[str, int]:
        """At which place of the inventory stands each host?"""
        return {name: place for place, name in enumerate(self.inventory.hosts)}

    @cached_property
    def at_address(self) -> Mapping[str, int]:
        """At which place stands the first host of each address, as the inventory writes it?"""
        found: dict[str, int] = {}
        for place, host in enumerate(self.inventory.hosts.values()):
            found.setdefault(host.connection.address, place)
        return found

    @cached_property
    def _in_order(self) -> tuple[Host, ...]:
        return tuple(self.inventory.hosts.values())

    def first(self, name: str, addresses: set[str]) -> Host | None:
        """Which host comes first that has this name, or one of these addresses?"""
        places = [self.places.get(name), *map(self.at_address.get, addresses)]
        known = [place for place in places if place is not None]
        return self._in_order[min(known)] if known else None

    @cached_property
    def routers(self) -> tuple[Host, ...]:
        """Which hosts are declared to forward a port?"""
        return tuple(host for host in self.inventory.hosts.values() if host.expect.forwards)

    @cached_property
    def dialled_by(self) -> Mapping[str, list[tuple[Host, str, Port]]]:
        """Which ports of whom is each client declared to reach by the server's `clients`? In the servers' order."""
        found: dict[str, list[tuple[Host, str, Port]]] = {}
        hosts, groups = self.inventory.hosts, self.inventory.groups
        for server in hosts.values():
            for key, port in server.expect.ports.items():
                if port.state == "listening":
                    named = dict.fromkeys(
                        host for name in port.clients for host in ((name,) if name in hosts else groups.get(name, ()))
                    )
                    for client in named:
                        found.setdefault(client, []).append((server, key, port))
        return found

    @cached_property
    def ends(self) -> Mapping[Address, frozenset[str]]:
        """Which hosts that forward nothing have this address in the inventory?"""
        found: dict[Address, set[str]] = {}
        for host in self.inventory.hosts.values():
            if not host.expect.forwards:
                try:
                    address = ipaddress.ip_address(host.connection.address)
                except ValueError:
                    continue
                found.setdefault(address, set()).add(host.name)
        return {address: frozenset(hosts) for address, hosts in found.items()}


_LAST: list[Index] = []


def of(inventory: Inventory) -> Index:
    """The index of this inventory. A run has one; the last one is kept."""
    if not _LAST or _LAST[0].inventory is not inventory:
        _LAST[:] = [Index(inventory)]
    return _LAST[0]
