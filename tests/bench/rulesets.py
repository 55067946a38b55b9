"""Which large rulesets are judged? As `iptables-save` and `nft -j list ruleset` print them, of any number of rules.

Number `at` lets in one address to one port of its own; what no rule lets in is dropped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whyrefused.firewall import Packet, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.firewall import Hook, Ruleset

HERE = "198.51.100.1"
NODE = frozenset({HERE})
ROUTES = (("10.244.0.0/16", "cni0"), ("0.0.0.0/0", "eth0"))


def source(at: int) -> str:
    """Which address is the one of this number?"""
    return f"10.{at >> 8 & 255}.{at & 255}.7"


def port(at: int) -> int:
    """Which port is the one of this number?"""
    return 1024 + at


def _save(*rules: str, chains: Iterable[str] = (), policy: str = "DROP", table: str = "filter") -> str:
    hooks = ("INPUT", "FORWARD", "OUTPUT") if table == "filter" else ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
    heads = [*(f":{name} {policy} [0:0]" for name in hooks), *(f":{name} - [0:0]" for name in chains)]
    return "\n".join([f"*{table}", *heads, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def save_flat(rules: int) -> dict[str, str]:
    """One chain of iptables."""
    return {"iptables-save": _save(*(_accepting("INPUT", at) for at in range(rules)))}


def save_chains(rules: int) -> dict[str, str]:
    """A hundred chains, each for one network, with their share of the rules each."""
    share = rules // 100
    jumps = [f"INPUT -s 10.0.0.0/8 -p tcp -j C{at}" for at in range(100)]
    inside = [_accepting(f"C{at // share}", at) for at in range(share * 100)]
    return {"iptables-save": _save(*jumps, *inside, chains=[f"C{at}" for at in range(100)])}


def save_services(rules: int) -> dict[str, str]:
    """What kube-proxy writes: a service chain and an endpoint chain for each cluster address."""
    services = rules // 5
    nat = ["PREROUTING -j KUBE-SERVICES"]
    for at in range(services):
        name, address = f"{at:016X}", f"10.96.{at >> 8}.{at & 255}/32"
        nat += [
            f"KUBE-SERVICES -d {address} -p tcp -m tcp --dport {port(at)} -j KUBE-SVC-{name}",
            f"KUBE-SVC-{name} ! -s 10.244.0.0/16 -d {address} -p tcp -m tcp --dport {port(at)} -j KUBE-MARK-MASQ",
            f'KUBE-SVC-{name} -m comment --comment "ns/s{at}:http" -j KUBE-SEP-{name}',
            f"KUBE-SEP-{name} -s 10.244.{at >> 8}.{at & 255}/32 -j KUBE-MARK-MASQ",
            f"KUBE-SEP-{name} -p tcp -m tcp -j DNAT --to-destination 10.244.{at >> 8}.{at & 255}:8080",
        ]
    nat.append("KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000")
    chains = [f"KUBE-{kind}-{at:016X}" for at in range(services) for kind in ("SVC", "SEP")]
    table = _save(*nat, chains=["KUBE-SERVICES", "KUBE-MARK-MASQ", *chains], policy="ACCEPT", table="nat")
    return {"iptables-save": table}


def _accepting(chain: str, at: int) -> str:
    return f"{chain} -s {source(at)}/32 -p tcp -m tcp --dport {port(at)} -j ACCEPT"


FROM, TO = {"payload": {"protocol": "ip", "field": "saddr"}}, {"payload": {"protocol": "tcp", "field": "dport"}}


def nft(sets: Iterable[Mapping[str, Any]], chains: Mapping[str, Iterable[list[Any]]]) -> str:
    """Write what nft lists of a table with these sets and chains."""
    place, base = {"family": "inet", "table": "t"}, {"type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    listed: list[dict[str, Any]] = [
        {"metainfo": {"json_schema_version": 1}},
        {"table": {"family": "inet", "name": "t"}},
    ]
    listed += [{"map" if "map" in each else "set": {**place, **each}} for each in sets]
    listed += [{"chain": {**place, "name": name, **(base if name == "input" else {})}} for name in chains]
    for name, rules in chains.items():
        listed += [{"rule": {**place, "chain": name, "handle": at, "expr": rule}} for at, rule in enumerate(rules, 9)]
    return json.dumps({"nftables": listed})


def match(left: Any, right: Any) -> dict[str, Any]:  # noqa: ANN401 - nft's JSON
    """Write a match of nft."""
    return {"match": {"op": "==", "left": left, "right": right}}


def _lets_in(at: int) -> list[Any]:
    return [match(FROM, source(at)), match(TO, port(at)), {"accept": None}]


def nft_flat(rules: int) -> str:
    """One chain of nft."""
    return nft((), {"input": [_lets_in(at) for at in range(rules)]})


def nft_sets(rules: int) -> str:
    """Few rules that look into an interval set, a set of pairs and a verdict map of ports, of so many elements each."""
    networks = [{"prefix": {"addr": f"10.{at >> 8}.{at & 255}.0", "len": 25}} for at in range(rules)]
    pairs = [{"concat": [source(at), port(at)]} for at in range(rules)]
    verdicts = [[port(at), {"accept": None}] for at in range(rules)]
    return nft(
        (
            {"name": "networks", "type": "ipv4_addr", "flags": ["interval"], "elem": networks},
            {"name": "pairs", "type": ["ipv4_addr", "inet_service"], "elem": pairs},
            {"name": "ports", "type": "inet_service", "map": "verdict", "elem": verdicts},
        ),
        {
            "input": [
                [match(FROM, "@networks"), {"jump": {"target": "known"}}],
            ],
            "known": [
                [match({"concat": [FROM, TO]}, "@pairs"), {"accept": None}],
                [{"vmap": {"key": TO, "data": "@ports"}}],
            ],
        },
    )


def nft_chains(rules: int) -> str:
    """A hundred chains that the input chain jumps to one after the other."""
    share = rules // 100
    inside = {f"c{at}": [_lets_in(at * share + each) for each in range(share)] for at in range(100)}
    jumps = [[match(FROM, {"prefix": {"addr": "10.0.0.0", "len": 8}}), {"jump": {"target": name}}] for name in inside]
    return nft((), {"input": jumps, **inside})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One shape of rules."""

    name: str
    text: Callable[[int], str | dict[str, str]]
    hook: Hook = "input"

    def load(self, text: str | dict[str, str]) -> Ruleset:
        """Which rules are in the text?"""
        return load(None, text) if isinstance(text, dict) else load(text, {})

    def packet(self, at: int, *, everybody: bool) -> Packet:
        """Which connection meets the rule of this number: of its one address, or of any?"""
        if self.hook == "forward":
            at //= 5
            return Packet(source="any" if everybody else "192.0.2.7", destination=f"10.96.{at >> 8}.{at & 255}",
                          port=port(at), interface="eth0", addresses=NODE, routes=ROUTES)  # fmt: skip
        return Packet(source="any" if everybody else source(at), destination=HERE, port=port(at), interface="eth0",
                      addresses=NODE, routes=ROUTES)  # fmt: skip


KINDS = (
    Kind(name="nft, one chain", text=nft_flat),
    Kind(name="nft, sets and a verdict map", text=nft_sets),
    Kind(name="nft, 100 chains", text=nft_chains),
    Kind(name="iptables, one chain", text=save_flat),
    Kind(name="iptables, 100 chains", text=save_chains),
    Kind(name="iptables of kube-proxy", text=save_services, hook="forward"),
)
