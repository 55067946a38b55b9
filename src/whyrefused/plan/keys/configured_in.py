"""configured_in: where a client has its destination from, and what must stand there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import destination
from whyrefused.plan import ends
from whyrefused.plan.items import Item
from whyrefused.plan.who import is_literal, is_self, literal, server_of
from whyrefused.probes.configured import ANY_NAME, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredItem(Item):
    """A place that a client reads its destination from, and the destination that must stand there."""

    where: str  # FILE, FILE#KEY or unit:NAME#VARIABLE
    process: str  # unit:NAME#VARIABLE of the running process that may have read it before; empty where none is declared
    scheme: str | None
    destination: str
    port: int
    server: str | None  # inventory host behind it
    known: tuple[str, ...]  # addresses that the inventory gives the destination or its server


def items(inventory: Inventory, host: Host) -> Iterator[ConfiguredItem]:
    """Which are declared?"""
    for connect in host.expect.connects:
        if not connect.configured_in:
            continue
        scheme, target, port = destination(connect.to)
        server = connect.server or server_of(inventory, host, target, port)
        yield ConfiguredItem(
            host=host.name, check="configured_in", subject=f"{connect.to} in {connect.configured_in}",
            wanted=f"{connect.configured_in} names {connect.to}", where=connect.configured_in,
            process=_process(connect.configured_in, connect.as_ or ""), scheme=scheme, destination=target, port=port,
            server=server, known=_known(inventory, host, target, server),
        )  # fmt: skip


def _process(where: str, who: str) -> str:
    """Where does a running unit have the variable of this name from?"""
    file, _, key = where.partition("#")
    if not who.startswith("unit:") or file.startswith("unit:") or not key:
        return ""
    return f"{who}#{dotted(key).rpartition('.')[2]}"


def _known(inventory: Inventory, client: Host, target: str, server: str | None) -> tuple[str, ...]:
    named = [target] if is_literal(target) else []
    declared = [answer for answer in client.expect.resolves.get(target, ()) if "/" not in answer]
    own = [literal(inventory.hosts[server])] if server and not is_self(target) else []
    return tuple(dict.fromkeys(one for one in (*named, *declared, *own) if one))


def questions(inventory: Inventory, item: ConfiguredItem) -> Iterator[Question]:
    """What stands there, and which addresses have the declared destination and its server?"""
    yield item.host, "configured", item.where
    if item.process:
        yield item.host, "configured", item.process
    if is_literal(item.destination):
        yield item.host, "lookups", ANY_NAME
    else:
        yield item.host, "names", item.destination
    yield item.host, "addresses", ""
    if item.server:
        yield from ends.listening(inventory, item.server)
