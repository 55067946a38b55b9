"""Which connections are there to try?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.firewall import Hook, Packet

from .places import CLIENTS, HOST, LOOPBACK, PORTS, SERVERS
from .words import chance, pick

if TYPE_CHECKING:
    from .words import Draw

WIDE = {4: "10.0.0.0/8", 6: "2001:db8::/32"}
HOSTS_OWN = frozenset({*HOST[4], *HOST[6], *LOOPBACK[4], *LOOPBACK[6]})
ROUTES = (
    ("10.77.0.0/16", "eth0"), ("10.88.0.0/24", "eth1"), ("2001:db8:77::/48", "eth0"), ("2001:db8:88::/64", "eth1"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One connection to try, and how the rules are asked about it."""

    hook: Hook
    protocol: str
    source: str
    destination: str
    port: int
    uid: int = 0
    told: bool = True  # the rules are asked about its very source port, not about any
    among: str = ""  # and about all these sources at once, of which its own is one

    def packet(self, source_port: int) -> Packet:
        """Which packet opens it?"""
        coming = "eth0" if self.source in CLIENTS[4] + CLIENTS[6] else "eth1"
        leaving = "lo" if self.destination in HOSTS_OWN else "eth1"
        return Packet(
            protocol=self.protocol, source=self.among or self.source, destination=self.destination, port=self.port,
            source_port=source_port if self.told else None,
            interface=leaving if self.hook == "output" else coming, uid=self.uid if self.hook == "output" else None,
            gid=0 if self.hook == "output" else None, addresses=HOSTS_OWN, routes=ROUTES,
        )  # fmt: skip


def connections(draw: Draw, count: int, *, beyond: bool) -> list[Connection]:
    """Connections to ask one ruleset about. With `beyond`, the server opens some too."""
    found: list[Connection] = []
    for _ in range(count * 3):
        made = _connection(draw, beyond=beyond)
        if made not in found:
            found.append(made)
        if len(found) == count:
            break
    return found


def _connection(draw: Draw, *, beyond: bool) -> Connection:
    version = pick(draw, (4, 4, 6))
    hook: Hook = pick(draw, ("input", "input", "forward", "forward", "output"))
    protocol = "udp" if chance(draw, 12) else "tcp"
    port = pick(draw, (80, 80, 81, 82, *PORTS[3:]))
    uid = 0
    if hook == "input":
        far = beyond and chance(draw, 15)
        source = pick(draw, SERVERS[version] if far else CLIENTS[version])
        destination = HOST[version][1 if far else 0]
    elif hook == "forward":
        source, destination = pick(draw, CLIENTS[version]), pick(draw, SERVERS[version])
    elif chance(draw, 20):
        source = destination = HOST[version][0]
        uid = pick(draw, (0, 1000))
    else:
        source, destination, uid = HOST[version][1], pick(draw, SERVERS[version]), pick(draw, (0, 1000))
    return Connection(
        hook=hook, protocol=protocol, source=source, destination=destination, port=port, uid=uid,
        told=chance(draw, 70), among=_among(draw, version) if hook != "output" else "",
    )  # fmt: skip


def _among(draw: Draw, version: int) -> str:
    return pick(draw, ("", "", "", "", "any", WIDE[version]))
