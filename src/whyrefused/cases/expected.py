"""Which hosts and addresses does the inventory give for what a client dials?"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused.plan.who import is_literal
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.facts.addresses import Address
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.records import Host, Inventory, Seen


def host_at(inventory: Inventory, seen: Seen) -> Host | None:
    """Which host of the inventory has the address that a path ended at? For a destination that it does not know."""
    last = seen.value.last
    found = [host for host in inventory.hosts.values() if last and host.connection.address == str(last.address)]
    return found[0] if found else None


def declared_answers(inventory: Inventory, item: PathItem, server: Host | None) -> tuple[Address, ...]:
    """Which addresses does the inventory give the name that is dialled? By `resolves`, or as the server's own name."""
    declared = inventory.hosts[item.host].expect.resolves.get(item.destination, ())
    if not declared and server and server.name == item.destination and is_literal(server.connection.address):
        declared = (server.connection.address,)
    return tuple(ipaddress.ip_address(one) for one in declared if "/" not in one)


def others(inventory: Inventory, server: Host | None) -> frozenset[Address]:
    """Which addresses are other hosts', none of which is declared to forward anything?"""
    return frozenset(
        ipaddress.ip_address(host.connection.address)
        for host in inventory.hosts.values()
        if host is not server and not host.expect.forwards and is_literal(host.connection.address)
    )


def serves(host: Host | None, key: str) -> bool:
    """Is this host declared to answer on the port, or to lead elsewhere?"""
    return host is not None and (key in host.expect.ports or bool(host.expect.forwards))
