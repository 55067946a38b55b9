"""Which smallest change turns the verdict, in the words of the program that keeps the rules?

A change to nft's or iptables' own rules is tried on the rules first, and proposed only if the walk then ends as wanted.
Programs that rewrite their rules by themselves (Docker, kube-proxy, …) get no proposal: it would not last. What they
leave to people, Docker's chain DOCKER-USER, is changed like rules by hand.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from whyrefused.firewall import build
from whyrefused.firewall.author import USERS_OWN
from whyrefused.firewall.elements import taken_out
from whyrefused.firewall.iptables_words import words
from whyrefused.firewall.journey import span_of
from whyrefused.firewall.model import (
    PROTOCOLS,
    STATES,
    Action,
    Among,
    Field,
    Op,
    Packet,
    Part,
    Rule,
    Ruleset,
    Step,
    Table,
    Trace,
)
from whyrefused.firewall.ranges import address_range, without
from whyrefused.firewall.verdict import judge_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.firewall.start import Hook

Wish = Literal["accept", "reject"]
OWN_RULES = frozenset({"by hand"})
ZONE = re.compile(r"(?:filter_)?(?:IN|FWD)_(?!policy_)(.+?)(?:_(pre|log|deny|allow|post))?")
JAIL = re.compile(r"\b(?:f2b|addr6?-set)-([A-Za-z0-9_-]+)")
MOST_CHANGES = 4


class Change(NamedTuple):
    """One command, and the rules as they are after it."""

    command: str
    after: Ruleset | None  # None: a program writes its rules anew, and how they then are is its own business


def fix(trace: Trace, packet: Packet, ruleset: Ruleset, hook: Hook = "input", to: Wish = "accept") -> tuple[str, ...]:
    """Which commands make the rules accept (or reject) this connection? Empty when none is known to."""
    return tuple(change.command for change in changes(trace, packet, ruleset, hook, to))


def changes(
    trace: Trace, packet: Packet, ruleset: Ruleset, hook: Hook = "input", to: Wish = "accept"
) -> tuple[Change, ...]:
    """Which commands are those of `fix`, and what are the rules after each of them?"""
    if trace.verdict == "cannot-tell" or _reached(trace, to) or trace.decided is None:
        return ()
    program = PROGRAMS.get(trace.author)
    if program:
        # These programs let answers through before all else; a rule that keeps one back is none of their own making.
        commands = () if packet.reply else program(trace, packet, hook, to)
        return tuple(Change(command, None) for command in commands)
    return _by_hand(packet, ruleset, hook, to) if trace.author in OWN_RULES else ()


def _reached(trace: Trace, to: Wish) -> bool:
    return trace.verdict == "accept" if to == "accept" else trace.verdict in ("reject", "drop")


def _port(trace: Trace, packet: Packet) -> int:
    return packet.port if trace.port is None else trace.port


def _ufw(trace: Trace, packet: Packet, hook: Hook, to: Wish) -> tuple[str, ...]:
    step = trace.decided
    # Only what comes behind ufw's own preliminaries can be turned by a rule of the user's.
    late = step is not None and (step.index == 0 or re.match(r"ufw6?-(user|after|reject|skip-to-policy)-", step.chain))
    if not late or step is None:
        return ()
    # `insert 1` fails for IPv6 rules while there are IPv4 ones before them; `prepend` knows both. A rule that differs
    # in its action alone is changed where it stands, and `prepend` would skip it.
    same = (" -s " in step.rule) is (packet.source != "any") and (packet.source == "any" or packet.source in step.rule)
    first = "prepend " if step.index and "-user-" in step.chain and not same else ""
    verb = "allow" if to == "accept" else "reject"
    route = {"input": "", "output": "out ", "forward": "route "}[hook]
    source, target = packet.source if hook != "output" else "any", "any"
    if hook == "output":
        target = packet.destination or "any"
    if route == "route ":
        target = _behind(trace, packet)
        return (
            f"ufw route {first}{verb} proto {packet.protocol} from {source} to {target} port {_port(trace, packet)}",
        )
    return (f"ufw {first}{verb} {route}proto {packet.protocol} from {source} to {target} port {_port(trace, packet)}",)


def _firewalld(trace: Trace, packet: Packet, hook: Hook, to: Wish) -> tuple[str, ...]:
    found = [match for step in trace.steps if (match := ZONE.fullmatch(step.chain))]
    if not found or hook == "output":
        return ()
    zone, part = shlex.quote(found[-1][1]), found[-1][2]
    port = f"{_port(trace, packet)}/{packet.protocol}"
    change = f"--add-port={port}"
    if packet.source != "any" or to == "reject" or part in ("pre", "deny"):
        family = (
            f' family="ipv{span_version(packet.source)}" source address="{packet.source}"'
            if packet.source != "any"
            else ""
        )
        # Rules that deny go before those that allow, unless a priority says otherwise (firewalld.richlanguage(5)).
        urgent = ' priority="-1"' if part in ("pre", "deny") else ""
        rich = f'rule{urgent}{family} port port="{_port(trace, packet)}" protocol="{packet.protocol}" {to}'
        change = f"--add-rich-rule={shlex.quote(rich)}"
    # Not `--reload`: it throws away what is not permanent, and with it perhaps what lets SSH in (firewall-cmd(1)).
    return (f"firewall-cmd --zone={zone} {change}", f"firewall-cmd --permanent --zone={zone} {change}")


def _family(source: str) -> str:
    return "ip" if span_version(source) == 4 else "ip6"  # noqa: PLR2004 - IP version


def span_version(source: str) -> int:
    """Of which IP version is a source?"""
    return address_range(source)[0]


def _fail2ban(trace: Trace, packet: Packet, hook: Hook, to: Wish) -> tuple[str, ...]:  # noqa: ARG001 - one signature for all
    step = trace.decided
    # With nft all jails share the chain `f2b-chain`, and the rule has the set of one; with iptables each has a chain.
    jail = JAIL.search(f"{step.rule} {step.chain}") if step else None
    single = packet.source != "any" and "/" not in packet.source and "-" not in packet.source
    if to != "accept" or jail is None or not single:
        return ()
    return (f"fail2ban-client set {jail[1]} unbanip {packet.source}",)


PROGRAMS: dict[str, Callable[[Trace, Packet, Hook, Wish], tuple[str, ...]]] = {
    "ufw": _ufw,
    "firewalld": _firewalld,
    "fail2ban": _fail2ban,
}


def _by_hand(packet: Packet, ruleset: Ruleset, hook: Hook, to: Wish) -> tuple[Change, ...]:
    """Which changes, tried one after the other on the rules, lead to the wish?"""
    done: list[Change] = []
    for _ in range(MOST_CHANGES):
        left = [part for part in judge_all(ruleset, packet, hook) if not _reached(part.trace, to)]
        if not left:
            return tuple(done)
        change = _change(left[0], packet, ruleset, hook, to)
        if change is None or change.after is None:
            return ()
        done.append(change)
        ruleset = change.after
    return ()


def _change(part: Part, packet: Packet, ruleset: Ruleset, hook: Hook, to: Wish) -> Change | None:
    step = part.trace.decided
    if step is None or part.trace.author not in OWN_RULES or part.trace.verdict == "cannot-tell":
        return None
    if to == "reject":
        return _inserted(step, ruleset, _wanted(packet, part.trace, hook), to)
    for change in _narrow(step, packet, ruleset, part.trace, hook):
        if change.after and all(_reached(each.trace, to) for each in judge_all(change.after, packet, hook)):
            return change
    return _inserted(step, ruleset, _wanted(packet, part.trace, hook), to)


def _narrow(step: Step, packet: Packet, ruleset: Ruleset, trace: Trace, hook: Hook) -> Iterator[Change]:
    """Which changes would do if nothing else refused? The smallest first."""
    if removed := _removed(step, packet, ruleset, trace, hook):
        yield removed
    table = _find(step, ruleset)
    if table and step.index and packet.source != "any" and hook != "output" and not packet.reply:
        rule = table.chains[step.chain].rules[step.index - 1]
        if out := taken_out(table, rule, span_of(packet.source, span_version(packet.source)), ruleset):
            yield Change(*out)
    # There the program's own rules have the next word, and keep closed what it has not published.
    # Where it leads to is not named: a container has another address tomorrow.
    if step.chain in USERS_OWN:
        wanted = _wanted(packet, replace(trace, steps=()), hook)
        if returning := _inserted(step, ruleset, wanted, "return"):
            yield returning


def _find(step: Step, ruleset: Ruleset) -> Table | None:
    for table in ruleset.tables:
        same = table.family == step.family and table.name == step.table and step.chain in table.chains
        if same and (table.tool == step.tool or (step.tool == "nft" and "legacy" not in table.tool)):
            return table
    return None


def _with(ruleset: Ruleset, table: Table, name: str, rules: tuple[Rule, ...]) -> Ruleset:
    old = table.chains[name]
    new = replace(old, rules=rules, live=build.chain(name, rules).live)
    changed = replace(table, chains={**table.chains, name: new})
    return replace(ruleset, tables=tuple(changed if each is table else each for each in ruleset.tables))


def _removed(step: Step, packet: Packet, ruleset: Ruleset, trace: Trace, hook: Hook) -> Change | None:
    """Which command takes the rule away, if it was made for this port and concerns nobody but these sources?"""
    table = _find(step, ruleset)
    if table is None or step.index == 0:
        return None
    rules = table.chains[step.chain].rules
    rule = rules[step.index - 1]
    if rule.ports != {_port(trace, packet)} or not _only(rule, packet, hook):
        return None
    after = _with(ruleset, table, step.chain, (*rules[: step.index - 1], *rules[step.index :]))
    if step.tool == "nft":
        return Change(f"nft delete rule {_place(step)} handle {step.handle}", after)
    return Change(f"{_iptables(step)} -D {shlex.join(words(step.rule)[1:])}", after)


def _only(rule: Rule, packet: Packet, hook: Hook) -> bool:
    # What goes out has no other source than this host.
    if packet.source == "any" or hook == "output":
        return True
    span = (span_of(packet.source, span_version(packet.source)),)
    sources = [op for op in rule.ops if isinstance(op, Among) and op.fields == (Field.SOURCE,) and not op.negated]
    return any(not without(op.rows[0].cells[0], span) for op in sources if op.mask is None)  # type: ignore[arg-type]


def _inserted(step: Step, ruleset: Ruleset, wanted: Wanted, to: Wish | Literal["return"]) -> Change | None:
    """Which command puts a rule before the one that decides, or at the end where the policy does?"""
    table = _find(step, ruleset)
    if table is None:
        return None
    rules = table.chains[step.chain].rules
    at = step.index - 1 if step.index else len(rules)
    action = Action(kind=to, how="tcp reset" if to == "reject" else "")
    after = _with(ruleset, table, step.chain, (*rules[:at], build.rule([*wanted.ops, action], ""), *rules[at:]))
    written = _nft_rule if step.tool == "nft" else _iptables_rule
    return Change(written(step, wanted, to), after)


class Wanted(NamedTuple):
    """The connection that a new rule is for: as tests, and in the words of both programs."""

    ops: tuple[Op, ...]
    nft: str
    iptables: str
    tcp: bool


def _wanted(packet: Packet, trace: Trace, hook: Hook) -> Wanted:
    """Which packets must a new rule be for? What comes in is told by its source, what goes out by its destination."""
    if packet.reply:
        states = STATES["established"] | STATES["related"]
        return Wanted(
            (build.any_bit(Field.STATE, states, ""),),
            "ct state established,related", " -m conntrack --ctstate ESTABLISHED,RELATED", packet.protocol == "tcp",
        )  # fmt: skip
    port, protocol = _port(trace, packet), PROTOCOLS[packet.protocol]
    ops: tuple[Op, ...] = (
        build.one_of(Field.PROTOCOL, [(protocol, protocol)], ""), build.one_of(Field.DPORT, [(port, port)], ""),
    )  # fmt: skip
    ends = tuple((end, other) for end, other in _ends(packet, trace, hook) if other != "any")
    for end, other in ends:
        version, span = address_range(other)
        ops = (build.one_of(Field.FAMILY, [(version, version)], ""), build.one_of(end.field, [span], ""), *ops)
    return Wanted(
        ops,
        "".join(f"{_family(other)} {end.nft} {other} " for end, other in ends) + f"{packet.protocol} dport {port}",
        f" -p {packet.protocol}" + "".join(f" {end.iptables} {other}" for end, other in ends) + f" --dport {port}",
        packet.protocol == "tcp",
    )


class _End(NamedTuple):
    """One end of a connection, in the words of both programs."""

    field: Field
    nft: str
    iptables: str


FROM, TO = _End(Field.SOURCE, "saddr", "-s"), _End(Field.DESTINATION, "daddr", "-d")


def _ends(packet: Packet, trace: Trace, hook: Hook) -> tuple[tuple[_End, str], ...]:
    if hook == "output":
        return ((TO, packet.destination or "any"),)
    step = trace.decided
    # What passes through is for one host; the same port of all others stays as it is.
    if step is not None and step.hook == "forward":
        return ((FROM, packet.source), (TO, _behind(trace, packet)))
    return ((FROM, packet.source),)


def _behind(trace: Trace, packet: Packet) -> str:
    """To which address does a packet go on that passes through, as the chains after NAT see it?"""
    address = trace.redirected.rpartition(":")[0].strip("[]")
    try:
        address_range(address)
    except ValueError:
        return packet.destination or "any"
    return address


def _place(step: Step) -> str:
    return shlex.join((step.family, step.table, step.chain))


def _iptables(step: Step) -> str:
    return step.tool if step.table == "filter" else f"{step.tool} -t {shlex.quote(step.table)}"


def _nft_rule(step: Step, wanted: Wanted, to: Wish | Literal["return"]) -> str:
    match = f"{wanted.nft} {to if to != 'reject' else 'reject with tcp reset' if wanted.tcp else 'reject'}"
    if step.index:
        return f"nft insert rule {_place(step)} handle {step.handle} {match}"
    return f"nft add rule {_place(step)} {match}"


def _iptables_rule(step: Step, wanted: Wanted, to: Wish | Literal["return"]) -> str:
    where = f"-I {shlex.quote(step.chain)} {step.index}" if step.index else f"-A {shlex.quote(step.chain)}"
    reset = " --reject-with tcp-reset" if wanted.tcp else ""
    return f"{_iptables(step)} {where}{wanted.iptables} -j {f'REJECT{reset}' if to == 'reject' else to.upper()}"
