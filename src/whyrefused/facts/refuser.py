"""Who refused: the client itself, something on the way, the server's rules or its kernel? Pure.

What the second look at both ends shows (`burst`, `watch`). A closed port moves TcpOutRsts of the server by one for each
SYN, a reset that netfilter made moves it by none (net/ipv4/tcp_ipv4.c, net/ipv4/netfilter/nf_reject_ipv4.c): without
privilege the counter alone tells the two apart, and the closed port that is dialled as well shows that it is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.case import PathItem
from whyrefused.probes import _sight
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.probes._sight import Sight
    from whyrefused.probes.watch import Watch
    from whyrefused.records import Line

Where = Literal[
    "client-out",
    "client-in",
    "on-the-way",
    "on-the-way-back",
    "server-rule",
    "server-stack",
    "not-the-stack",
    "server-silent",
]
"""Where a connection ends. `not-the-stack`: some rule refuses, the server's or another's; `server-silent`: the SYN came
to the server, which answered nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Where a connection ends, as both ends show it."""

    where: Where
    because: str
    lines: tuple[Line, ...]


def of(case: Case, evidence: Evidence) -> Refusal | None:
    """Who refused this path? None where nobody looked again, or where that does not tell."""
    if not isinstance(case.item, PathItem) or case.dial is None or case.dial.last is None:
        return None
    far = case.item.router or case.server
    key = _sight.path(case.dial.last.source, case.dial.last.address, case.item.port)
    try:
        client = evidence[case.item.host].get("burst").get(key)
        watch = evidence[far or ""].get("watch")
    except CouldNotLook:
        return None
    if client is None or len(client.burst) != 1:
        return None
    lines = (*_client_lines(case, evidence, client), *_server_lines(evidence, far or "", watch, key))
    found = _by_client(client, watch.paths.get(key)) or _by_server(client, watch, watch.paths.get(key))
    return Refusal(where=found[0], because=found[1], lines=lines) if found else None


def _client_lines(case: Case, evidence: Evidence, client: Sight) -> tuple[Line, ...]:
    host = evidence[case.item.host]
    said = ", ".join(f"{count} connects: {word}" for word, count in client.burst.items())
    packets = "; ".join(one.line for one in client.packets or ())
    return tuple(host.line("second look, client", one) for one in (said, packets) if one)


def _server_lines(evidence: Evidence, far: str, watch: Watch, key: str) -> tuple[Line, ...]:
    host = evidence[far]
    sight = watch.paths.get(key)
    packets = "; ".join(one.line for one in (sight.packets if sight else None) or ())
    said = (host.line("second look, /proc/net/snmp", watch.line), host.line("second look, server", packets))
    return tuple(one for one in said if one.line)


def _by_client(client: Sight, server: Sight | None) -> tuple[Where, str] | None:
    """Does the client's own view decide?"""
    if client.packets is None:
        return None
    if not client.passed("out", "SYN"):
        # A reset or ICMP error that the host makes for itself is seen on lo; a drop leaves nothing at all.
        return ("client-out", "no SYN left the client") if client.control else None
    if "ETIMEDOUT" in client.burst and client.passed("in", "SYN-ACK"):
        return "client-in", "the server's SYN-ACK came to the client, which did not take it"
    if server is None or server.packets is None:
        return None
    if not server.passed("in", "SYN"):
        return "on-the-way", "the SYN left the client and never came to the server"
    if server.passed("out", "SYN-ACK") and not client.passed("in", "SYN-ACK"):
        return "on-the-way-back", "the server's SYN-ACK left it and never came to the client"
    if client.passed("in", "RST") and not server.passed("out", "RST"):
        return "on-the-way", "the client got a reset that the server never sent"
    return None


def _by_server(client: Sight, watch: Watch, server: Sight | None) -> tuple[Where, str] | None:
    """Do the server's counters and its own view decide?"""
    resets = watch.moved["TcpOutRsts"]
    if server is not None and server.packets is not None and server.passed("in", "SYN"):
        if server.passed("out", "RST") >= _sight.BURST:
            if resets < _sight.BURST:
                return "server-rule", f"the server sent {_sight.BURST} resets, and its TCP made {resets} of them"
            if resets >= _sight.BURST + client.control.get("ECONNREFUSED", 0):
                return "server-stack", "the server's own TCP sent the resets, as for a port that nobody holds"
            return None
        answered = any(one.way == "out" for one in server.packets)
        return None if answered else ("server-silent", "the SYN came to the server, and nothing left it")
    if client.burst != {"ECONNREFUSED": _sight.BURST} or client.control != {"ECONNREFUSED": _sight.CONTROL}:
        return None
    if _sight.CONTROL <= resets < _sight.BURST:
        return "not-the-stack", f"the server's TCP answered the {_sight.CONTROL} connects to a closed port, not these"
    if resets >= _sight.BURST + _sight.CONTROL:
        return "server-stack", "the server's own TCP sent the resets, as for a port that nobody holds"
    return None
