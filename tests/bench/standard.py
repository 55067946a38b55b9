"""What is the standard audit? Fourteen items a host, hosts on which they hold, and the script that asks for them."""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

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

SERVICES = ("cron", "nginx", "ssh")
OPEN, CLOSED = (22, 80), 8443
LET_IN, KEPT_OUT = "192.0.2.0/24", "203.0.113.0/24"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
NAMES = {"web.example.test": "198.51.100.11", "db.example.test": "198.51.100.21"}
ITEMS = len(SERVICES) + len(OPEN) + 1 + 2 + len(PROXIES) + len(NAMES)

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


def prepare(lab: Lab, hosts: Sequence[Host]) -> None:
    """Make all of it true on these hosts, and write the inventory that declares it."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_settle, hosts))
    lab.inventory({"all": {"vars": {"expect": expect()}, "hosts": {host.name: {} for host in hosts}}})


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
