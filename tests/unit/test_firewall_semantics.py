"""What single rules, hostile texts and whole networks do; most rules here were once judged wrongly or nearly so."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.firewall import Packet, Trace, Unreadable, fix, judge, judge_all, load, render
from whyrefused.firewall.iptables_words import words
from whyrefused.firewall.ranges import Ranges, address_range, both, either, holds, in_words, tidy, without

RENDERED = Path(__file__).parent / "data" / "firewall" / "rendered.json"
PACKET = Packet(source="192.0.2.1", destination="198.51.100.1", port=80)


def save(*rules: str, table: str = "filter", chains: str = "", policy: str = "ACCEPT") -> str:
    """Write what iptables-save prints of some rules."""
    base = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "raw": ("PREROUTING", "OUTPUT")}.get(
        table, ("PREROUTING", "INPUT")
    )
    names = [f":{name} {policy} [0:0]" for name in base] + [f":{name} - [0:0]" for name in chains.split()]
    return "\n".join([f"*{table}", *names, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def nft(*rules: list[Any], hook: str = "input", table: str = "t", policy: str = "accept", prio: int = 0) -> list[Any]:
    """Write what nft lists of a table with one base chain."""
    chain = {
        "family": "inet",
        "table": table,
        "name": "c",
        "type": "filter",
        "hook": hook,
        "prio": prio,
        "policy": policy,
    }
    listed = [
        {"rule": {"family": "inet", "table": table, "chain": "c", "handle": at, "expr": rule}}
        for at, rule in enumerate(rules, 9)
    ]
    return [{"table": {"family": "inet", "name": table}}, {"chain": chain}, *listed]


def listing(*objects: dict[str, Any]) -> str:
    """Write what `nft -j list ruleset` prints."""
    return json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *objects]})


def ask(text: str, packet: Packet = PACKET) -> Trace:
    """Judge a packet by what iptables-save prints."""
    return judge(load(None, {"iptables-save": text}), packet)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        # notrack makes the packet untracked at once, not only behind connection tracking.
        ("drop", save("PREROUTING -j CT --notrack",
                      "PREROUTING -m conntrack --ctstate UNTRACKED -j DROP", table="raw")),
        # Before connection tracking every packet is INVALID.
        ("drop", save("PREROUTING -m conntrack --ctstate INVALID -j DROP", table="raw")),
        ("accept", save("PREROUTING -m conntrack --ctstate NEW -j DROP", table="raw")),
        # NAT that changes nothing leaves no mark of NAT; whether it does depends on the host's addresses.
        ("cannot-tell", save("PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 80", table="nat")
         + save("INPUT -m conntrack --ctstate DNAT -j ACCEPT", policy="DROP")),
        ("accept", save("PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 81", table="nat")
         + save("INPUT -m conntrack --ctstate DNAT -j ACCEPT", policy="DROP")),
        # A chain reached by goto returns to the policy, not to the next rule.
        ("accept", save("INPUT -g a", "INPUT -j DROP", chains="a")),
        ("drop", save("INPUT -j a", "INPUT -j DROP", chains="a")),
        ("drop", save("INPUT -j a", "INPUT -j DROP", "a -g b", "a -j ACCEPT", "b -j RETURN", chains="a b")),
        # Both readings of an open question end alike.
        ("accept", save("INPUT -m time --timestart 08:00 -j ACCEPT", "INPUT -j ACCEPT", policy="DROP")),
        ("cannot-tell", save("INPUT -m time --timestart 08:00 -j DROP")),
        # A false test makes the open one beside it meaningless.
        ("accept", save("INPUT -p udp -m time --timestart 08:00 -j DROP")),
        # Marks set on the way.
        ("drop", save("PREROUTING -p tcp -j MARK --set-xmark 0x5/0xff", table="mangle")
         + save("INPUT -m mark --mark 0x5 -j DROP")),
        ("drop", save("INPUT -s 192.0.2.1/255.255.0.255 -j DROP")),
        ("accept", save("INPUT ! -s 192.0.0.1/255.255.0.255 -j ACCEPT", "INPUT -s 192.0.99.1/255.0.255.255 -j DROP")),
        # A new connection: SYN, no fragment, nothing in the error or the reply direction.
        ("drop", save("INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP")),
        ("accept", save("INPUT -f -j DROP", "INPUT -m conntrack --ctdir REPLY -j DROP")),
        ("accept", save("INPUT -i lo -j DROP")),
        ("cannot-tell", save("INPUT -i eth0 -j DROP")),
        ("drop", save("INPUT -p tcp -m tcp --sport 1024:65535 -j DROP")),
        ("cannot-tell", save("INPUT -p tcp -m tcp --sport 32768:60999 -j DROP")),
        ("accept", save("INPUT -p tcp -m tcp --sport 1:1023 -j DROP")),
        ("cannot-tell", save("INPUT -j NFQUEUE --queue-num 1")),
        ("cannot-tell", save("INPUT -m set --match-set unseen src -j DROP")),
        ("cannot-tell", save("INPUT -m geoip --source-country XX -j DROP")),
        ("drop", save("INPUT -m addrtype --dst-type LOCAL -j DROP")),
    ],
)  # fmt: skip
def test_rules(verdict: str, text: str) -> None:
    """The verdict is the kernel's."""
    assert verdict == ask(text).verdict, ask(text)


def test_no_rules_accept() -> None:
    """Nothing loaded lets everything in, without a step."""
    trace = judge(load(listing(), {"iptables-save": ""}), PACKET)
    assert ("accept", (), "") == (trace.verdict, trace.steps, trace.author)


def test_accept_goes_on_to_the_next_base_chain() -> None:
    """An accept ends one base chain only, a drop ends the way."""
    early = nft([{"accept": None}], table="a", prio=-10)
    late = nft([{"reject": {"type": "tcp reset"}}], table="b", prio=10)
    trace = judge(load(listing(*late, *early), {}), PACKET)
    assert ("reject", "tcp reset") == (trace.verdict, trace.how)
    assert [("a", False), ("b", True)] == [(step.table, step.decided) for step in trace.steps]


def test_among_equals_the_last_registered_comes_first() -> None:
    """Two refusals at one priority: the one of the younger chain is what the client sees."""
    first = nft([{"drop": None}], table="old")
    second = nft([{"reject": {"type": "tcp reset"}}], table="young")
    assert judge(load(listing(*first, *second), {}), PACKET).verdict == "reject"


def test_order_of_legacy_and_nft_is_not_known() -> None:
    """One drops, the other rejects, at the same priority: nobody can tell which the client sees."""
    rules = load(
        listing(*nft([{"drop": None}])), {"iptables-legacy-save": save("INPUT -j REJECT --reject-with tcp-reset")}
    )
    trace = judge(rules, PACKET)
    assert ("cannot-tell", ("drop", "reject")) == (trace.verdict, trace.readings)
    assert "iptables-legacy" in trace.why


def test_legacy_rules_that_were_not_read() -> None:
    """iptables-save warns of legacy rules: without them no acceptance is certain."""
    warned = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n"
    assert ask(warned).verdict == "cannot-tell"
    assert judge(load(None, {"iptables-save": warned, "iptables-legacy-save": ""}), PACKET).verdict == "accept"


def test_plain_command_of_the_legacy_backend_is_not_read_twice() -> None:
    """Where iptables itself is the legacy one, both commands print the same tables."""
    text = "# Generated by iptables-save v1.8.9 on a day\n" + save("INPUT -p tcp -m tcp --dport 80 -j DROP")
    rules = load(listing(), {"iptables-save": text, "iptables-legacy-save": text})
    assert len(rules.tables) == 1
    assert judge(rules, PACKET).verdict == "drop"


def test_extensions_without_a_save_are_open() -> None:
    """Nft's list names iptables' extensions and nothing more; that is not taken for a rule without conditions."""
    rule = [{"xt": {"type": "match", "name": "string"}}, {"drop": None}]
    trace = judge(load(listing(*nft(rule)), {}), PACKET)
    assert ("cannot-tell", True) == (trace.verdict, 'xt match "string"' in trace.why)


@pytest.mark.parametrize(
    "text",
    ["", "no", "[]", "{}", '{"nftables": 1}', '{"nftables": [1]}', "[" * 100_000, '{"nftables": [{"rule": {}}]}'],
)
def test_nft_text_that_is_no_ruleset(text: str) -> None:
    """What is no list of rules is not read as an empty one."""
    with pytest.raises(Unreadable):
        load(text, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("iptables-save", save("INPUT -j DROP").removesuffix("COMMIT\n")),
        ("iptables-save", "iptables-save: command not found"),
        ("iptables-save", "*filter\n:INPUT ACCEPT [0:0]\n-A OTHER -j DROP\nCOMMIT\n"),
        ("ipset save", "ipset: command not found"),
    ],
)
def test_saves_that_are_none(name: str, text: str) -> None:
    """A save cut short, or an error message, is not read as no rules."""
    with pytest.raises(Unreadable):
        load(None, {name: text})


@given(st.text(), st.sampled_from(["iptables-save", "ip6tables-legacy-save", "ipset save"]))
def test_any_save_text(text: str, name: str) -> None:
    """Any text is read or refused, never worse."""
    with contextlib.suppress(Unreadable):
        judge(load(None, {name: text}), PACKET)


WORDS = (
    "! -s -d -i -o -p -m -j -g tcp udp set comment conntrack multiport limit recent mark owner DROP ACCEPT REJECT MARK "
    "--dport --sport --dports --ctstate --mark --comment --match-set --limit --syn --tcp-flags --set-xmark --to-ports "
    '--uid-owner 80 1:2 0x1/0x2 10.0.0.0/8 eth+ NEW "x y" REDIRECT INPUT a :: -1 /'
)
RULE_WORDS = st.sampled_from(WORDS.split(" "))


@given(st.lists(st.lists(RULE_WORDS, max_size=12), max_size=4))
def test_any_rule(rules: list[list[str]]) -> None:
    """Any words after -A are read; what is not understood never makes a verdict certain by accident of parsing."""
    text = save(*(f"INPUT {' '.join(rule)}" for rule in rules), chains="a")
    assert ask(text).verdict in ("accept", "reject", "drop", "cannot-tell")


KEYS = (
    "match op left right payload protocol field meta key ct set range prefix addr len vmap data concat & | "
    "jump target accept limit elem val map dnat port redirect mangle value"
)
LEAVES = st.sampled_from(["tcp", "@s", "saddr", "10.0.0.1", "*", "new", "c", None, True, -5, 80])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split(" ")), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.lists(JSON, max_size=3), max_size=3))
def test_any_nft_rule(rules: list[list[Any]]) -> None:
    """Any JSON for rules is judged and can be printed."""
    with contextlib.suppress(Unreadable):
        judge(load(listing(*nft(*rules)), {}), PACKET)
    for rule in rules:
        assert isinstance(render.rule({"expr": rule}), str)


def test_jumps_in_circles() -> None:
    """The kernel forbids circles; a text may hold one, and the walk ends."""
    assert ask(save("INPUT -j a", "a -j b", "b -j a", chains="a b")).verdict == "cannot-tell"


def test_jumps_that_multiply() -> None:
    """Thirty chains that each jump twice to the next are a billion ways; the walk gives up in time."""
    rules = [f"c{at} -p tcp -j c{at + 1}" for at in range(30) for _ in "ab"]
    text = save("INPUT -j c0", *rules, "c30 -m mark --mark 1 -j DROP", chains=" ".join(f"c{at}" for at in range(31)))
    start = time.process_time()
    assert ask(text).verdict == "cannot-tell"
    assert time.process_time() - start < 20


def test_open_questions_do_not_multiply() -> None:
    """Two hundred rules that nobody can answer are still one walk."""
    rules = [f"INPUT -m time --timestart 0{at % 10}:00 -j MARK --set-xmark {at:#x}/0xffffffff" for at in range(200)]
    start = time.process_time()
    assert ask(save(*rules, "INPUT -m mark --mark 0x7 -j DROP")).verdict == "cannot-tell"
    assert time.process_time() - start < 10


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def members(ranges: Ranges) -> set[int]:
    """List the numbers in a set."""
    return {number for low, high in ranges for number in range(low, high + 1)}


@given(SPANS, SPANS, st.integers(0, 70), st.integers(0, 5))
def test_ranges_are_sets(one: list[tuple[int, int]], other: list[tuple[int, int]], low: int, more: int) -> None:
    """Every operation is what it is on sets, and stays sorted and disjoint."""
    left, right = tidy(one), tidy(other)
    assert members(tuple(one)) == members(left)
    for mine, theirs in ((both(left, right), members(left) & members(right)),
                         (without(left, right), members(left) - members(right)),
                         (either(left, right), members(left) | members(right))):  # fmt: skip
        assert theirs == members(mine)
        assert tidy(mine) == mine
    asked = set(range(low, low + more + 1))
    found = asked & members(left)
    assert (True if found == asked else None if found else False) is holds(left, (low, low + more))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_ranges_in_words(one: int, other: int) -> None:
    """A range as it is written reads back as itself."""
    both_ends = (min(one, other), max(one, other))
    assert (4, both_ends) == address_range(in_words(both_ends, 4))


@given(
    st.text(
        alphabet=st.characters(exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", codec="utf-8"), min_size=1
    )
)
def test_words_undo_quotes(comment: str) -> None:
    """A comment survives the quoting of iptables-save."""
    quoted = "".join(f"\\{letter}" if letter in "\"'\\" else letter for letter in comment)
    assert ["-A", comment, "-j"] == words(f'-A "{quoted}" -j')


NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "10.128.0.0/9", "192.0.2.0/24", "0.0.0.0/0")
TARGETS = ("ACCEPT", "DROP", "RETURN", "a", "REJECT --reject-with tcp-reset", "MARK --set-xmark 0x1/0x1")
RULES = st.lists(
    st.tuples(
        st.sampled_from(["", "! "]),
        st.sampled_from(NETWORKS),
        st.sampled_from([80, 81]),
        st.sampled_from(TARGETS),
        st.sampled_from(["", "-m mark --mark 0x1/0x1 ", "-m time --timestart 01:00 "]),
        st.sampled_from(["INPUT", "INPUT", "a"]),
    ),
    max_size=8,
)
SOURCES = ("10.1.2.3", "10.1.2.4", "10.1.3.1", "10.2.0.1", "10.200.0.1", "192.0.2.9", "203.0.113.1")


def span(text: str) -> tuple[int, int]:
    """Which addresses does a text mean?"""
    return address_range(text)[1]


@settings(max_examples=200)
@given(RULES)
def test_parts_are_exact(rules: list[tuple[str, str, int, str, str, str]]) -> None:
    """The parts of `any` cover every source once, and each member alone gets its part's verdict."""
    lines = [
        f"{chain} {extra}{sign}-s {net} -p tcp -m tcp --dport {port} -j {'DROP' if chain == target else target}"
        for sign, net, port, target, extra, chain in rules
    ]
    found = load(None, {"iptables-save": save(*lines, chains="a")})
    parts = judge_all(found, Packet(destination="198.51.100.1", port=80))
    spans = [span(text) for part in parts for text in part.sources]
    assert sum(high - low + 1 for low, high in spans) == 2**32
    assert tidy(spans) == ((0, 2**32 - 1),)
    for source in SOURCES:
        number = int(ipaddress.ip_address(source))
        holding = [part for part in parts for low, high in map(span, part.sources) if low <= number <= high]
        (part,) = holding
        alone = judge(found, Packet(source=source, destination="198.51.100.1", port=80))
        assert (alone.verdict, alone.how, alone.readings) == (part.trace.verdict, part.trace.how, part.trace.readings)


def test_both_ip_versions_of_any() -> None:
    """`any` without a destination is every IPv4 and every IPv6 address."""
    parts = judge_all(load(None, {"ip6tables-save": save("INPUT -p tcp -m tcp --dport 80 -j DROP")}), Packet(port=80))
    assert [(("0.0.0.0/0",), "accept"), (("::/0",), "drop")] == [(part.sources, part.trace.verdict) for part in parts]


def test_fix_is_tried_on_every_refusal() -> None:
    """Two chains refuse: both changes are named; for a rejection one is enough."""
    found = load(None, {"iptables-save": save("PREROUTING -j DROP", table="raw") + save(policy="DROP")})
    trace = judge(found, PACKET)
    assert fix(trace, PACKET, found) == (
        "iptables -t raw -I PREROUTING 1 -p tcp -s 192.0.2.1 --dport 80 -j ACCEPT",
        "iptables -A INPUT -p tcp -s 192.0.2.1 --dport 80 -j ACCEPT",
    )
    opened = load(None, {"iptables-save": save("INPUT -j ACCEPT", policy="DROP")})
    assert fix(judge(opened, PACKET), PACKET, opened, to="reject") == (
        "iptables -I INPUT 1 -p tcp -s 192.0.2.1 --dport 80 -j REJECT --reject-with tcp-reset",
    )


def test_fix_quotes_what_the_host_says() -> None:
    """A chain with a hostile name does not become a second command."""
    name = "a;$(reboot)"
    found = load(
        None, {"iptables-save": save(f"INPUT -j {name}", f"{name} -p tcp -m tcp --dport 80 -j DROP", chains=name)}
    )
    asked = Packet(destination="198.51.100.1", port=80)
    assert fix(judge(found, asked), asked, found) == ("iptables -D 'a;$(reboot)' -p tcp -m tcp --dport 80 -j DROP",)


@pytest.mark.parametrize("case", json.loads(RENDERED.read_text()), ids=lambda case: case["says"][:60])
def test_rule_as_nft_writes_it(case: dict[str, Any]) -> None:
    """A rule from JSON reads as `nft -a list` wrote the same rule."""
    assert case["says"] == render.rule(case["rule"])


def test_five_thousand_rules() -> None:
    """A verdict over 5,000 rules takes milliseconds; the bound leaves room for a loaded machine."""
    rules = [f"INPUT -s 10.{at >> 8}.{at & 255}.7/32 -p tcp -m tcp --dport {at % 50} -j ACCEPT" for at in range(5000)]
    found = load(None, {"iptables-save": save(*rules, policy="DROP")})
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        assert judge(found, PACKET).verdict == "drop"
        best = min(best, time.process_time() - start)
    assert best < 0.02


OUT = Packet(source="192.0.2.1", destination="198.51.100.1", port=80, interface="eth0", uid=33, gid=33)
BACK = Packet(source="198.51.100.1", source_port=80, destination="192.0.2.1", interface="eth0", reply=True)
APP = "/system.slice/app.service"


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("OUTPUT -m owner --uid-owner 33 -j DROP", "drop"),
        ("OUTPUT -m owner --uid-owner 0 -j DROP", "accept"),
        ("OUTPUT -m owner ! --gid-owner 33 -j DROP", "accept"),
        ('OUTPUT -m cgroup --path "system.slice" -j DROP', "drop"),
        ('OUTPUT -m cgroup --path "system.slice/app.service" -j DROP', "cannot-tell"),
        ('OUTPUT -m cgroup --path "system.slice/other.service" -j DROP', "accept"),
        ('OUTPUT -m cgroup ! --path "system.slice/app.service" -j DROP', "cannot-tell"),
    ],
)
def test_who_sends(rule: str, verdict: str) -> None:
    """Rules for users and control groups are judged for who sends; one that was made anew iptables may not know."""
    found = judge(load(None, {"iptables-save": save(rule)}), replace(OUT, cgroup=APP), hook="output")
    assert found.verdict == verdict


def test_a_control_group_that_stayed() -> None:
    """One that was never made anew is the one that the rule is for."""
    text = save('OUTPUT -m cgroup --path "system.slice/app.service" -j DROP')
    packet = replace(OUT, cgroup=APP, same_cgroup=True)
    assert judge(load(None, {"iptables-save": text}), packet, hook="output").verdict == "drop"


@pytest.mark.parametrize(("path", "verdict"), [("system.slice/app.service", "drop"), (9753, "accept"),
                                               ("unified/system.slice", "drop"), ("user.slice", "accept")])  # fmt: skip
def test_control_groups_of_nft(path: str | int, verdict: str) -> None:
    """Nft names the control groups that are there; a number is one that is no more."""
    match = {"match": {"op": "==", "left": {"socket": {"key": "cgroupv2"}}, "right": path}}
    rules = load(listing(*nft([match, {"drop": None}], hook="output")), {})
    assert judge(rules, replace(OUT, cgroup=APP), hook="output").verdict == verdict


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ((), "drop"),
        (("INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",), "accept"),
        (("INPUT -m conntrack --ctstate NEW -j ACCEPT",), "drop"),
        (("INPUT -p tcp -m tcp --sport 80 -j ACCEPT",), "accept"),
        (("INPUT -p tcp -m tcp --syn -j ACCEPT",), "drop"),
        (("INPUT -p tcp -m tcp --dport 1024:65535 -j ACCEPT",), "accept"),
        (("INPUT -p tcp -m tcp --dport 32768:60999 -j ACCEPT",), "cannot-tell"),
    ],
)
def test_answers(rules: tuple[str, ...], verdict: str) -> None:
    """The packet that answers a connection is of an established one, comes from its port and goes to any."""
    assert judge(load(None, {"iptables-save": save(*rules, policy="DROP")}), BACK).verdict == verdict


def test_what_lets_it_out() -> None:
    """Fixes of what goes out are for the destination; one for answers lets in all that answers."""
    closed = load(None, {"iptables-save": save("OUTPUT -p tcp -j REJECT", policy="DROP")})
    out = judge(closed, OUT, hook="output")
    assert fix(out, OUT, closed, hook="output") == ("iptables -I OUTPUT 1 -p tcp -d 198.51.100.1 --dport 80 -j ACCEPT",)
    back = judge(closed, BACK)
    words = "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    assert fix(back, BACK, closed) == (words,)
    only = load(None, {"iptables-save": save("OUTPUT -p tcp -m tcp --dport 80 -m owner --uid-owner 33 -j DROP")})
    gone = fix(judge(only, OUT, hook="output"), OUT, only, hook="output")
    assert gone == ("iptables -D OUTPUT -p tcp -m tcp --dport 80 -m owner --uid-owner 33 -j DROP",)


def drawn(mod: int, *elements: list[Any], offset: int = 0, mode: str = "random") -> Trace:
    """Judge a rule that draws a verdict from a map."""
    key = {"numgen": {"mode": mode, "mod": mod, "offset": offset}}
    return judge(load(listing(*nft([{"vmap": {"key": key, "data": {"set": list(elements)}}}])), {}), PACKET)


ACCEPT, DROP = {"accept": None}, {"drop": None}


@pytest.mark.parametrize("mode", ["random", "inc"])
def test_a_draw_in_which_all_win(mode: str) -> None:
    """Where every number leads to the same end, the draw does not matter."""
    assert drawn(3, [0, DROP], [{"range": [1, 2]}, DROP], mode=mode).verdict == "drop"
    assert drawn(2, [5, DROP], [6, DROP], offset=5, mode=mode).verdict == "drop"


def test_a_draw_in_which_some_lose() -> None:
    """Where numbers lead to different ends nobody can tell, and both are named."""
    trace = drawn(2, [0, ACCEPT], [1, DROP])
    assert (trace.verdict, trace.readings) == ("cannot-tell", ("accept", "drop"))
    assert "numgen random mod 2" in trace.why
    assert "drawn at random" in trace.why


def test_a_draw_with_blanks() -> None:
    """A number without an element passes the rule: the map alone decides nothing."""
    assert drawn(3, [0, DROP], [1, DROP]).verdict == "cannot-tell"
    assert drawn(3, [0, DROP], [1, DROP], [1, DROP]).verdict == "cannot-tell"


def test_a_balancer_of_iptables_names_every_destination() -> None:
    """Both halves of `-m statistic` are told, and a rule after them is not reached."""
    text = save(
        "PREROUTING -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 198.51.100.1:81",
        "PREROUTING -p tcp -j DNAT --to-destination 198.51.100.1:82",
        "PREROUTING -p tcp -j DNAT --to-destination 198.51.100.1:83",
        table="nat",
    )
    trace = ask(text, replace(PACKET, interface="eth0", addresses=frozenset({"198.51.100.1"})))
    assert (trace.verdict, trace.redirected) == ("accept", "198.51.100.1:81 or 198.51.100.1:82")
