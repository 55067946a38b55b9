"""forwards: a port of a router that must lead to a host and port behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import destination
from whyrefused.plan import ends, index
from whyrefused.plan.items import Item, Protocol, number_of, protocol_of
from whyrefused.plan.who import behind, forward_on, is_literal
from whyrefused.probes import dials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardItem(Item):
    """A port forward; `host` is the router."""

    port: int  # of the router
    protocol: Protocol
    address: str  # of the router in the inventory: a name or an address
    target: str  # name or address behind it, as the router dials it
    target_port: int
    server: str | None  # inventory host behind it; None where the inventory does not tell
    program: bool  # a unit of the router's is declared to hold the port
    paths: tuple[tuple[str, str], ...]  # declared paths that lead through it: client, and what it dials

    @property
    def dial(self) -> str:
        """How is the target named among what the router dials?"""
        return dials.key(self.target, self.target_port)


def items(inventory: Inventory, host: Host) -> Iterator[ForwardItem]:
    """Which forwards are declared of this host?"""
    for key in host.expect.forwards:
        yield of(inventory, host, key)


def of(inventory: Inventory, host: Host, key: str) -> ForwardItem:
    """What is declared of one forward?"""
    paths = tuple(_paths(inventory, host.name, key))
    server, port = behind(inventory, host.name, key)
    named = next((server for _, server, _ in paths if server), None)
    target = host.expect.forwards[key]
    return ForwardItem(
        host=host.name, check="forwards", subject=key, wanted=f"{key} is forwarded to {target}",
        port=number_of(key), protocol=protocol_of(key), address=host.connection.address,
        target=_dialled(inventory, target), target_port=port, server=server or named,
        program=key in host.expect.ports and host.expect.ports[key].service is not None,
        paths=tuple((client, dial) for client, _, dial in paths),
    )  # fmt: skip


def _dialled(inventory: Inventory, text: str) -> str:
    """What does the router dial to ask the target? An inventory name need not resolve there; its address is dialled."""
    target = destination(text)[1]
    return inventory.hosts[target].connection.address if target in inventory.hosts else target


def _paths(inventory: Inventory, router: str, key: str) -> Iterator[index.Through]:
    """Which clients are declared to dial it: (client, the server that they name, what they dial)?"""
    known = index.of(inventory)
    if known.through is None:
        known.through = {}
        for client in inventory.hosts.values():
            for connect in client.expect.connects:
                _, target, port = destination(connect.to)
                if forward := forward_on(inventory, client, connect):
                    dial = dials.key(target, port, connect.as_ or "", "")
                    known.through.setdefault(forward, []).append((client.name, connect.server, dial))
    yield from known.through.get((router, key), ())


def questions(inventory: Inventory, item: ForwardItem) -> Iterator[Question]:
    """What does the router do with it, does the target answer the router, and why not?"""
    yield from ends.router(item.host)
    if item.protocol == "tcp":
        yield item.host, "dials", item.dial
    if not is_literal(item.target):
        yield item.host, "names", item.target
    if item.server:
        yield from ends.server(inventory, item.server)
