"""Which nft rulesets are there? Choices over the grammar of nft(8), for the addresses of the rig."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .places import ADDRESSES, NETWORKS, PORTS, SERVERS, TARGETS
from .words import chance, pick, some

if TYPE_CHECKING:
    from .words import Draw

FILTER = (
    ("prerouting", (-300, -150, 0)), ("input", (-150, 0, 0, 5, 50)), ("input", (-10, 0, 0)),
    ("forward", (-150, 0, 0, 10)), ("forward", (0,)), ("output", (-300, -150, 0, 0, 5)), ("postrouting", (-150, 0,
    150)),
)  # fmt: skip
NAT = (
    ("prerouting", (-100, -90)),
    ("prerouting", (-100,)),
    ("output", (-100,)),
    ("postrouting", (100, 110)),
    ("input", (100,)),
)
CODES = {
    "icmp": ("net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "net-prohibited",
             "host-prohibited", "admin-prohibited"),
    "icmpv6": ("no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"),
    "icmpx": ("port-unreachable", "admin-prohibited", "no-route", "host-unreachable"),
}  # fmt: skip


KNOWN = (
    "ct state established,related accept", "ct state { established, related } accept",
    "ct state vmap { established : accept, related : accept, invalid : drop }",
)  # fmt: skip
"""How chains let in what belongs to a connection."""
BRIDGE = """\
table bridge frames {
chain b {
type filter hook input priority 0; policy accept;
ip daddr 10.77.0.10 drop
}
}
"""
"""Rules that no packet of the rig meets."""


@dataclass(kw_only=True)
class Scope:
    """Where a rule stands."""

    family: str
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by what they hold
    chains: tuple[str, ...] = ()  # that it may jump to
    hook: str = ""  # of the base chain; a chain that is jumped to may be reached from any
    kind: str = "filter"
    raw: bool = False  # before connection tracking

    @property
    def rejects(self) -> bool:
        """May its rules reject? Chains that are jumped to are so from those base chains only."""
        return self.family != "netdev" and self.kind != "nat" and self.hook != "postrouting"

    @property
    def versions(self) -> tuple[int, ...]:
        """Which IP versions come here?"""
        return {"ip": (4,), "ip6": (6,)}.get(self.family, (4, 4, 6))


def ruleset(draw: Draw) -> str:
    """A text that `nft -f` takes, but for a line here and there."""
    tables = [table(draw, f"t{number}") for number in range(pick(draw, (1, 1, 2, 2, 3)))]
    if chance(draw, 3):
        tables.append(ingress(draw))
    if chance(draw, 2):
        tables.append(BRIDGE)
    return "\n".join(tables)


def ingress(draw: Draw) -> str:
    """A table of a device, which packets meet before all others."""
    scope = Scope(family="netdev")
    device = pick(draw, ("eth0", "eth1"))
    lines = [f"{match(draw, scope)} {pick(draw, ('accept', 'drop', 'drop', 'counter'))}" for _ in range(2)]
    head = f"type filter hook ingress device {device} priority {pick(draw, (-500, 0))}; policy accept;"
    return "table netdev early {\nchain device {\n" + "\n".join([head, *lines]) + "\n}\n}"


def table(draw: Draw, name: str) -> str:
    """One table: sets and maps, chains to jump to, base chains."""
    scope = Scope(family=pick(draw, ("inet", "inet", "ip", "ip6")))
    body = named(draw, scope)
    chains = [f"c{number}" for number in range(pick(draw, (0, 1, 1, 2, 3)))]
    for at, chain in reversed(list(enumerate(chains))):
        scope.chains = tuple(chains[at + 1 :])
        body += [f"chain {chain} {{", *(rule(draw, scope) for _ in range(pick(draw, (1, 2, 3)))), "}"]
    if chains and chance(draw, 50):
        body += verdict_map(draw, scope, tuple(chains))
    for number in range(pick(draw, (1, 1, 2, 2, 3))):
        body += base(draw, scope, f"b{number}", tuple(chains))
    return "\n".join([f"table {scope.family} {name} {{", *body, "}"])


def base(draw: Draw, scope: Scope, name: str, chains: tuple[str, ...]) -> list[str]:
    """One base chain."""
    nat = chance(draw, 28)
    hook, priorities = pick(draw, NAT if nat else FILTER)
    priority = pick(draw, priorities)
    kind = "nat" if nat else "route" if hook == "output" and priority == -150 and chance(draw, 40) else "filter"
    here = Scope(
        family=scope.family,
        sets=scope.sets,
        chains=() if nat or hook == "postrouting" else chains,
        hook=hook,
        kind=kind,
        raw=priority == -300,
    )
    policy = "accept" if nat else pick(draw, ("accept", "accept", "accept", "drop"))
    lines = [f"chain {name} {{", f"type {kind} hook {hook} priority {priority}; policy {policy};"]
    if not nat and chance(draw, 25):
        lines.append(pick(draw, KNOWN))
    lines += [translation(draw, here) if nat else rule(draw, here) for _ in range(pick(draw, (1, 2, 3, 4)))]
    return [*lines, "}"]


def named(draw: Draw, scope: Scope) -> list[str]:
    """Named sets."""
    lines: list[str] = []
    if chance(draw, 40):
        elements = ", ".join(some(draw, ("80", "81", "82-90", "443"), 2))
        lines.append(f"set ports {{ type inet_service; flags interval; elements = {{ {elements} }}\n}}")
        scope.sets["port"] = ("@ports",)
    for version in sorted(set(scope.versions)):
        if chance(draw, 30):
            known = (*NETWORKS[version][:1], *NETWORKS[version][2:], *ADDRESSES[version][:2])
            lasts, flags = pick(draw, (("", "interval"), ("", "interval"), (" timeout 1h", "interval, timeout")))
            elements = ", ".join(f"{element}{lasts}" for element in some(draw, known, 2))
            kind = f"type ipv{version}_addr; flags {flags}; {'' if lasts else 'auto-merge; '}"
            lines.append(f"set known{version} {{ {kind}elements = {{ {elements} }}\n}}")
            scope.sets[f"address{version}"] = (f"@known{version}",)
    if 4 in scope.versions and chance(draw, 20):
        lines.append(
            "set pairs { type ipv4_addr . inet_service; flags interval; elements = "
            f"{{ 10.77.0.1 . 80, {pick(draw, ('10.77.0.0/24', '10.77.1.3', '10.88.0.20'))} . 81-82 }}\n}}"
        )
        scope.sets["pair"] = ("@pairs",)
    if chance(draw, 12):
        lines.append('set doors { type ifname; elements = { "eth0", "lo" }\n}')
        scope.sets["interface"] = ("@doors",)
    if chance(draw, 6):
        lines.append("set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m;\n}" if 4 in scope.versions else "")
        scope.sets["dynamic"] = ("@seen",) if 4 in scope.versions else ()
    return lines


def verdict_map(draw: Draw, scope: Scope, chains: tuple[str, ...]) -> list[str]:
    """A named map of verdicts."""
    scope.sets["verdicts"] = ("@byport",)
    ports = some(draw, ("80", "81", "82", "8080"), 2)
    data = [pick(draw, ("accept", "drop", "return", *(f"jump {chain}" for chain in chains))) for _ in ports]
    elements = ", ".join(f"{port} : {verdict}" for port, verdict in zip(ports, data, strict=True))
    return [f"map byport {{ type inet_service : verdict; elements = {{ {elements} }}\n}}"]


def not_(draw: Draw) -> str:
    """Negated, or not."""
    return "!= " if chance(draw, 25) else ""


def address(draw: Draw, scope: Scope, version: int) -> str:
    """An address, prefix, range or set of them."""
    kinds = [*ADDRESSES[version], *NETWORKS[version], *scope.sets.get(f"address{version}", ())]
    if chance(draw, 15):
        return "{ " + ", ".join(some(draw, (*ADDRESSES[version][:2], NETWORKS[version][0]), 2)) + " }"
    return pick(draw, kinds)


def side(draw: Draw, version: int) -> str:
    """Source or destination."""
    return f"{'ip' if version == 4 else 'ip6'} {pick(draw, ('saddr', 'saddr', 'daddr'))}"


def match(draw: Draw, scope: Scope) -> str:
    """One match, or none."""
    kind = draw(0, len(MATCHES) - 1)
    return MATCHES[kind](draw, scope)


def by_address(draw: Draw, scope: Scope) -> str:
    """A source or destination."""
    version = pick(draw, scope.versions)
    return f"{side(draw, version)} {not_(draw)}{address(draw, scope, version)}"


def by_port(draw: Draw, scope: Scope) -> str:
    """Ports, of TCP or UDP."""
    values = ("80", "81", "80-81", "{ 80, 82 }", "{ 81-82, 8080 }", "8080", *scope.sets.get("port", ()))
    protocol, which = pick(draw, ("tcp", "tcp", "tcp", "udp")), pick(draw, ("dport", "dport", "dport", "sport"))
    return f"{protocol} {which} {not_(draw)}{pick(draw, values)}"


def by_comparison(draw: Draw, scope: Scope) -> str:
    """Ports, compared."""
    del scope
    return pick(draw, (
        "tcp dport < 81", "tcp dport >= 82", "tcp dport > 80", "tcp sport <= 1023", "th dport 80", "tcp sport >= 1024",
    ))  # fmt: skip


def by_state(draw: Draw, scope: Scope) -> str:
    """What connection tracking says."""
    if scope.family == "netdev":
        return ""
    states = (
        "new",
        "established,related",
        "invalid",
        "{ new, untracked }",
        "!= new",
        "untracked",
        "{ established, related }",
        "new,established",
    )
    return f"ct state {pick(draw, states)}"


def by_interface(draw: Draw, scope: Scope) -> str:
    """Interfaces, by name and by index."""
    named = [f"{side}{how} {name}" for name in scope.sets.get("interface", ())
             for side in ("iifname", "oifname") for how in ("", " !=")]  # fmt: skip
    return pick(draw, (
        *named, 'iifname "eth0"', 'iifname != "eth0"', 'iifname "eth*"', 'iif != "lo"', 'iifname { "eth0", "x*" }',
        'oifname "eth0"',
        'oifname != "eth1"', 'iif "eth0"', 'oif "eth1"', 'oifname { "eth1", "lo" }', 'iifname "lo"', 'iifname "eth1"',
    ))  # fmt: skip


def by_protocol(draw: Draw, scope: Scope) -> str:
    """Protocols and IP versions."""
    if scope.family == "netdev":
        return pick(draw, ("meta l4proto tcp", "meta protocol ip", "meta l4proto != tcp"))
    return pick(draw, (
        "meta l4proto tcp", "meta l4proto { tcp, udp } th dport 80", "meta nfproto ipv4", "meta l4proto udp",
        "meta nfproto ipv6",
        "meta l4proto != tcp", "udp dport != 80", "meta l4proto { icmp, ipv6-icmp }", "meta pkttype host",
        "meta protocol ip",
        "meta l4proto != { tcp, udp }",
    ))  # fmt: skip


def by_flags(draw: Draw, scope: Scope) -> str:
    """TCP flags, as nft's four ways to write them ask."""
    del scope
    return pick(draw, (
        "tcp flags syn", "tcp flags & (fin|syn|rst|ack) == syn", "tcp flags & (fin|syn|rst|ack) != syn",
        "tcp flags != syn",
        "tcp flags syn,ack", "tcp flags ! ack", "tcp flags { syn, ack }", "tcp flags & (syn|ack) == syn|ack",
        "tcp flags rst",
        "tcp flags & rst == rst", "tcp flags & (syn|ack) == ack",
    ))  # fmt: skip


def by_mark(draw: Draw, scope: Scope) -> str:
    """Marks of the packet and of the connection."""
    marks = (
        "meta mark 0",
        "meta mark 5",
        "meta mark & 0xf == 5",
        "meta mark != 0",
        "meta mark { 5, 7 }",
        "meta mark & 0x8 != 0",
    )
    connection = ("ct mark 0", "ct mark 5", "ct mark != 0", "ct mark & 0x4 == 0x4")
    return pick(draw, marks + (connection if scope.family != "netdev" else ()))


def by_concatenation(draw: Draw, scope: Scope) -> str:
    """Several properties at once."""
    if 4 not in scope.versions:
        return "ip6 saddr . tcp dport { 2001:db8:77::1 . 80, 2001:db8:77::2 . 81 }"
    return pick(draw, (
        "ip saddr . tcp dport { 10.77.0.1 . 80, 10.77.0.0/24 . 81-82 }",
        "ip daddr . tcp dport { 10.77.0.10 . 80, 10.88.0.20 . 81 }",
        "ip saddr . ip daddr { 10.77.0.1 . 10.88.0.20, 10.77.0.2 . 10.77.0.10 }",
        "ip saddr & 255.255.0.255 == 10.77.0.1",
        'iifname . tcp dport { "eth0" . 80, "eth1" . 81 }', "meta l4proto . th dport { tcp . 80, udp . 81 }",
        *(f"ip saddr . tcp dport {name}" for name in scope.sets.get("pair", ())),
    ))  # fmt: skip


def by_header(draw: Draw, scope: Scope) -> str:
    """Fields of the IP and ICMP headers."""
    four = ("ip protocol tcp", "ip daddr 10.77.0.10", "ip frag-off & 0x1fff != 0", "icmp type destination-unreachable",
            "icmp type echo-request", "icmp code port-unreachable",
            "icmp type { echo-request, destination-unreachable }")  # fmt: skip
    six = (
        "ip6 nexthdr tcp",
        "ip6 daddr 2001:db8:77::10",
        "icmpv6 type destination-unreachable",
        "icmpv6 type { nd-neighbor-solicit, echo-request }",
    )
    return pick(draw, four if 4 in scope.versions else six)


def by_route(draw: Draw, scope: Scope) -> str:
    """What the routing table says of an address."""
    if scope.family == "netdev":
        return ""
    back = (
        ("fib saddr . iif oif missing", "fib saddr . iif oif exists") if scope.hook in ("prerouting", "input") else ()
    )
    types = ("fib daddr type local", "fib daddr type != local", "fib saddr type local", "fib saddr type != local",
             "fib daddr type { local, broadcast }", "fib daddr type unicast")  # fmt: skip
    # A chain that is jumped to is checked for every hook that leads to it.
    return pick(draw, back + types) if scope.hook else ""


def by_connection(draw: Draw, scope: Scope) -> str:
    """What is known of the connection beside its state."""
    if scope.family == "netdev":
        return ""
    family = "ip" if 4 in scope.versions else "ip6"
    own = {"ip": ("10.77.0.1", "10.88.0.20"), "ip6": ("2001:db8:77::1", "2001:db8:88::20")}[family]
    return pick(draw, (
        "ct status dnat", "ct direction original", "ct direction reply", "ct status snat",
        f"ct original {family} saddr {own[0]}",
        f"ct original {family} daddr {own[1]}", "ct original proto-dst 80", "ct status seen-reply",
    ))  # fmt: skip


def by_owner(draw: Draw, scope: Scope) -> str:
    """Who sends."""
    if scope.hook not in ("output", "postrouting"):
        return ""
    return pick(draw, ("meta skuid 1000", "meta skuid 0", "meta skuid != 0", "meta skuid { 0, 33 }", "meta skgid 0"))


def by_load(draw: Draw, scope: Scope) -> str:
    """A limit, seldom: it may answer one way or the other."""
    del scope
    if not chance(draw, 8):
        return ""
    return pick(draw, (
        "limit rate 1000/second burst 500 packets", "limit rate over 1000/second burst 500 packets",
        "ct count over 1000",
        "ct count 1000", "quota over 100 mbytes", "ip ttl 64", "meta length > 30", "numgen random mod 2 0",
    ))  # fmt: skip


def anything(draw: Draw, scope: Scope) -> str:
    """No match at all."""
    del draw, scope
    return ""


MATCHES = (
    by_address, by_address, by_address, by_address, by_port, by_port, by_port, by_port, by_comparison, by_state,
    by_state,
    by_interface, by_interface, by_protocol, by_flags, by_mark, by_concatenation, by_header, by_route, by_connection,
    by_owner,
    by_load, anything, anything,
)  # fmt: skip


def matches(draw: Draw, scope: Scope) -> str:
    """No match, one or two."""
    found = [match(draw, scope) for _ in range(pick(draw, (0, 1, 1, 1, 2, 2)))]
    return " ".join(filter(None, found))


def rule(draw: Draw, scope: Scope) -> str:
    """One rule."""
    words = matches(draw, scope)
    turn = draw(0, 99)
    if turn < 8:
        return f"{words} {looked_up(draw, scope)}".strip()
    if turn < 18:
        return f"{words} {effect(draw, scope)}".strip()
    ending = verdict(draw, scope)
    if "reset" in ending and ("meta nfproto" in words or "meta protocol" in words):
        return ending  # nft 1.0.6 does not print such a match with such a reject: docs/limits.md
    return f"{words} {ending}".strip()


def looked_up(draw: Draw, scope: Scope) -> str:
    """A verdict by a map."""
    jumps = [f"jump {chain}" for chain in scope.chains] + [f"goto {chain}" for chain in scope.chains]
    one, other = (pick(draw, ["accept", "drop", "continue", "return", *jumps]) for _ in range(2))
    version = pick(draw, scope.versions)
    family = "ip" if version == 4 else "ip6"
    return pick(draw, (
        f"tcp dport vmap {{ 80 : {one}, 81-82 : {other} }}",
        f"{family} saddr vmap {{ {ADDRESSES[version][0]} : {one}, {NETWORKS[version][2]} : {other} }}",
        f'iifname vmap {{ "eth0" : {one}, "eth1" : {other} }}', f"meta l4proto vmap {{ tcp : {one}, udp : {other} }}",
        f"ct state vmap {{ new : {one}, established : {other} }}", f"meta mark vmap {{ 0 : {one}, 5 : {other} }}",
        f'iifname . tcp dport vmap {{ "eth0" . 80 : {one}, "eth0" . 81 : {other} }}',
        f"tcp dport vmap {{ 80 : {one}, * : {other} }}", f"ip6 nexthdr vmap {{ tcp : {one}, udp : {other} }}",
        *(f"tcp dport vmap {name}" for name in (*scope.sets.get("verdicts", ()),) * 4),
    ))  # fmt: skip


def effect(draw: Draw, scope: Scope) -> str:
    """What changes a packet, or nothing."""
    options = [
        "counter", 'log prefix "seen "', "meta mark set 5", "meta mark set 7", "meta mark set meta mark | 0x8",
        "meta mark set meta mark & 0x4 ^ 0x1",
    ]  # fmt: skip
    if scope.family != "netdev":
        options += ["ct mark set 5", "ct mark set meta mark", "meta mark set ct mark", "ct mark set ct mark | 0x4"]
    if scope.raw:
        options += ["notrack"] * 6
    if scope.sets.get("dynamic"):
        options.append("add @seen { ip saddr }")
    return pick(draw, options)


def verdict(draw: Draw, scope: Scope) -> str:
    """How a rule ends."""
    options = ["accept"] * 5 + ["drop", "drop", "return", "counter drop", "counter accept", "continue"]
    options += [f"{word} {chain}" for chain in scope.chains for word in ("jump", "jump", "goto")]
    if scope.rejects:
        options += [rejection(draw, scope)] * 5
    return pick(draw, options)


def rejection(draw: Draw, scope: Scope) -> str:
    """One way to reject."""
    if chance(draw, 35):
        return pick(draw, ("reject with tcp reset", "meta l4proto tcp reject with tcp reset"))
    kinds = {"ip": ("icmp",), "ip6": ("icmpv6",)}.get(scope.family, ("icmpx", "icmpx", "icmp", "icmpv6"))
    kind = pick(draw, kinds)
    return pick(draw, ("reject", f"reject with {kind} {pick(draw, CODES[kind])}"))


def translation(draw: Draw, scope: Scope) -> str:
    """One rule of a chain that translates."""
    words = matches(draw, scope)
    version = pick(draw, scope.versions)
    named = {"inet": "ip" if version == 4 else "ip6"}.get(scope.family, "")
    guard = ("" if scope.family != "inet" else f"meta nfproto ipv{version}") if "ip" not in words else ""
    if scope.hook in ("prerouting", "output"):
        return f"{words} {guard} {leading(draw, version, named)}"
    if scope.hook == "postrouting" and chance(draw, 50):
        return f"{words} {pick(draw, ('masquerade', 'oifname eth1 masquerade'))}"
    return f"{words} {guard} snat {named} to {TARGETS[version]}"


def leading(draw: Draw, version: int, named: str) -> str:
    """Where a destination is led to."""
    server = pick(draw, SERVERS[version])
    written = server if version == 4 else f"[{server}]"
    port, other = pick(draw, PORTS), pick(draw, PORTS)
    one, two = SERVERS[version]
    return pick(draw, (
        f"tcp dport {port} redirect to :{other}", f"tcp dport {port} redirect to :{other}",
        f"tcp dport {port} dnat {named} to {written}:{other}",
        f"tcp dport {port} dnat {named} to {server}",
        f"tcp dport {port} dnat {named} to numgen random mod 2 map {{ 0 : {one}, 1 : {two} }}",
        f"tcp dport {port} dnat {named} to {one}-{two}",
        f"meta l4proto {{ tcp, udp }} th dport {port} dnat {named} to {written}:{other}",
        f"dnat {named} to tcp dport map {{ 80 : {one}, 81 : {two} }}",
        f"dnat {named} to tcp dport map {{ 80 : {one} . 8080, 81 : {two} . 82 }}",
        "redirect to :tcp dport map { 80 : 8080, 82 : 81 }", f"udp dport {port} redirect to :{other}",
    ))  # fmt: skip
