"""What is to be done so that the rules let a connection through, and what has to be known before? Pure.

The commands are those of `whyrefused.firewall`; joined with who visits the host over SSH, and with what loads its rules
at boot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused import firewall
from whyrefused.facts import ports
from whyrefused.probes.iptables import AT_BOOT
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.probes.listeners import Listener

MOST_SOURCES = 8
EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
RED_HAT = frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"})
FILES = {
    "nftables": ("nft", "/etc/nftables.conf", "/etc/sysconfig/nftables.conf"),
    "netfilter-persistent": ("iptables", "/etc/iptables/rules.v4", "/etc/iptables/rules.v4"),
    "iptables": ("iptables", "/etc/iptables/iptables.rules", "/etc/sysconfig/iptables"),
    "ip6tables": ("ip6tables", "/etc/iptables/ip6tables.rules", "/etc/sysconfig/ip6tables"),
}
"""What a unit loads at boot: rules of which program, from which file, and from which on Red Hat's kin."""


def of(
    host: HostEvidence, verdict: Verdict, hook: firewall.Hook | None = None, to: firewall.Wish = "accept"
) -> tuple[str, ...]:
    """Which commands turn the verdict, with a line before each that would keep SSH out? Empty when none is known to.

    `hook` is where the manager's own words place it, if not where the packet was judged.
    """
    asked = (_narrowed(host, verdict, to), hook or verdict.hook)
    changes = firewall.changes(verdict.trace, asked[0], host.rules, asked[1], to) or _each(host, verdict, asked[1])
    commands = [change.command for change in changes]
    cut = {one for kept in _ssh(host) for one in firewall.cuts(changes, host.rules, kept, asked, to)}
    lines = [line for command in commands for line in (*(_warning(host, command) if command in cut else ()), command)]
    return (*lines, *lasting(host, commands))


def _narrowed(host: HostEvidence, verdict: Verdict, to: firewall.Wish) -> firewall.Packet:
    """For which sources is the change? Where all may come in and a rule keeps out one of them, for that one."""
    packet = verdict.packet
    if packet.source != "any" or to != "accept" or verdict.hook != "input" or packet.reply:
        return packet
    refused = [part for part in firewall.judge_all(host.rules, packet) if part.trace.verdict != "accept"]
    alone = len(refused) == 1 and len(refused[0].sources) == 1 and refused[0].sources == verdict.sources
    return replace(packet, source=verdict.sources[0]) if alone and verdict.sources[0] not in EVERYBODY else packet


def _each(host: HostEvidence, verdict: Verdict, hook: firewall.Hook) -> tuple[firewall.Change, ...]:
    """Which commands let in each of a few sources, where the program that keeps them out knows no other way?"""
    if verdict.packet.source != "any" or hook != "input" or len(verdict.sources) > MOST_SOURCES:
        return ()
    packets = [replace(verdict.packet, source=source) for source in verdict.sources if source not in EVERYBODY]
    found = [firewall.changes(verdict.trace, packet, host.rules, hook) for packet in packets]
    known = all(changes and changes[0].after is None for changes in found)
    return tuple(change for changes in found for change in changes) if known else ()


def releases(host: HostEvidence, holders: Iterable[Listener]) -> tuple[str, ...]:
    """What makes the holders of a port let go of it, and which of that would be the end of our own way in?"""
    lines: dict[str, None] = {}
    for one in holders:
        command = ports.release(one)
        ours = _came_by(host) == (one.protocol, one.port)
        lines.update(dict.fromkeys((*(_warning(host, command) if ours else ()), command)))
    return tuple(lines)


def _came_by(host: HostEvidence) -> tuple[str, int] | None:
    try:
        here = host.identity
    except CouldNotLook:
        return None
    return ("tcp", here.port) if here.visitor else None


def _warning(host: HostEvidence, command: str) -> tuple[str, ...]:
    here = host.identity
    who = f"new connections from {here.visitor} to port {here.port} of {host.name}"
    return (f"# cuts SSH: {who} do not come in any more after: {command}",)


def _ssh(host: HostEvidence) -> Iterator[tuple[firewall.Packet, firewall.Hook]]:
    """Which packets has our own SSH connection: the first, and the one that answers it?"""
    try:
        here, own = host.identity, {str(each.address): each.interface for each in host.addresses}
    except CouldNotLook:
        return
    if not here.visitor or not here.port or here.reached not in own:
        return
    through = "lo" if here.visitor in own else own[here.reached]
    yield (
        firewall.Packet(
            source=here.visitor, source_port=here.visitor_port or None, destination=here.reached, port=here.port,
            interface=through, addresses=frozenset(own),
        ),
        "input",
    )  # fmt: skip
    yield (
        firewall.Packet(
            source=here.reached, source_port=here.port, destination=here.visitor, port=here.visitor_port,
            interface=through, addresses=frozenset(own), reply=True,
        ),
        "output",
    )  # fmt: skip


def lasting(host: HostEvidence, commands: Iterable[str]) -> tuple[str, ...]:
    """In which file do such changes outlive a boot? Nothing where the evidence does not show what loads the rules."""
    programs = {command.split(" ", 1)[0].replace("-legacy", "") for command in commands}
    try:
        units = host.get("iptables").get(AT_BOOT, "").split()
        kin = host.identity.os in RED_HAT
    except CouldNotLook:
        return ()
    found = []
    for unit in dict.fromkeys(units):
        program, usual, red_hat = FILES.get(unit, ("", "", ""))
        file = red_hat if kin else usual
        if unit == "netfilter-persistent" and "ip6tables" in programs and "iptables" not in programs:
            program, file = "ip6tables", "/etc/iptables/rules.v6"
        if program in programs:
            found.append(f"and the same in {file}, which {unit}.service loads at boot")
    return tuple(found)
