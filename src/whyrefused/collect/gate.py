"""How many clients of a fleet may dial one endpoint at once? So many that it is asked, and not flooded.

All that a client dials is known before the first host is visited. A host whose script dials an endpoint begins only
where that endpoint's cap has room for all connects that the script makes there at once; until then other hosts are
visited. It costs no round trip, no message between hosts and no waiting on a host, and no clock is asked: as long as a
visit lasts, all that its script can have open is counted.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whyrefused.plan.who import at, behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Inventory
    from whyrefused.script import Asked

    Endpoint = tuple[str, int]

CAP = 32
"""Connects at once to one endpoint. The kernel's queue of a listener holds 128 and more by default (listen(2))."""
SSH_CAP = 8
"""The same for sshd, which may drop whoever comes as the eleventh that has not logged in (MaxStartups 10:30:100)."""
EACH = 32
"""So many connects to one address and port has a client open at once, for each user that dials (`remote/dial.py`)."""
SSH = frozenset({"ssh", "sshd", "ssh.service", "sshd.service"})


class Gate:
    """Which hosts are at work, and how many connects to each endpoint that may be. Its user locks."""

    def __init__(self, inventory: Inventory, asked: Mapping[str, Mapping[str, Asked]]) -> None:
        self._inventory = inventory
        self._dialled = {
            host: found
            for host, probes in asked.items()
            if (found := dialled(inventory, host, probes.get("dials", ())))
        }
        self._inside: set[str] = set()
        self._open: Counter[Endpoint] = Counter()

    def admits(self, host: str) -> bool:
        """Has every endpoint that it dials room? Where nobody else dials it, always: one host may need more."""
        return all(
            not self._open[end] or self._open[end] + many <= cap(self._inventory, end)
            for end, many in self._dialled.get(host, {}).items()
        )

    def enter(self, host: str) -> None:
        """It is visited from now on."""
        self._inside.add(host)
        self._open.update(self._dialled.get(host, {}))

    def leave(self, host: str) -> None:
        """Its visit has ended, or it is no longer waited for."""
        if host in self._inside:
            self._inside.remove(host)
            self._open.subtract(self._dialled.get(host, {}))


def cap(inventory: Inventory, end: Endpoint) -> int:
    """How many connects at once may an endpoint get?"""
    name, number = end
    port = inventory.hosts[name].expect.ports.get(f"{number}/tcp") if name in inventory.hosts else None
    return SSH_CAP if number == 22 or (port and port.service in SSH) else CAP  # noqa: PLR2004 - ssh's port


def dialled(inventory: Inventory, host: str, keys: Asked) -> Mapping[Endpoint, int]:
    """How many connects to each endpoint may this host have open at once? `keys` is what the probe `dials` is asked."""
    by_user: Counter[tuple[Endpoint, str]] = Counter()
    for key in keys[1:]:
        name, port, who, proxy = (*key.split(" "), "-", "-")[:4]
        ends = [(name, int(port))]
        if proxy != "-" and (place := _place(proxy.partition("+")[2])):
            ends.append(place)
        by_user.update({(_endpoint(inventory, host, *end), who) for end in ends})
    found: Counter[Endpoint] = Counter()
    for (end, _), many in by_user.items():
        found[end] += min(many, EACH)
    return found


def _place(url: str) -> Endpoint | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None
    return None


def _endpoint(inventory: Inventory, client: str, name: str, port: int) -> Endpoint:
    """Which endpoint is that? By whatever name or declared forward it is dialled: the host and port that answer."""
    host = at(inventory, inventory.hosts[client], name)
    if host is None:
        return name.lower(), port
    key = f"{port}/tcp"
    server, inside = behind(inventory, host.name, key) if key in host.expect.forwards else (None, port)
    return (server, inside) if server else (host.name, port)
