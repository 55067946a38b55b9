"""By which names do the grammars call the addresses of the rig?"""

from __future__ import annotations

from .network import CLIENT, FAR, NEAR, SERVER
from .network import LOOPBACK as OWN
from .responders import PORTS

__all__ = ["ADDRESSES", "CLIENTS", "HOST", "LOOPBACK", "NETWORKS", "PORTS", "SERVERS", "TARGETS"]


def _by_version(addresses: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    six = tuple(address for address in addresses if ":" in address)
    return {4: tuple(address for address in addresses if address not in six), 6: six}


CLIENTS = _by_version(CLIENT.addresses)
HOST = _by_version((*NEAR.addresses, *FAR.addresses))
"""On eth0, where the client is, and on eth1, where the server is."""
SERVERS = _by_version(SERVER.addresses)
LOOPBACK = _by_version(OWN)
TARGETS = {version: HOST[version][1] for version in (4, 6)}
"""What sources are translated to."""
NETWORKS = {
    4: ("10.77.0.0/24", "10.77.0.2-10.77.1.3", "10.77.0.0/16", "10.88.0.0/24"),
    6: ("2001:db8:77::/64", "2001:db8:77::2-2001:db8:77:1::3", "2001:db8:77:1::/64", "2001:db8:88::/64"),
}
ADDRESSES = {version: (*CLIENTS[version], *HOST[version], *SERVERS[version]) for version in (4, 6)}
