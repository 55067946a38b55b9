"""Which hosts and addresses does the inventory give for what a client dials?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.plan import index
from whyrefused.plan.who import is_literal
from whyrefused.records import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.evidence import Evidence
    from whyrefused.facts.addresses import Address
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.records import Host, Inventory, Seen


def host_at(inventory: Inventory, seen: Seen, key: str, evidence: Evidence) -> Host | None:
    """Which host stands behind a destination that the inventory does not know? One that has what was tried.

    Of several hosts it is one that is declared to answer on the port. Where none is, nobody knows who is meant.
    """
    known = index.of(inventory)
    tried = [one.address for one in seen.value.tries]
    found = [known.first("", {str(address)}) or _holder(inventory, address, evidence) for address in tried]
    serving = [host for host in found if host and key in host.expect.ports]
    if serving:
        return serving[-1]
    named = {host.name: host for host in found if host}
    if len(named) != 1:
        return None
    (only,) = named.values()
    foreign = [address for address, host in zip(tried, found, strict=True) if host is None]
    return only if all(only.name in evidence.holders(address) for address in foreign) else None


def _holder(inventory: Inventory, address: Address, evidence: Evidence) -> Host | None:
    """Which one host says that it has this address? One that moves from host to host is nowhere in the inventory."""
    names = evidence.holders(address)
    return inventory.hosts.get(names[0]) if len(names) == 1 else None


def declared_answers(inventory: Inventory, item: PathItem, server: Host | None) -> tuple[Address, ...]:
    """Which addresses does the inventory give the name that is dialled? By `resolves`, or as the server's own name."""
    declared = inventory.hosts[item.host].expect.resolves.get(item.destination, ())
    if not declared and server and server.name == item.destination and is_literal(server.connection.address):
        declared = (server.connection.address,)
    return tuple(ipaddress.ip_address(one) for one in declared if "/" not in one)


@dataclass(frozen=True, slots=True)
class Others:
    """The addresses of all hosts but one, of those that are not declared to forward anything."""

    hosts: Mapping[Address, frozenset[str]]
    but: frozenset[str]

    def __contains__(self, address: object) -> bool:
        return bool(self.hosts.get(address, frozenset()) - self.but)  # type: ignore[call-overload] # any object


def others(inventory: Inventory, server: Host | None) -> Others:
    """Which addresses are other hosts', none of which is declared to forward anything?"""
    return Others(index.of(inventory).ends, frozenset({server.name} if server else ()))


def serves(host: Host | None, key: str) -> bool:
    """Is this host declared to answer on the port, or to lead elsewhere?"""
    return host is not None and (key in host.expect.ports or bool(host.expect.forwards))
