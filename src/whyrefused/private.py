"""Which names of a fleet would a stranger not need to know? As the inventory has them, and as the hosts say. Pure."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from whyrefused.records import CouldNotLook, Private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Item
    from whyrefused.records import Inventory


def private(inventory: Inventory, items: Iterable[Item], evidence: Evidence) -> Private:
    """Which hosts and users are there? Names that hold a dot are known by their shape as well, wherever they stand."""
    ways = [host.connection for host in inventory.hosts.values()]
    users = {user for way in ways for user in (way.user, way.become_user) if user}
    said = (name for host in evidence.hosts for name in _own_names(evidence, host))
    dialled = (getattr(item, name, "") for item in items for name in ("destination", "name", "proxy_host"))
    zones = (zone for host in inventory.hosts.values() for zone in host.expect.authoritative)
    hosts = {*inventory.hosts, *(way.address for way in ways), *said, *dialled, *zones}
    return Private(hosts=frozenset(hosts - {""}), users=frozenset(users | {getpass.getuser()}))


def _own_names(evidence: Evidence, host: str) -> Iterator[str]:
    try:
        name = evidence[host].identity.hostname
    except CouldNotLook:
        return
    yield name
    yield name.partition(".")[0]
