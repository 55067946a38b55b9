"""What tells why a connection fails, asked of each of its ends?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan.items import number_of, protocol_of
from whyrefused.plan.who import is_self
from whyrefused.probes.serving import daemon_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Address

    from whyrefused.inventory.expect import Expect
    from whyrefused.plan.items import Question
    from whyrefused.records import Inventory

LISTENING = ("listeners", "proc_net", "addresses", "binding")
RULES = ("nft", "iptables", "addresses")
UNANSWERED = frozenset({"refused", "timed-out", "unreachable"})
"""Symptoms of a connection that no program took."""


def listening(inventory: Inventory, host: str) -> Iterator[Question]:
    """What tells why a port does not answer: listeners, and the units that may own them."""
    yield from ((host, probe, "") for probe in LISTENING)
    expect = inventory.hosts[host].expect
    owners = {port.service for port in expect.ports.values() if port.service}
    units = sorted({*expect.services, *owners})
    yield from ((host, "units", unit) for unit in units)
    if units:
        yield from ((host, "trouble", one) for one in (*units, *_open(expect)))


def _open(expect: Expect) -> tuple[str, ...]:
    """Which ports are declared to be open?"""
    return tuple(sorted(key for key, port in expect.ports.items() if port.state == "listening"))


def rules(host: str) -> Iterator[Question]:
    """What tells what a firewall does?"""
    yield from ((host, probe, "") for probe in RULES)


def load(inventory: Inventory, host: str) -> Iterator[Question]:
    """What tells whether a host has room for one more connection: queues, and the limits of those who take it?"""
    yield host, "queues", ""
    yield host, "kernel", ""
    expect = inventory.hosts[host].expect
    running = {unit for unit, service in expect.services.items() if service.state == "running"}
    owners = {port.service for port in expect.ports.values() if port.service}
    yield from ((host, "processes", unit) for unit in sorted(running | owners))
    for key, port in expect.ports.items():
        daemon = daemon_of(port.service or "")
        if daemon and protocol_of(key) == "tcp":
            yield host, "serving", f"{daemon} {number_of(key)}"


def server(inventory: Inventory, host: str) -> Iterator[Question]:
    """What tells why a host does not answer its clients?"""
    yield from listening(inventory, host)
    yield from rules(host)
    yield from load(inventory, host)
    yield host, "routes", ""


def router(host: str) -> Iterator[Question]:
    """What tells why a host does not hand on what it forwards?"""
    yield from ((host, probe, "") for probe in LISTENING)
    yield from rules(host)
    yield host, "routes", ""


def client(host: str) -> Iterator[Question]:
    """What tells why a host's own connections fail?"""
    yield from rules(host)
    yield host, "kernel", ""
    yield host, "routes", ""


def name(
    inventory: Inventory, host: str, text: str, answers: Iterable[IPv4Address | IPv6Address] = (), likely: str = ""
) -> Iterator[Question]:
    """What tells which addresses a host's programs get for a name, and from where?

    Where they get just these answers, nobody has to know from where. Where they get just the likely one, nobody has to
    ask the servers of its zone.
    """
    words = f"{text} {','.join(map(str, answers))}".rstrip()
    yield host, "names", words
    if is_self(text):
        return
    zones = inventory.hosts[host].expect.authoritative
    yield host, "lookups", f"{words} ~{likely}" if zones and likely and words == text else words
    yield from ((host, "lookups", f"@{zone} {','.join(servers)}") for zone, servers in zones.items())
