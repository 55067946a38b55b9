"""Which addresses and ports has the rig?"""

from __future__ import annotations

PORTS = (80, 81, 82, 8080)
"""Where something listens, on `host` and on `server`."""
CLIENTS = {
    4: ("10.77.0.1", "10.77.0.2", "10.77.1.3", "10.77.9.4"),
    6: ("2001:db8:77::1", "2001:db8:77::2", "2001:db8:77:1::3"),
}
HOST = {4: ("10.77.0.10", "10.88.0.10"), 6: ("2001:db8:77::10", "2001:db8:88::10")}
"""On eth0, where the client is, and on eth1, where the server is."""
SERVERS = {4: ("10.88.0.20", "10.88.0.21"), 6: ("2001:db8:88::20", "2001:db8:88::21")}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
TARGETS = {4: "10.88.0.10", 6: "2001:db8:88::10"}
"""What sources are translated to."""
NETWORKS = {
    4: ("10.77.0.0/24", "10.77.0.2-10.77.1.3", "10.77.0.0/16", "10.88.0.0/24"),
    6: ("2001:db8:77::/64", "2001:db8:77::2-2001:db8:77:1::3", "2001:db8:77:1::/64", "2001:db8:88::/64"),
}
ADDRESSES = {version: (*CLIENTS[version], *HOST[version], *SERVERS[version]) for version in (4, 6)}
