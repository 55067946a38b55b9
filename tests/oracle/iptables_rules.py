"""Which rules can iptables-restore take? Choices over the grammar of iptables(8) and iptables-extensions(8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .places import PORTS, SERVERS, TARGETS
from .words import chance, pick

if TYPE_CHECKING:
    from .words import Draw

CHAINS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
CODES = {
    4: ("icmp-host-unreachable", "icmp-admin-prohibited", "icmp-port-unreachable", "icmp-net-prohibited",
        "icmp-proto-unreachable", "icmp-net-unreachable", "icmp-host-prohibited"),
    6: ("icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable", "icmp6-no-route",
        "icmp6-policy-fail", "icmp6-reject-route"),
}  # fmt: skip
SETS = """\
create four hash:net family inet
add four 10.77.0.0/24
add four 10.77.0.2 nomatch
create fourport hash:ip,port family inet
add fourport 10.77.0.1,tcp:80
add fourport 10.77.1.3,udp:81
add fourport 10.88.0.20,tcp:81
create ports bitmap:port range 0-9000
add ports 80
add ports 8080
create pair hash:net,net family inet
add pair 10.77.0.0/24,10.88.0.0/24
create six hash:ip family inet6
add six 2001:db8:77::2
add six 2001:db8:88::20
create some list:set
add some four
"""


@dataclass(kw_only=True)
class Scope:
    """Where a rule stands."""

    version: int
    table: str
    hooks: tuple[str, ...]  # the built-in chains that lead here
    chains: tuple[str, ...] = ()


def ruleset(draw: Draw, version: int) -> str:
    """A text that `iptables-restore`, or `ip6tables-restore`, takes, but for a line here and there."""
    tables = ["filter"]
    tables += [
        name for name, percent in (("raw", 25), ("mangle", 35), ("nat", 45), ("security", 8)) if chance(draw, percent)
    ]
    return "".join(table(draw, version, name) for name in tables)


def table(draw: Draw, version: int, name: str) -> str:
    """One table."""
    hooks = [hook for hook in CHAINS[name] if chance(draw, 60)] or [CHAINS[name][0]]
    users = {} if name == "nat" else {f"c{number}": pick(draw, hooks) for number in range(pick(draw, (0, 1, 2)))}
    policies = {
        hook: pick(draw, ("ACCEPT", "ACCEPT", "ACCEPT", "DROP")) if name == "filter" else "ACCEPT" for hook in hooks
    }
    lines = [f"*{name}"]
    lines += [f":{hook} {policy} [0:0]" for hook, policy in policies.items()] + [f":{user} - [0:0]" for user in users]
    chains = tuple(users)
    for hook in hooks:
        mine = tuple(user for user in chains if users[user] == hook)
        scope = Scope(version=version, table=name, hooks=(hook,), chains=mine)
        if name == "filter" and chance(draw, 35):
            known = pick(draw, ("-m conntrack --ctstate RELATED,ESTABLISHED", "-m state --state ESTABLISHED"))
            lines.append(f"-A {hook} {known} -j ACCEPT")
        lines += [rule(draw, hook, scope) for _ in range(pick(draw, (1, 2, 3, 4)))]
    for at, (user, hook) in enumerate(users.items()):
        mine = tuple(other for other in chains[at + 1 :] if users[other] == hook)
        scope = Scope(version=version, table=name, hooks=(hook,), chains=mine)
        lines += [rule(draw, user, scope) for _ in range(pick(draw, (1, 2, 3)))]
    return "\n".join([*lines, "COMMIT", ""])


def sides(version: int) -> tuple[str, ...]:
    """Matches of addresses; `!` stands in the place of a negation."""
    if version == 4:
        return (
            "!-s 10.77.0.1", "!-s 10.77.0.0/24", "-s 10.77.0.1/255.255.0.255",
            "-m iprange !--src-range 10.77.0.2-10.77.1.3",
            "-m set !--match-set four src", "-m set !--match-set fourport src,dst", "!-d 10.88.0.20", "!-d 10.77.0.10",
            "-m set !--match-set pair src,dst", "!-s 10.88.0.0/24", "-m iprange !--dst-range 10.88.0.20-10.88.0.21",
            "-m set !--match-set ports dst", "-m set !--match-set some src",
        )  # fmt: skip
    return (
        "!-s 2001:db8:77::1", "!-s 2001:db8:77::/64", "-m set !--match-set six src", "!-d 2001:db8:88::20",
        "-m set !--match-set six dst",
        "!-d 2001:db8:77::10", "-m iprange !--src-range 2001:db8:77::2-2001:db8:77:1::3",
    )  # fmt: skip


OTHERS = (
    "-p tcp -m tcp !--dport 80", "-p tcp -m tcp !--dport 80:81", "-p tcp -m multiport !--dports 80,82:90",
    "-p udp -m udp --dport 80",
    "!-p tcp", "-p tcp", "-p udp", "-m conntrack !--ctstate NEW", "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m conntrack --ctstate INVALID",
    "-m conntrack !--ctstate DNAT", "-m conntrack --ctstate SNAT", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
    "-p tcp -m tcp !--syn",
    "-p tcp -m tcp --tcp-flags RST RST", "-m mark !--mark 5", "-m mark --mark 0x5/0xf", "-m addrtype !--dst-type LOCAL",
    "-m addrtype --src-type LOCAL", '-m comment --comment "it\'s \\"so\\""', "-m conntrack --ctstate UNTRACKED",
    "-p tcp -m multiport !--ports 82",
    "-p tcp -m tcp --sport 80:82", "-m connmark !--mark 5", "-m conntrack --ctdir REPLY",
    "-m conntrack --ctorigdstport 80",
    "-p tcp -m multiport --sports 80,81", "-m state --state NEW", "-p tcp -m tcp --dport 81",
    "-p tcp -m tcp --dport 80",
    "-m conntrack --ctstatus SEEN_REPLY",
)  # fmt: skip
BY_VERSION = {
    4: ("-m conntrack --ctorigdst 10.88.0.20", "-p icmp -m icmp --icmp-type 3", "-p icmp",
    "-m conntrack --ctorigsrc 10.77.0.1",
        "-p icmp -m icmp --icmp-type 3/3", "-m pkttype !--pkt-type unicast"),
    6: ("-p ipv6-icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 1", "-m conntrack --ctorigdst 2001:db8:88::20",
        "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4"),
}  # fmt: skip
UNTOLD = (
    "-m limit --limit 1000/sec --limit-burst 500", "-p tcp -m connlimit --connlimit-above 1000",
    "-m hashlimit --hashlimit-above 1000/sec --hashlimit-mode srcip --hashlimit-name oracle",
    "-m statistic --mode random --probability 0.5", "-m length --length 30:", "-m quota --quota 100000000",
)  # fmt: skip
"""What the rules alone do not tell."""
INCOMING = ("!-i eth0", "-i eth+", "!-i lo", "-i eth1")
OUTGOING = ("!-o eth0", "-o eth1", "-o eth+", "-o lo")
OWNED = ("-m owner !--uid-owner 1000", "-m owner --uid-owner 0", "-m owner --gid-owner 0")


def match(draw: Draw, scope: Scope) -> str:
    """No match, one or two that go together."""
    (hook,) = scope.hooks
    pool = sides(scope.version) * 2 + OTHERS + OTHERS + BY_VERSION[scope.version]
    if hook in ("PREROUTING", "INPUT", "FORWARD"):
        pool += INCOMING
    if hook in ("OUTPUT", "POSTROUTING", "FORWARD"):
        pool += OUTGOING
    if hook in ("OUTPUT", "POSTROUTING"):
        pool += OWNED
    if hook == "PREROUTING" and scope.table in ("raw", "mangle"):
        pool += ("-m rpfilter", "-m rpfilter --invert")
    if chance(draw, 1):
        return pick(draw, UNTOLD)
    found: list[str] = []
    for _ in range(pick(draw, (0, 1, 1, 1, 2, 2))):
        sign = "! " if chance(draw, 25) else ""
        words = pick(draw, pool).replace("!", sign)
        if not any(_same(words, other) for other in found):
            found.append(words)
    # -p stands first, so that what needs it comes behind.
    return " ".join(sorted(found, key=lambda words: "-p " not in words))


def _same(one: str, other: str) -> bool:
    """Do both say the same kind of thing, of which a rule takes one?"""
    kinds = [{word for word in words.split() if word.startswith("-") or word in MODULES} for words in (one, other)]
    return bool((kinds[0] & kinds[1]) - {"-m"})


MODULES = frozenset(
    {"conntrack", "set", "multiport", "mark", "connmark", "addrtype", "iprange", "owner", "state", "rpfilter"}
)


def rule(draw: Draw, chain: str, scope: Scope) -> str:
    """One rule."""
    words = match(draw, scope)
    options = ["ACCEPT", "ACCEPT", "ACCEPT", "DROP", "RETURN", *scope.chains, *scope.chains]
    if scope.table == "mangle":
        options += ["MARK --set-mark 5", "MARK --set-xmark 0x1/0xf", "CONNMARK --save-mark", "CONNMARK --restore-mark",
        "CONNMARK --set-mark 5",
                    "MARK --or-mark 0x8", "MARK --and-mark 0x4"]  # fmt: skip
    if scope.table == "raw":
        options += ["CT --notrack"] * 3
    if scope.table == "filter":
        options += [f"REJECT --reject-with {pick(draw, CODES[scope.version])}"] * 2 + [
            "REJECT",
            "LOG --log-prefix seen",
        ]
        if "-p tcp" in words and "! -p" not in words:
            options += ["REJECT --reject-with tcp-reset"] * 2
    target = pick(draw, options)
    if scope.table == "nat":
        words, target = translation(draw, words, scope)
    word = "-g" if target in scope.chains and chance(draw, 30) else "-j"
    return f"-A {chain} {words} {word} {target}".replace("  ", " ")


def translation(draw: Draw, words: str, scope: Scope) -> tuple[str, str]:
    """What a rule of the nat table does, and the matches that it then needs."""
    (hook,) = scope.hooks
    version = scope.version
    if chance(draw, 20):
        return words, pick(draw, ("ACCEPT", "RETURN"))
    if hook in ("POSTROUTING", "INPUT"):
        masquerade = hook == "POSTROUTING" and chance(draw, 50)
        return words, "MASQUERADE" if masquerade else f"SNAT --to-source {TARGETS[version]}"
    kept = " ".join(part for part in words.split(" -m ") if "-p " not in part) if "-p " in words else words
    words = f"-p tcp -m tcp --dport {pick(draw, PORTS)}" + (f" {kept}" if kept and kept == words else "")
    server, port = pick(draw, SERVERS[version]), pick(draw, PORTS)
    written = server if version == 4 else f"[{server}]"
    targets = (
        f"REDIRECT --to-ports {port}",
        f"DNAT --to-destination {written}:{port}",
        f"DNAT --to-destination {server}",
        f"DNAT --to-destination {'-'.join(SERVERS[version])}",
    )
    return words, pick(draw, targets)
