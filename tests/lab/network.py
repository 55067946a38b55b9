"""How are the hosts of a lab wired? A bridge in the controller's namespace, and no way out of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from .paths import owned
from .process import LabError, run

if TYPE_CHECKING:
    from collections.abc import Iterable

BRIDGE = "br0"
LABS = 256
"""RFC 2544 keeps 198.18.0.0/15 for benchmarks; a lab has one /24 of its lower half."""

FIRST, LAST = 10, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The addresses of one lab."""

    number: int  # of the lab, 0 to 255

    @property
    def v4(self) -> ipaddress.IPv4Network:
        """Which IPv4 network is the lab's?"""
        return ipaddress.IPv4Network((f"198.18.{self.number}.0", 24))

    @property
    def v6(self) -> ipaddress.IPv6Network:
        """Which IPv6 network is the lab's? Of 2001:db8::/32, which is for documentation (RFC 3849)."""
        return ipaddress.IPv6Network((f"2001:db8:18:{self.number:x}::", 64))

    def pair(self, last: int) -> tuple[str, str]:
        """Which IPv4 and IPv6 address have this last number? 1 is the controller."""
        return str(self.v4[last]), str(self.v6[last])

    def free(self, taken: Iterable[str], count: int) -> tuple[str, ...]:
        """Which are the next free IPv4 addresses?"""
        used = set(taken)
        found = tuple(islice((a for a in map(str, list(self.v4)[FIRST : LAST + 1]) if a not in used), count))
        if len(found) < count:
            raise LabError(f"{self.v4} has no {count} free addresses left")
        return found

    def v6_of(self, address: str) -> str:
        """Which IPv6 address goes with this IPv4 address of the lab?"""
        return self.pair(int(ipaddress.IPv4Address(address)) - int(self.v4.network_address))[1]


def batch(commands: Iterable[str], namespace: str = "") -> None:
    """Do these `ip` commands, in one process; in a namespace if one is named."""
    run("ip", *(("-n", namespace) if namespace else ()), "-batch", "-", stdin="\n".join(commands) + "\n")


def controller(lab: str, plan: Plan) -> None:
    """Make the controller's namespace: the bridge that all hosts hang on, and no interface of the machine."""
    v4, v6 = plan.pair(1)
    batch([f"netns add {owned(lab)}"])
    batch(
        [
            "link set lo up",
            f"link add {BRIDGE} type bridge",
            f"addr add {v4}/24 dev {BRIDGE}",
            f"addr add {v6}/64 dev {BRIDGE} nodad",
            f"link set {BRIDGE} up",
        ],
        owned(lab),
    )


def attach(lab: str, plan: Plan, host: str, number: int, addresses: Iterable[str]) -> None:
    """Make a host's namespace, with `eth0` on the lab's bridge."""
    space, hub, port = owned(lab, host), owned(lab), f"v{number}"
    batch([f"netns add {space}", f"link add {port} netns {hub} type veth peer name eth0 netns {space}"])
    batch([f"link set {port} master {BRIDGE} up"], hub)
    batch(["link set lo up", "link set eth0 up"], space)
    batch([line for address in addresses for line in _added(plan, address)], space)
    batch([f"route add default via {plan.pair(1)[0]}", f"route add default via {plan.pair(1)[1]}"], space)


def add(lab: str, plan: Plan, host: str, address: str) -> None:
    """Give a host one more address on `eth0`, with the IPv6 address that goes with it."""
    batch(_added(plan, address), owned(lab, host))


def wire(lab: str, segment: str, host: str, number: int, address: str) -> None:
    """Give a host an interface of the segment's name, on a bridge that the controller has no address on."""
    space, hub, bridge, port = owned(lab, host), owned(lab), f"br-{segment}", f"w{number}-{segment}"
    if run("ip", "-n", hub, "link", "show", bridge, check=False).returncode:
        batch([f"link add {bridge} type bridge", f"link set {bridge} up"], hub)
    batch([f"link add {port} netns {hub} type veth peer name {segment} netns {space}"])
    batch([f"link set {port} master {bridge} up"], hub)
    batch([f"addr add {address} dev {segment}{' nodad' if ':' in address else ''}", f"link set {segment} up"], space)


def _added(plan: Plan, address: str) -> list[str]:
    return [f"addr add {address}/24 dev eth0", f"addr add {plan.v6_of(address)}/64 dev eth0 nodad"]
