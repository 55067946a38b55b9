"""Where does the host send packets, and does it forward those of others?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "ip rule; ip route show table all"
SECONDS = 5
BYTES = 524288
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("ip -4 rule show", "which table"),
    _rights.run("ip -4 route show table all", "the routes"),
    _rights.run("ip -6 rule show", "which table"),
    _rights.run("ip -6 route show table all", "the routes"),
    _rights.run("grep -s", "is forwarding on"),
)
READS = {
    "/etc/iproute2/*": "names of tables",
    "/proc/sys/net/ipv4/*": "forwarding",
    "/proc/sys/net/ipv6/*": "forwarding",
}

COMMANDS = ("ip -4 rule show", "ip -4 route show table all", "ip -6 rule show", "ip -6 route show table all")
KINDS = frozenset({"unicast", "local", "broadcast", "multicast", "anycast", "throw", "unreachable", "prohibit",
                   "blackhole", "nat"})  # fmt: skip
PLAIN_RULES = frozenset({"0: from all lookup local", "32766: from all lookup main", "32767: from all lookup default"})
EVERYWHERE = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}
UNUSABLE = frozenset({"dead"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FRAGMENT = (
    'say() { echo "== $*"; "$@" 2>&1; echo "== status $?"; }; '
    + "; ".join(f"say {command}" for command in COMMANDS)
    + "; cd /proc/sys/net && grep -s . ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/*/forwarding "
    "ipv4/conf/*/route_localnet; echo '== end'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of a routing table as ip-route(8) prints it."""

    kind: str  # unicast, local, unreachable, blackhole, prohibit, throw, …
    network: Network
    table: str
    ways: tuple[tuple[str, str], ...]  # next hops: gateway (empty: none) and interface; several share the load
    source: str  # the address that the host's own packets take, where the row names one
    metric: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The routes of one IP version, and which table is asked for which packet."""

    routes: tuple[Route, ...]
    policies: tuple[str, ...]  # rules besides the three of every host (ip-rule(8))
    why: str = ""  # why they could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What a host does with packets by their destination."""

    v4: Tables
    v6: Tables
    settings: Mapping[str, str]  # below /proc/sys/net, by path


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for routes, the rules that choose among tables, and whether packets are forwarded?"""
    return FRAGMENT


def parse(frame: Frame) -> Routing:
    """Which routes are there? A table that could not be read says why; text of another shape is `Unreadable`."""
    lines = frame.text.split("\n")
    parts: dict[str, Tables | list[str]] = {}
    at = 0
    for command in COMMANDS:
        if at >= len(lines) or lines[at] != f"== {command}":
            raise Unreadable(f"{SOURCE}: not understood: {' '.join(lines[at : at + 1])[:120]!r}")
        end = next((row for row in range(at, len(lines)) if lines[row].startswith("== status ")), None)
        if end is None:
            raise Unreadable(f"{SOURCE}: cut short")
        rows = lines[at + 1 : end]
        status = lines[end].removeprefix("== status ")
        parts[command] = rows if status == "0" else Tables(routes=(), policies=(), why=_why(command, status, rows))
        at = end + 1
    if "== end" not in lines[at:]:
        raise Unreadable(f"{SOURCE}: cut short")
    rules4, routes4, rules6, routes6 = (parts[command] for command in COMMANDS)
    settings = dict(line.split(":", 1) for line in lines[at : lines.index("== end", at)] if ":" in line)
    return Routing(v4=_tables(4, rules4, routes4), v6=_tables(6, rules6, routes6), settings=settings)


def _why(command: str, status: str, rows: list[str]) -> str:
    reason = "not installed" if status == "127" else f"exit status {status}"
    return f"{command}: {reason} ({' '.join(rows[-1:])[:200]})"


def _tables(version: int, rules: Tables | list[str], routes: Tables | list[str]) -> Tables:
    if isinstance(rules, Tables):
        return rules
    if isinstance(routes, Tables):
        return routes
    policies = [" ".join(line.split()) for line in rules if line.strip()]
    return Tables(
        routes=tuple(_routes(version, routes)), policies=tuple(one for one in policies if one not in PLAIN_RULES)
    )


def _routes(version: int, rows: list[str]) -> list[Route]:
    """One route for each row; indented rows are the next hops of the one above."""
    found: list[list[str]] = []
    for row in rows:
        if row[:1] in {"\t", " "} and found:
            found[-1].append(row)
        elif row.strip():
            found.append([row])
    return [route for one in found if (route := _route(version, one)) is not None]


def _route(version: int, rows: list[str]) -> Route | None:
    words = rows[0].split()
    kind = words.pop(0) if words[0] in KINDS else "unicast"
    if not words:
        raise Unreadable(f"{SOURCE}: not understood: {rows[0][:120]!r}")
    try:
        network = EVERYWHERE[version] if words[0] == "default" else ipaddress.ip_network(words[0])
        metric = int(_after(words, "metric") or 0)
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {rows[0][:120]!r}") from error
    hops = [line.split() for line in rows if "nexthop" in line.split()] or [words]
    usable = [hop for hop in hops if not UNUSABLE & set(hop)]
    if not usable:
        return None
    return Route(
        kind=kind,
        network=network,
        table=_after(words, "table") or "main",
        ways=tuple((_gateway(hop), _after(hop, "dev").partition("@")[0]) for hop in usable),
        source=_after(words, "src"),
        metric=metric,
        line=" ".join(" ".join(rows).split()),
    )


def _gateway(words: list[str]) -> str:
    """The next hop. An IPv4 route may lead over an IPv6 one: `via inet6 ADDRESS` (ip-route(8))."""
    via = _after(words, "via")
    return _after(words, via) if via in {"inet", "inet6"} else via


def _after(words: list[str], word: str) -> str:
    return words[words.index(word) + 1] if word in words[:-1] else ""
