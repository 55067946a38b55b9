"""What is the standard audit? Fourteen items a host, hosts on which they hold, and the script that asks for them."""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.declared import CLOSED, KEPT_OUT, LET_IN, NAMES, SERVICES
from lab import healthy

from whyrefused import script
from whyrefused.inventory import load
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lab import Host, Lab

    from whyrefused.script import Asked

RULES = f"""
flush ruleset
table inet filter {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname lo accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    tcp dport 22 accept
    ip saddr {KEPT_OUT} drop
    tcp dport 80 accept
  }}
}}
"""
TOKEN = "0123456789abcdef"  # noqa: S105 - the frames' token, as long as a real run's


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Some hosts of an inventory: twenty of a lab, or as many as these have addresses."""

    inventory: Path
    places: Mapping[str, str]  # the address that is dialled, by the inventory's name


def prepare(lab: Lab, hosts: Sequence[Host]) -> None:
    """Make all of it true on these hosts, and write the inventory that declares it."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_settle, hosts))
    fleet(lab, "inventory.yml", {host.name: host.address for host in hosts})


def fleet(lab: Lab, file: str, places: Mapping[str, str], **more: object) -> Fleet:
    """Which fleet has an inventory that declares all of it of these hosts?"""
    hosts = {name: {"ansible_host": address} for name, address in places.items()}
    tree = {"all": {"vars": {"expect": expect(), **more}, "hosts": hosts}}
    return Fleet(inventory=lab.inventory(tree, name=file), places=places)


def twenty(lab: Lab) -> Fleet:
    """Which fleet has every host once?"""
    return Fleet(
        inventory=lab.folder / "inventory.yml", places={name: host.address for name, host in lab.hosts.items()}
    )


def hundred(lab: Lab) -> Fleet:
    """Which fleet has every address of every host as a host of its own?"""
    places = {
        f"{name}-{number}": address
        for name, host in lab.hosts.items()
        for number, address in enumerate(host.addresses, start=1)
    }
    return fleet(lab, "hundred.yml", places)


def _settle(host: Host) -> None:
    healthy.web(host)
    healthy.names(host, NAMES)
    host.run(f"printf %s {shlex.quote(RULES)} | nft -f -")


def expect() -> dict[str, Any]:
    """What is declared of every host?"""
    ports = {"22/tcp": {}, "80/tcp": {"allow": [LET_IN], "deny": [KEPT_OUT]}, f"{CLOSED}/tcp": "absent"}
    return {
        "services": {unit: {"state": "running", "enabled": True} for unit in SERVICES},
        "ports": ports,
        "proxy": "none",
        "resolves": {name: [address] for name, address in NAMES.items()},
    }


def asked(inventory: Path) -> Mapping[str, Asked]:
    """Which probes does our plan ask a host of this inventory?"""
    loaded = load((str(inventory),))
    return next(iter(questions(loaded, declared(loaded), 4.0).values()))


def text(inventory: Path) -> str:
    """Which script does our plan send to a host of this inventory?"""
    return script.script(asked(inventory), TOKEN)
