"""Who and what do the names and addresses of an inventory mean?"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import destination
from whyrefused.plan import index

if TYPE_CHECKING:
    from whyrefused.inventory.expect import Connect, Port
    from whyrefused.records import Host, Inventory


def is_literal(text: str) -> bool:
    """Is this an address and not a name?"""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_self(text: str) -> bool:
    """Does this name or address mean the machine itself, on whichever machine it stands? (RFC 6761, 6.3)"""
    if is_literal(text):
        return ipaddress.ip_address(text).is_loopback
    return text.rstrip(".").lower() in {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}


def literal(host: Host) -> str:
    """The address of a host, where the inventory has it as one. This machine's own is seen by whom it visits only."""
    address = host.connection.address
    return address if is_literal(address) and host.connection.kind != "local" else ""


def members(inventory: Inventory, name: str) -> tuple[str, ...]:
    """Which hosts does a name of the inventory mean? A host itself, a group its members."""
    return (name,) if name in inventory.hosts else inventory.groups.get(name, ())


def asked(inventory: Inventory) -> tuple[str, ...]:
    """Which hosts may this run ask? The selected ones, and the machine it runs on where it is only named a client."""
    here = index.of(inventory).asked - index.of(inventory).selected
    return (*inventory.selected, *here)


def dialled(client: Host, server: Host, port: Port) -> str:
    """What does a client of this port dial? The address it is bound to, where it is bound to one."""
    bind = port.bind.partition("%")[0]
    address = ipaddress.ip_address(bind) if bind else None
    if address and not address.is_unspecified and (client.name == server.name or not address.is_loopback):
        return bind
    return server.connection.address


def at(inventory: Inventory, client: Host, target: str) -> Host | None:
    """Which host of the inventory is meant by a name or address that this client dials?"""
    if is_self(target):
        return client
    answers = {target, *client.expect.resolves.get(target, ())}
    return index.of(inventory).first(target, answers)


def forward_of(inventory: Inventory, client: Host, target: str, port: int) -> tuple[str, str] | None:
    """Which declared port forward does a connection go through? The router, and its key in `forwards`."""
    router = at(inventory, client, target)
    key = f"{port}/tcp"
    return (router.name, key) if router and key in router.expect.forwards else None


def forward_on(inventory: Inventory, client: Host, connect: Connect) -> tuple[str, str] | None:
    """Which declared port forward is on the way of this `connects`?

    A router may be dialled at an address that the inventory lacks: where the server is named, the only router that
    forwards this port to it is meant.
    """
    _, target, port = destination(connect.to)
    if connect.server is None or at(inventory, client, target):
        return forward_of(inventory, client, target, port)
    key = f"{port}/tcp"
    routers = [
        host.name
        for host in index.of(inventory).routers
        if key in host.expect.forwards and behind(inventory, host.name, key)[0] in {None, connect.server}
    ]
    return (routers[0], key) if len(routers) == 1 else None


def server_of(inventory: Inventory, client: Host, target: str, port: int) -> str | None:
    """Which host of the inventory stands behind a destination? By name, address, declared answer or forward."""
    forward = forward_of(inventory, client, target, port)
    if forward:
        return behind(inventory, *forward)[0]
    host = at(inventory, client, target)
    return host.name if host else None


def behind(inventory: Inventory, router: str, key: str) -> tuple[str | None, int]:
    """Which host and port stand behind a declared port forward? The host is None where the inventory lacks it."""
    here = inventory.hosts[router]
    _, target, port = destination(here.expect.forwards[key])
    host = at(inventory, here, target)
    return (host.name if host else None), port
