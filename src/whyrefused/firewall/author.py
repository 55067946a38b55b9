"""Who wrote a rule? Firewall programs are known by the tables and chains they make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.firewall.model import Chain, Table
    from whyrefused.firewall.walk import Visit

BY_HAND = "by hand"
USERS_OWN = ("DOCKER-USER",)
"""Chains that a program makes for what people add."""
TABLES = (
    (re.compile(r"firewalld"), "firewalld"),
    (re.compile(r"f2b-table|fail2ban"), "fail2ban"),
    (re.compile(r"crowdsec6?"), "crowdsec"),
    (re.compile(r"kube-proxy"), "kube-proxy"),
    (re.compile(r"docker-bridges"), "docker"),
    (re.compile(r"libvirt_network"), "libvirt"),
    (re.compile(r"netavark"), "podman"),
    (re.compile(r"sshguard"), "sshguard"),
    (re.compile(r"lxd|incus"), "incus"),
    (re.compile(r"io\.systemd\..*"), "systemd"),
    (re.compile(r"wg-quick-.*"), "wg-quick"),
    (re.compile(r"(nixos-fw|qubes)(-.*)?"), "by hand"),
)
CHAINS = (
    (re.compile(r"ufw6?-.*"), "ufw"),
    (re.compile(r"f2b-.*|fail2ban-.*"), "fail2ban"),
    (re.compile(r"DOCKER.*"), "docker"),
    (re.compile(r"KUBE-.*"), "kube-proxy"),
    (re.compile(r"cali-.*"), "calico"),
    (re.compile(r"(OLD_)?CILIUM_.*"), "cilium"),
    (re.compile(r"CNI-.*"), "cni"),
    (re.compile(r"NETAVARK.*"), "podman"),
    (re.compile(r"LIBVIRT_.*"), "libvirt"),
    (re.compile(r"CROWDSEC.*"), "crowdsec"),
    (re.compile(r"ts-(input|forward|postrouting)"), "tailscale"),
    (re.compile(r"ISTIO_.*"), "istio"),
    (re.compile(r"sshguard"), "sshguard"),
    (
        re.compile(
            r"(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)_(direct|ZONES.*|POLICIES_(pre|post))|(IN|FWD[IO])_.+|FWDI?_.+"
            r"|(OUT|PRE|POST)_.+_(pre|log|deny|allow|post)"
        ),
        "firewalld",
    ),
)


FIREWALLD_BASE = re.compile(
    r"-A (INPUT|FORWARD) (-i lo -j ACCEPT|-m conntrack --ctstate (RELATED,ESTABLISHED,DNAT -j ACCEPT|INVALID -j DROP)"
    r"|-j REJECT --reject-with icmp6?-(host|adm)-prohibited)"
)
"""What firewalld puts around its own chains where its backend is iptables."""
DOCKER_BRIDGE = re.compile(r"-[io] (docker0|br-[0-9a-f]{12})\b")
"""Docker names the bridges of its networks so, and has rules for them in chains of others."""


def of_table(name: str) -> str:
    """Which program makes a table of this name? Empty when none is known to."""
    return next((who for pattern, who in TABLES if pattern.fullmatch(name)), "")


def of_chain(name: str) -> str:
    """Which program makes a chain of this name? Empty when none is known to."""
    if name in USERS_OWN:
        return BY_HAND
    return next((who for pattern, who in CHAINS if pattern.fullmatch(name)), "")


def of(table: Table, chain: Chain, text: str = "") -> str:
    """Who wrote a rule of this chain?"""
    return of_table(table.name) or of_chain(chain.name) or _of_text(text) or _of_base(chain, text) or BY_HAND


def _of_base(chain: Chain, text: str) -> str:
    """Which program puts such a rule among those that jump to its own chains?"""
    if not chain.hook:
        return ""
    if FIREWALLD_BASE.fullmatch(text) and "firewalld" in map(of_chain, _targets(chain)):
        return "firewalld"
    return "docker" if DOCKER_BRIDGE.search(text) else ""


def _of_text(text: str) -> str:
    # These programs also put rules into chains of others, with sets of their own.
    if re.search(r"\bf2b-\w", text):
        return "fail2ban"
    return "crowdsec" if re.search(r"\bcrowdsec\w*", text) else ""


def of_policy(table: Table, chain: Chain) -> str:
    """Who set the policy of a base chain? The program whose chains it jumps to."""
    known = of_table(table.name) or of_chain(chain.name)
    if known:
        return known
    jumps = {of_chain(name) for name in _targets(chain)}
    return next(
        (
            who
            for who in ("ufw", "firewalld", "docker")
            if who in jumps and (who != "docker" or chain.hook == "forward")
        ),
        BY_HAND,
    )


def _targets(chain: Chain) -> Iterable[str]:
    for rule in chain.rules:
        for op in rule.ops:
            if target := getattr(op, "target", ""):
                yield target


def author(last: Visit | None) -> str:
    """Who wrote the rule that decided? Empty when no rule did."""
    if last is None:
        return ""
    if last.rule is None:
        return of_policy(last.table, last.chain)
    return of(last.table, last.chain, last.rule.text if isinstance(last.rule.text, str) else "")
