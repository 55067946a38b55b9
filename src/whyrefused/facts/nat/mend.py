"""Which commands mend a forward, a leftover rule or a route?"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from whyrefused.facts import remedy
from whyrefused.firewall.author import of_chain, of_table
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.nat.translation import Way
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.firewall import Hook, Step
    from whyrefused.plan.keys.forwards import ForwardItem

MANAGED = {
    "docker": "docker: recreate the container whose port this is (docker ps -a; docker compose up -d)",
    "podman": "podman: recreate the container whose port this is (podman ps -a)",
    "firewalld": "firewall-cmd --list-all-zones (forward-ports), and mend it there with --permanent",
    "ufw": "mend it in /etc/ufw/before.rules (*nat), then: ufw reload",
    "kube-proxy": "kubectl get endpoints, for kube-proxy writes this rule",
}
"""Programs that write their rules again: what mends them lasts only there."""


def forward(router: HostEvidence, item: ForwardItem, way: Way) -> tuple[str, ...]:
    """Which commands make the router forward as declared?"""
    to = f"{item.target}:{item.target_port}"
    match way.state:
        case "forwarding-off":
            return (
                f"sysctl -w {way.subject}=1",
                f"in /etc/sysctl.d/90-forward.conf, so that it outlives a boot: {way.subject} = 1",
            )
        case "route-unreachable" | "route-blackhole":
            return route(way.subject)
        case "forward-blocked":
            return _let_through(router, way.blocking or way.verdict)
        case "no-forward":
            return _added(router, item, way, to)
    if way.rule is None:
        return _added(router, item, way, to)
    return (*without(router, way.rule), *(_added(router, item, way, to) if not manager(way.rule) else ()))


def route(subject: str) -> tuple[str, ...]:
    """Which commands take a route away that leads nowhere, or add one that is missing?"""
    if subject.startswith(("route", "default")):
        return (f"ip route add the missing one ({subject}) via the gateway that leads there",)
    return (f"ip route del {shlex.quote(subject)}", "and take it out of the configuration that sets it at boot")


def masquerade(router: HostEvidence, way: Way, device: str) -> tuple[str, ...]:
    """Which command makes answers come back through the router?"""
    if way.rule is not None and way.rule.tool != "nft":
        return (f"{way.rule.tool} -t nat -A POSTROUTING -o {device} -d {way.address} -j MASQUERADE",)
    family = "ip6" if way.address is not None and way.address.version != 4 else "ip"  # noqa: PLR2004 - IP version
    chain = _chain(router, "postrouting", family)
    make = () if chain else (
        f"nft add table {family} nat",
        f"nft 'add chain {family} nat postrouting {{ type nat hook postrouting priority 100; }}'",
    )  # fmt: skip
    rule = f"{family} daddr {way.address} oifname {device} masquerade"
    return (*make, f"nft add rule {chain or family + ' nat postrouting'} {rule}")


def without(host: HostEvidence, step: Step) -> tuple[str, ...]:
    """Which command takes this rule away?"""
    program = manager(step)
    if program:
        return (MANAGED.get(program, f"in {program}, which writes this rule: {step.rule}"),)
    if step.tool == "nft":
        place = shlex.join((step.family, step.table, step.chain))
        return (
            f"nft delete rule {place} handle {step.handle}",
            f"and take it out of the file that loads it on {host.name}",
        )
    words = step.rule.split(" ", 1)
    return (f"{step.tool} -t {step.table} -D {words[1]}", f"and take it out of the file that loads it on {host.name}")


def manager(step: Step) -> str:
    """Which program writes this rule again by itself? Empty where it was made by hand."""
    return of_table(step.table) or of_chain(step.chain)


def _added(router: HostEvidence, item: ForwardItem, way: Way, to: str) -> tuple[str, ...]:
    commands = _translated(router, item, way, to)
    return (*commands, *remedy.lasting(router, commands))


def _translated(router: HostEvidence, item: ForwardItem, way: Way, to: str) -> tuple[str, ...]:
    """Only what is for the router's own address: what passes through it on the same port stays as it is."""
    family = "ip6" if to.count(":") > 1 else "ip"
    target = f"[{item.target}]:{item.target_port}" if family == "ip6" else to
    chain, here = _chain(router, "prerouting", family), way.verdict.destination
    match = f"{family} daddr {here} {item.protocol} dport {item.port}"
    if chain:
        # In a table of both families the translation names its own (nft(8)).
        kind = f"dnat {family} to" if chain.startswith("inet ") else "dnat to"
        return (f"nft add rule {chain} {match} {kind} {target}",)
    tool = "ip6tables" if family == "ip6" else "iptables"
    if _has(router, f"{tool}-save"):
        match = f"-d {here} -p {item.protocol} --dport {item.port}"
        return (f"{tool} -t nat -A PREROUTING {match} -j DNAT --to-destination {target}",)
    return (
        f"nft add table {family} nat",
        f"nft 'add chain {family} nat prerouting {{ type nat hook prerouting priority -100; }}'",
        f"nft add rule {family} nat prerouting {match} dnat to {target}",
    )


def _has(host: HostEvidence, save: str) -> bool:
    try:
        return save in host.get("iptables")
    except CouldNotLook:
        return False


def _chain(host: HostEvidence, hook: str, family: str) -> str:
    """Which chain of nft's own has the host for this kind of rule? Empty where none is."""
    try:
        tables = host.rules.tables
    except CouldNotLook:
        return ""
    for table in tables:
        for chain in table.chains.values():
            own = table.tool == "nft" and table.family in {family, "inet"} and not of_table(table.name)
            if own and chain.kind == "nat" and chain.hook == hook:
                return shlex.join((table.family, table.name, chain.name))
    return ""


def _let_through(router: HostEvidence, verdict: Verdict) -> tuple[str, ...]:
    trace = verdict.trace
    hook: Hook = "forward" if trace.author in {"ufw", "firewalld"} and trace.redirected else verdict.hook
    found = remedy.of(router, verdict, hook)
    return found or (f"let it through on {router.name}, in the tool that manages the rule (nft list ruleset)",)
