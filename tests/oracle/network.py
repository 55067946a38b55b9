"""How are the namespaces wired? `client` -- `host` -- `server`, with all that could be late or limited switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One end of a wire."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    v4: int  # prefix length
    v6: int  # prefix length


CLIENT = Link(
    name="eth0",
    mac="02:00:00:77:00:01",
    addresses=(
        "10.77.0.1", "10.77.0.2", "10.77.1.3", "10.77.9.4", "2001:db8:77::1", "2001:db8:77::2", "2001:db8:77:1::3",
    ),
    v4=16,
    v6=48,
)  # fmt: skip
NEAR = Link(
    name="eth0", mac="02:00:00:77:00:10", addresses=("10.77.0.10", "2001:db8:77::10"), v4=CLIENT.v4, v6=CLIENT.v6
)
SERVER = Link(
    name="eth0",
    mac="02:00:00:88:00:20",
    addresses=("10.88.0.20", "10.88.0.21", "2001:db8:88::20", "2001:db8:88::21"),
    v4=24,
    v6=64,
)
FAR = Link(
    name="eth1", mac="02:00:00:88:00:10", addresses=("10.88.0.10", "2001:db8:88::10"), v4=SERVER.v4, v6=SERVER.v6
)

LOOPBACK = ("127.0.0.1", "::1")
ADDRESSES = {
    "client": CLIENT.addresses,
    "host": (*NEAR.addresses, *FAR.addresses, *LOOPBACK),
    "server": SERVER.addresses,
}
"""Which namespace has which addresses? Loopback's are the host's: nobody else is asked there."""

WIRES = {"client": ((CLIENT, NEAR),), "host": ((NEAR, CLIENT), (FAR, SERVER)), "server": ((SERVER, FAR),)}
"""Its ends, each with the end across."""

SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    # A redirect would teach the client a way round the rules.
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/conf/all/accept_redirects": "0",
    "ipv4/conf/default/accept_redirects": "0",
    "ipv6/conf/all/accept_redirects": "0",
    "ipv6/conf/default/accept_redirects": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/router_solicitations": "0",
    # No type of ICMP is in the mask of the limited ones; by default an unreachable is sent once a second per target.
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_ratemask": "0",
    "ipv6/icmp/ratelimit": "0",
    "ipv6/icmp/ratemask": "",
    # Half-open connections: each SYN is answered once, by the listener itself, and forgotten after a second.
    "ipv4/tcp_syncookies": "0",
    "ipv4/tcp_synack_retries": "0",
    "ipv4/tcp_max_syn_backlog": "65536",
    "core/somaxconn": "4096",
}
"""Below /proc/sys/net of each namespace, before it has its links."""

LIMITS = {"ipv4/icmp_msgs_per_sec": "1000000", "ipv4/icmp_msgs_burst": "1000000"}
"""Of the whole machine before Linux 6.11 and not to be found in a namespace; the mask exempts us there too."""


def home(address: str) -> str:
    """Which namespace has this address?"""
    for place, addresses in ADDRESSES.items():
        if address in addresses:
            return place
    raise ValueError(f"no namespace of the rig has {address}")


def wires(names: Mapping[str, str]) -> Iterator[str]:
    """Which `ip` commands lay the wires between the namespaces of these names?"""
    for place, near, far in (("client", CLIENT, NEAR), ("server", SERVER, FAR)):
        ends = [f"name {end.name} address {end.mac} netns" for end in (near, far)]
        yield f"link add {ends[0]} {names[place]} type veth peer {ends[1]} {names['host']}"


def setup(place: str) -> Iterator[str]:
    """Which `ip` commands, inside it, give a namespace its addresses, neighbours and routes?"""
    yield "link set lo up"
    for near, far in WIRES[place]:
        for address in near.addresses:
            length = f"{near.v6} nodad" if ":" in address else str(near.v4)
            yield f"addr add dev {near.name} {address}/{length}"
        yield f"link set {near.name} up"
        # Finding out is slow, and the rules may forbid it.
        for address in far.addresses:
            yield f"neigh replace {address} lladdr {far.mac} dev {near.name} nud permanent"
        if place != "host":
            for address in far.addresses:
                yield f"route add default via {address} dev {near.name}"
