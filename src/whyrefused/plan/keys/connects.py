"""connects: a connection that a client must really make, declared by its server (`clients`) or itself (`connects`)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import destination
from whyrefused.plan import ends, index, way
from whyrefused.plan.items import Item, LaterItem, number_of
from whyrefused.plan.keys import forwards
from whyrefused.plan.who import at, behind, dialled, forward_on, is_literal, is_self, literal
from whyrefused.probes import dials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.inventory.expect import Connect
    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class PathItem(Item):
    """A connection that a client must really make; `host` is the client."""

    server: str | None  # inventory host behind it; None where it is not in the inventory
    destination: str  # name or address that the client dials
    port: int
    server_port: str | None  # key in the server's `ports` that it leads to
    router: str | None = None  # inventory host whose declared `forwards` it goes through
    forward: str | None = None  # key in the router's `forwards`
    who: str = ""  # `unit:NAME` or `user:NAME`; empty: the login user
    scheme: str | None = None  # of a URL
    proxy: str = ""  # URL of the declared proxy on this way, without credentials; empty: none
    proxy_port: int = 0
    proxy_host: str = ""  # name or address in that URL
    proxy_credentials: bool = False  # does the declared URL hold some? They are never sent
    via: str | None = None  # inventory host that is the proxy; None where it is not in the inventory
    declared_by: str = "clients"  # or `connects`
    bind: str = ""  # of `clients`: as declared of the port
    before: str | None = None  # inventory host that is dialled and declared to serve the port: a balancer of the server

    @property
    def unit(self) -> str:
        """Which unit dials? Empty where it is a user."""
        return self.who.removeprefix("unit:") if self.who.startswith("unit:") else ""

    @property
    def dial(self) -> str:
        """How is it named among what its client dials?"""
        # A proxy carries http as it is, and opens a tunnel for all else (RFC 9110, 9.3.6).
        how = f"{'HEAD' if self.scheme == 'http' else 'CONNECT'}+{self.proxy}" if self.proxy else ""
        return dials.key(self.destination, self.port, self.who, how)

    @property
    def beyond(self) -> str:
        """How is the proxy's own connection to the server named among what the proxy dials?"""
        return dials.key(self.destination, self.port)


def items(inventory: Inventory, client: Host) -> Iterator[Item]:
    """The paths that this host dials: what other hosts' `clients` demand of it, and its own `connects`."""
    known = index.of(inventory)
    here = client.name not in known.selected
    for server, key, port in known.dialled_by.get(client.name, ()):
        if here and server.name not in known.selected:
            continue
        subject = f"{server.name}:{number_of(key)}"
        target = dialled(client, server, port)
        if key.endswith("/tcp"):
            yield PathItem(
                host=client.name, check="connects", subject=subject,
                wanted=f"{client.name} connects to {target}:{number_of(key)}",
                server=server.name, destination=target, port=number_of(key), server_port=key, bind=port.bind,
            )  # fmt: skip
        else:
            subject = f"{server.name}:{key}"
            yield LaterItem(host=client.name, check="connects", subject=subject, wanted=f"{subject} answers")
    for connect in client.expect.connects:
        yield _connect(inventory, client, connect)


def _connect(inventory: Inventory, client: Host, connect: Connect) -> PathItem:
    scheme, target, port = destination(connect.to)
    forward = forward_on(inventory, client, connect)
    found, inside = behind(inventory, *forward) if forward else (_name(at(inventory, client, target)), port)
    server = connect.server or found
    key = f"{inside}/tcp"
    known = server is not None and key in inventory.hosts[server].expect.ports
    who = f" as {connect.as_}" if connect.as_ else ""
    proxy = way.declared(connect.proxy or client.expect.proxy, scheme, target)
    return PathItem(
        host=client.name, check="connects", subject=f"{connect.to}{who}",
        wanted=f"{client.name} connects to {connect.to}{who}",
        server=server, destination=target, port=port, server_port=key if known else None,
        router=forward[0] if forward else None, forward=forward[1] if forward else None, who=connect.as_ or "",
        scheme=scheme, declared_by="connects", via=_via(inventory, client, proxy.host) if proxy else None,
        proxy=proxy.url if proxy else "", proxy_host=proxy.host if proxy else "",
        proxy_port=(proxy.port or 0) if proxy else 0, proxy_credentials=bool(proxy and proxy.credentials),
        before=None if forward else _before(inventory, client, target, server, key),
    )  # fmt: skip


def _before(inventory: Inventory, client: Host, target: str, server: str | None, key: str) -> str | None:
    """Does another host than the server take this connection, as declared, to pass it on?"""
    named = at(inventory, client, target)
    if named is None or server in {None, named.name, target} or key not in named.expect.ports:
        return None
    # A name may be declared to lead to both: then none of them is before the other.
    both = inventory.hosts[str(server)].connection.address in client.expect.resolves.get(target, ())
    return None if both else named.name


def _via(inventory: Inventory, client: Host, proxy: str) -> str | None:
    """Which host is the proxy? Loopback is the client itself."""
    if proxy == "localhost" or (is_literal(proxy) and ipaddress.ip_address(proxy).is_loopback):
        return client.name
    return _name(at(inventory, client, proxy))


def _name(host: Host | None) -> str | None:
    return host.name if host else None


def questions(inventory: Inventory, item: PathItem | LaterItem) -> Iterator[Question]:
    """What becomes of it, and what do both ends say?"""
    if isinstance(item, LaterItem):
        return
    yield item.host, "dials", item.dial
    yield from ends.client(item.host)
    if item.unit:
        yield item.host, "units", item.unit
    if is_self(item.destination):
        yield from ((item.host, probe, "") for probe in ends.LISTENING)
    yield from _names(
        inventory, item.host, *((item.proxy_host, item.via) if item.proxy_host else (item.destination, item.server))
    )
    if item.server:
        yield from ends.server(inventory, item.server)
    if item.before:
        yield from ends.server(inventory, item.before)
    if item.router and item.forward:
        yield from forwards.questions(inventory, forwards.of(inventory, inventory.hosts[item.router], item.forward))
    if item.proxy:
        yield from _proxy(inventory, item)


def _names(inventory: Inventory, host: str, name: str, server: str | None) -> Iterator[Question]:
    if not is_literal(name):
        yield from ends.name(inventory, host, name, likely=literal(inventory.hosts[server]) if server else "")


def _proxy(inventory: Inventory, item: PathItem) -> Iterator[Question]:
    """Why would the proxy not answer, or its own way to the server fail?"""
    if item.via:
        yield from ends.server(inventory, item.via)
        yield item.via, "dials", item.beyond
        yield from _names(inventory, item.via, item.destination, item.server)
