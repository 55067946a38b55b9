"""Where are rulesets judged and tried? A host that has them, a neighbour before it and one behind it.

`near` is on the lab's network with three addresses; `behind` has one behind each host with rules, is reached there
through that host only, and answers and dials through it.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from whyrefused.firewall import Packet
from whyrefused.probes import iptables, nft
from whyrefused.records import Frame

from . import place, traffic
from .process import run
from .traffic import Dial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from whyrefused.firewall import Hook

    from .fleet import Lab
    from .host import Host
    from .layer import Layer
    from .ruleset import Ask

BACK = {4: "10.77.{}.{}", 6: "fd77:{}::{}"}
"""The network behind each host with rules, by its number; `behind` is 1 there, the host itself 2."""
LENGTH = {4: 24, 6: 64}
PRELUDE = """
serve() { # PROCESS PORT...: let the network namespace of a process answer on these ports
  process=$1; shift
  systemd-run -q --service-type=notify -p NotifyAccess=all --unit="answer-$process" -- \
    nsenter --net="/proc/$process/ns/net" python3 /root/answer.py "$@"
}
"""
SYSCTLS = (
    "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
    "net.ipv4.icmp_msgs_per_sec=100000", "net.ipv4.icmp_msgs_burst=100000",
)  # fmt: skip
"""A router; and as many ICMP errors as it takes: the kernel sends one a second to one peer otherwise (icmp(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a host says of its own addresses and routes."""

    addresses: frozenset[str]
    routes: tuple[tuple[str, str], ...]  # (CIDR, interface)

    @classmethod
    def of(cls, host: Host) -> Self:
        """What does this host say?"""
        listed, routes = _json(host.inside, "addr"), (_json(host.inside, "route"), _json(host.inside, "-6", "route"))
        return cls(
            addresses=frozenset(_addresses(listed)),
            routes=tuple(
                (everywhere if route["dst"] == "default" else route["dst"], route["dev"])
                for everywhere, found in zip(("0.0.0.0/0", "::/0"), routes, strict=True)
                for route in found
                if "dev" in route
            ),
        )

    def interface(self, address: str) -> str:
        """Through which interface does it reach this address?"""
        asked = ipaddress.ip_address(address)
        if address in self.addresses or asked.is_loopback:
            return "lo"
        found = [(ipaddress.ip_network(network), name) for network, name in self.routes]
        fitting = [(network.prefixlen, name) for network, name in found if asked in network]
        return max(fitting)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A host with rules, and what it has behind it."""

    host: Host
    number: int

    def back(self, last: int) -> tuple[str, str]:
        """Which addresses of both families have this last number behind it?"""
        return BACK[4].format(self.number, last), BACK[6].format(self.number, last)

    @property
    def networks(self) -> tuple[str, str]:
        """Which networks are behind it?"""
        four, six = BACK[4].format(self.number, 0), BACK[6].format(self.number, "")
        return f"{four}/{LENGTH[4]}", f"{six}/{LENGTH[6]}"


class Site:
    """The neighbours, and hosts with rules between them."""

    def __init__(self, lab: Lab, ports: Iterable[int]) -> None:
        self.lab = lab
        self.boxes: list[Box] = []
        self.lock = threading.Lock()
        (self.near,) = lab.boot("near", addresses=3)
        (self.behind,) = lab.boot("behind")
        self.behind.run("ip addr flush dev eth0; ip link set eth0 down")
        for host in (self.near, self.behind):
            traffic.listen(host, ports)

    def put(self, name: str, layer: Layer | None, ports: Iterable[int], routed: Iterable[str]) -> Box:
        """Boot a host that is to have rules; `near` goes through it to what is behind it and these networks in it."""
        (host,) = self.lab.boot(name, layer=layer)
        with self.lock:
            box = Box(host=host, number=len(self.boxes) + 1)
            self.boxes.append(box)
            self._wire(box)
        self._lead(box, tuple(routed))
        traffic.listen(host, ports)
        return box

    def renames(self, box: Box) -> dict[str, str]:
        """What stands in recordings for addresses that differ from run to run, by pattern?"""
        plan = self.lab.plan
        return {
            rf"{re.escape(box.host.address)}(?![\w.])": "198.18.1.20",
            rf"{re.escape(box.host.address6)}(?![\w:])": "2001:db8:18:1::14",
            re.escape(str(plan.v4.network_address).removesuffix("0")): "198.18.1.",
            re.escape(str(plan.v6.network_address)): "2001:db8:18:1::",
            rf"10\.77\.{box.number}\.": "10.77.1.",
            rf"fd77:{box.number}::": "fd77:1::",
        }

    def _wire(self, box: Box) -> None:
        for end, last in ((self.behind, 1), (box.host, 2)):
            four, six = box.back(last)
            if end is box.host or box.number == 1:
                end.wire("back", f"{four}/{LENGTH[4]}")
            else:
                end.run(f"ip addr add {four}/{LENGTH[4]} dev back")
            end.run(f"ip -6 addr add {six}/{LENGTH[6]} dev back nodad")

    def _lead(self, box: Box, routed: Sequence[str]) -> None:
        """Let the neighbours go through the host. Rules may forbid finding hardware addresses, so all are told."""
        host, ahead, back = box.host, (box.host.address, box.host.address6), box.back(2)
        for setting in SYSCTLS:
            host.run(f"sysctl -qw {setting}", check=False)
        lines = [f"ip route add {net} via {ahead[':' in net]}" for net in (*box.networks, *routed)]
        self.near.run("; ".join([*lines, *_told(ahead, "eth0", host)]))
        own = box.back(1)
        lines = [f"ip -{4 + 2 * at} route add default via {back[at]} table {box.number}" for at in (0, 1)]
        lines += [f"ip -{4 + 2 * at} rule add from {own[at]} table {box.number}" for at in (0, 1)]
        self.behind.run("; ".join([*lines, *_told(back, "back", host)]))
        near = (*self.near.addresses, *self.near.addresses6)
        host.run("; ".join([*_told(near, "eth0", self.near), *_told(own, "back", self.behind)]))


def _told(addresses: Iterable[str], dev: str, owner: Host) -> Iterator[str]:
    mac = owner.run(f"cat /sys/class/net/{dev}/address").strip()
    for address in addresses:
        yield f"ip neigh replace {address} lladdr {mac} dev {dev} nud permanent"


def _json(inside: tuple[str, ...], *words: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(run(*inside, "ip", "-j", *words).stdout)


def _addresses(listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which addresses does `ip -j addr` list, but those of one link only?"""
    return [one["local"] for link in listed for one in link.get("addr_info", ()) if one["scope"] != "link"]


class Stage:
    """One host with rules, and the places that its connections come from and go to."""

    def __init__(self, site: Site, box: Box, places: Mapping[str, str]) -> None:
        self.host = host = box.host
        self.network = Network.of(host)
        self.inside = {"near": site.near.inside, "behind": site.behind.inside, "box": host.inside}
        for name, shell in places.items():
            process = int(host.run(shell))
            self.inside[name] = (*host.inside, "nsenter", f"--net=/proc/{process}/ns/net", "--")
        self.addresses = {name: _addresses(_json(inside, "addr")) for name, inside in self.inside.items()}
        self.addresses |= {"behind": [*box.back(1)], "near": [*site.near.addresses, *site.near.addresses6]}
        self.addresses["box"].sort(key=lambda each: each not in (host.address, host.address6))

    def at(self, word: str, *, six: bool = False) -> tuple[str, str]:
        """Which place and address does a case mean by `near`, `near.2`, `near.v6`, `near.v6.2` or an address?"""
        name, *rest = word.split(".")
        if name not in self.addresses:
            return "", word
        six = six or "v6" in rest
        number = next((int(each) for each in rest if each.isdigit()), 1)
        mine = [each for each in self.addresses[name] if not ipaddress.ip_address(each).is_loopback]
        fitting = [each for each in mine if (":" in each) is six]
        return name, fitting[number - 1]

    def dials(self, ask: Ask) -> Iterator[Dial]:
        """Which connections does a case ask for?"""
        for source, destination, port, protocol in ask.each():
            name, address = self.at(source)
            _, reached = self.at(destination, six=":" in address)
            yield Dial(place=name, source=address, destination=reached, port=port, protocol=protocol)

    def question(self, dial: Dial) -> tuple[Packet, Hook]:
        """As what does the firewall of the host see this connection?"""
        local = dial.source in self.network.addresses
        inward = dial.destination in self.network.addresses
        hook: Hook = "input" if inward else "output" if local else "forward"
        seen = self.network.interface(dial.destination if hook == "output" else dial.source)
        packet = Packet(
            protocol=dial.protocol,
            source=dial.source,
            destination=dial.destination,
            port=dial.port,
            interface=seen,
            addresses=self.network.addresses,
            routes=self.network.routes,
        )
        return packet, hook

    def texts(self) -> tuple[str | None, dict[str, str]]:
        """What do the commands print that list the host's rules? The tool's own probes ask."""
        listed = nft.parse(_frame(self.host, nft.fragment(())))
        return listed, dict(iptables.parse(_frame(self.host, iptables.fragment(()))))


def _frame(host: Host, fragment: str) -> Frame:
    done = run(*host.inside, "/bin/sh", "-c", f"S=; {fragment}", check=False, env=place.ENVIRONMENT, cwd="/")
    return Frame(text=done.stdout + done.stderr, status=done.returncode)


def words(site: Site, box: Box) -> str:
    """Which shell variables hold the addresses that a case's commands may name?"""
    hosts = {"box": (box.host.address, box.host.address6), "near": (site.near.address, site.near.address6)}
    near = zip(site.near.addresses, site.near.addresses6, strict=True)
    hosts |= {f"near{number}": each for number, each in enumerate(near, 1)}
    hosts |= {"behind": box.back(1), "back": box.networks}
    return "".join(f"{name}={four}\n{name}_v6={six}\n" for name, (four, six) in hosts.items()) + PRELUDE
