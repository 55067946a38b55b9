"""What is each host asked, so that the selected items can be judged and their failures explained?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan.declare import asked, is_literal
from whyrefused.plan.items import (
    FirewallItem,
    LaterItem,
    NameItem,
    PathItem,
    PortItem,
    ProxyItem,
    ServiceItem,
    WideItem,
)
from whyrefused.probes import dials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from whyrefused.plan.items import Item
    from whyrefused.records import Inventory
    from whyrefused.script import Asked

LISTENING = ("listeners", "proc_net", "addresses")
RULES = ("nft", "iptables", "addresses")

Question = tuple[str, str, str]  # host, probe, argument (empty: none)


def questions(inventory: Inventory, items: Iterable[Item], connect_timeout: float) -> Mapping[str, Mapping[str, Asked]]:
    """Which probes with which arguments, by host? Only selected hosts are asked, each once for all its items."""
    found: dict[str, dict[str, set[str]]] = {}
    reachable = frozenset(asked(inventory))
    for host, probe, argument in (question for item in items for question in _of_item(inventory, item)):
        if host in reachable:
            arguments = found.setdefault(host, {"identity": set()}).setdefault(probe, set())
            arguments.update({argument} - {""})
    first = (f"{connect_timeout:g}",)
    return {
        host: {
            probe: (first if probe == "dials" else ()) + tuple(sorted(arguments)) for probe, arguments in probes.items()
        }
        for host, probes in found.items()
    }


def _of_item(inventory: Inventory, item: Item) -> Iterator[Question]:
    match item:
        case ServiceItem():
            yield item.host, "units", item.unit
            yield from _of_server(inventory, item.host)
        case PortItem():
            yield from _of_server(inventory, item.host)
        case FirewallItem():
            yield from ((item.host, probe, "") for probe in RULES)
            yield from ((host, "addresses", "") for host, _ in item.source.hosts)
        case WideItem():
            yield from ((item.host, probe, "") for probe in (*LISTENING, *RULES))
        case ProxyItem():
            yield item.host, "proxy", ""
            yield from ((item.host, "proxy", unit) for unit in item.units)
        case NameItem():
            yield item.host, "names", item.name
        case PathItem():
            yield from _of_path(inventory, item)
        case LaterItem():
            return


def _of_server(inventory: Inventory, host: str) -> Iterator[Question]:
    """What tells why a port does not answer: listeners, and the units that may own them."""
    yield from ((host, probe, "") for probe in LISTENING)
    expect = inventory.hosts[host].expect
    owners = {port.service for port in expect.ports.values() if port.service}
    yield from ((host, "units", unit) for unit in sorted({*expect.services, *owners}))


def _of_path(inventory: Inventory, item: PathItem) -> Iterator[Question]:
    if not item.proxied:
        yield item.host, "dials", dials.key(item.destination, item.port)
    yield item.host, "addresses", ""
    if not is_literal(item.destination):
        yield item.host, "names", item.destination
    if item.server:
        yield from _of_server(inventory, item.server)
        yield from ((item.server, probe, "") for probe in RULES)
