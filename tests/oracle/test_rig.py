"""Does the rig tell what the kernel does? Every kind of answer is produced on purpose, from every side."""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from . import PORTS, Probe, Rig, RigError, network
from .needs import root_and_tools
from .responders import called
from .rig import PREFIX, left

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = root_and_tools

SPORTS = count(20000)
SILENCE = 0.1
PATIENCE = 5.0  # a machine under load may answer late
SOURCES = {
    4: {"client": "10.77.9.4", "host": "10.77.0.10", "server": "10.88.0.21"},
    6: {"client": "2001:db8:77:1::3", "host": "2001:db8:77::10", "server": "2001:db8:88::21"},
}
CLIENT, CLIENT6, HOST, HOST6, SERVER, SERVER6 = (
    SOURCES[4]["client"], SOURCES[6]["client"], SOURCES[4]["host"], SOURCES[6]["host"], "10.88.0.20", "2001:db8:88::20",
)  # fmt: skip


def table(hook: str, rules: str, kind: str = "filter", priority: int = 0) -> str:
    """Write a table of one chain, called like its hook."""
    return f"table inet {hook} {{ chain c {{ type {kind} hook {hook} priority {priority}; {rules} }}\n}}\n"


def load(rig: Rig, *tables: str) -> None:
    """Give the host these tables."""
    assert not rig.load(("nft", "-f", "-"), "".join(tables))


@pytest.fixture(scope="module")
def wired() -> Iterator[Rig]:
    """Give the rig, wired once."""
    with Rig("test") as made:
        yield made


@pytest.fixture
def rig(wired: Rig) -> Rig:
    """Give the rig without rules."""
    wired.reset()
    return wired


def probe(
    source: str, destination: str, port: int = 80, protocol: Literal["tcp", "udp"] = "tcp", uid: int = 0
) -> Probe:
    """Make a probe from a port that none had before."""
    return Probe(protocol, source, destination, next(SPORTS), port, uid)


def asked(rig: Rig, *probes: Probe) -> list[str]:
    """Ask for what is surely answered."""
    return rig.ask(list(probes), PATIENCE)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("place", ["client", "host", "server"])
def test_every_listener_tells_which_it_is(rig: Rig, place: str, version: int, protocol: Literal["tcp", "udp"]) -> None:
    """Each address and port answers with its own name."""
    there = [*network.ADDRESSES["host"], *network.ADDRESSES["server"]]
    local = [one for one in there if (":" in one) == (version == 6)]
    if place != "host":
        local = [one for one in local if one not in network.LOOPBACK]
    ends = [(address, port) for address in local for port in PORTS]
    said = asked(rig, *(probe(SOURCES[version][place], *end, protocol) for end in ends))
    assert said == [called(*end) for end in ends]


def test_loopback_is_the_hosts(rig: Rig) -> None:
    """From 127.0.0.1 and ::1 the host asks itself."""
    assert asked(rig, probe("127.0.0.1", "127.0.0.1", 81), probe("::1", "::1", 82, "udp")) == [
        "127.0.0.1:81",
        "[::1]:82",
    ]


def test_a_closed_port(rig: Rig) -> None:
    """Nobody listens: a reset, or port-unreachable."""
    probes = [probe(CLIENT, to, 9, protocol) for to in (HOST, SERVER) for protocol in ("tcp", "udp")]
    assert asked(rig, *probes) == ["tcp reset", "icmp port-unreachable"] * 2
    assert asked(rig, probe(CLIENT6, HOST6, 9, "udp")) == ["icmpv6 port-unreachable"]


V4 = (
    "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "net-prohibited", "host-prohibited",
    "admin-prohibited",
)  # fmt: skip
V6 = ("no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route")
REJECTS = {
    4: {1000 + at: (f"reject with icmp {code}", f"icmp {code}") for at, code in enumerate(V4)},
    6: {2000 + at: (f"reject with icmpv6 {code}", f"icmpv6 {code}") for at, code in enumerate(V6)},
}


@pytest.mark.parametrize(
    ("hook", "source", "destination"),
    [
        ("input", CLIENT, HOST),
        ("input", CLIENT6, HOST6),
        ("input", HOST, HOST),
        ("input", HOST6, HOST6),
        ("forward", CLIENT, SERVER),
        ("forward", CLIENT6, SERVER6),
        ("output", HOST, SERVER),
        ("output", HOST6, SERVER6),
    ],
    ids=str,
)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_every_reject_code(rig: Rig, hook: str, source: str, destination: str, protocol: Literal["tcp", "udp"]) -> None:
    """Each way to reject comes back under its name, whoever asks."""
    codes = REJECTS[6 if ":" in source else 4]
    rules = [f"{protocol} dport {port} {rule};" for port, (rule, _) in codes.items()]
    rules.append("tcp dport 3000 reject with tcp reset;")
    load(rig, table(hook, " ".join(rules)))
    said = asked(rig, *(probe(source, destination, port, protocol) for port in codes))
    assert said == [name for _, name in codes.values()]
    assert asked(rig, probe(source, destination, 3000)) == ["tcp reset"]


@pytest.mark.parametrize(
    ("hook", "source", "destination"),
    [("input", CLIENT, HOST), ("forward", CLIENT6, SERVER6), ("output", HOST, SERVER), ("output", HOST6, HOST6)],
    ids=str,
)
def test_a_drop_is_silence(rig: Rig, hook: str, source: str, destination: str) -> None:
    """A packet that is dropped has no answer; its neighbour has."""
    load(rig, table(hook, "meta l4proto { tcp, udp } th dport 80 drop;"))
    probes = [probe(source, destination, port, protocol) for port in (80, 81) for protocol in ("tcp", "udp")]
    assert rig.ask(probes, SILENCE)[:2] == ["drop", "drop"]
    assert asked(rig, *(probe(source, destination, 81, one) for one in ("tcp", "udp"))) == [called(destination, 81)] * 2


def test_an_answer_that_is_dropped_is_silence(rig: Rig) -> None:
    """What is let in, but not answered, is silence too."""
    load(rig, table("output", "th sport 80 drop;"))
    assert rig.ask([probe(CLIENT, HOST), probe(CLIENT6, HOST6, 80, "udp")], SILENCE) == ["drop", "drop"]


def test_a_translated_answer(rig: Rig) -> None:
    """Who answers is told under the address that was asked."""
    rules = "".join(
        f"meta nfproto {family} {protocol} dport 80 {target};"
        for family, target in (("ipv4", "dnat ip to 10.88.0.20:8080"), ("ipv6", "redirect to :82"))
        for protocol in ("tcp", "udp")
    )
    load(rig, *(table(hook, rules, "nat", -100) for hook in ("prerouting", "output")))
    for protocol in ("tcp", "udp"):
        said = asked(
            rig,
            probe(CLIENT, HOST, 80, protocol),
            probe(HOST, HOST, 80, protocol),
            probe(CLIENT6, HOST6, 80, protocol),
            probe(HOST6, SERVER6, 80, protocol),
        )
        assert said == ["10.88.0.20:8080", "10.88.0.20:8080", "[2001:db8:77::10]:82", "[::1]:82"]


def test_an_answer_from_a_stranger_is_none(rig: Rig) -> None:
    """A stateless rewrite of the answer's source makes it one that no client takes."""
    load(rig, table("postrouting", "ip saddr 10.77.0.10 th sport 80 ip saddr set 10.77.0.99;", priority=300))
    assert rig.ask([probe(CLIENT, HOST), probe(CLIENT, HOST, 80, "udp")], SILENCE) == ["drop", "drop"]


@pytest.mark.parametrize("to", [HOST, HOST6, SERVER, SERVER6])
def test_a_rule_of_a_user(rig: Rig, to: str) -> None:
    """Who sends is what the rules see."""
    source = HOST6 if ":" in to else HOST
    load(rig, table("output", "meta skuid 1000 meta l4proto { tcp, udp } reject;"))
    for protocol in ("tcp", "udp"):
        probes = [probe(source, to, 80, protocol, uid) for uid in (0, 1000, 1001)]
        refused = f"icmp{'v6' if ':' in to else ''} port-unreachable"
        assert asked(rig, *probes) == [called(to, 80), refused, called(to, 80)]


def test_iptables_and_sets(rig: Rig) -> None:
    """Rules of both backends and sets are loaded, printed, and gone after a reset."""
    sets = "create s hash:ip\nadd s 10.77.9.4\n"
    rules = "*filter\n:INPUT ACCEPT\n:c -\n-A INPUT -j c\n-A c -p tcp -m set --match-set s src -j REJECT\nCOMMIT\n"
    for backend in ("nft", "legacy"):
        assert not rig.load(("ipset", "restore"), sets)
        assert not rig.load((f"iptables-{backend}-restore",), rules)
        assert asked(rig, probe(CLIENT, HOST)) == ["icmp port-unreachable"]
        listed, saves = rig.texts()
        printed = saves["iptables-legacy-save"] if backend == "legacy" else saves["iptables-save"]
        assert "--match-set s src" in printed
        assert ("INPUT" in listed) == (backend == "nft")
        assert "add s 10.77.9.4" in saves["ipset save"]
        rig.reset()
        assert asked(rig, probe(CLIENT, HOST)) == [called(HOST, 80)]
        assert "-A" not in rig.run("iptables-legacy-save") + rig.run("iptables-nft-save") + rig.run("ipset", "save")


def test_what_is_not_taken(rig: Rig) -> None:
    """A refused text is told, and leaves nothing."""
    assert "syntax error" in rig.load(("nft", "-f", "-"), "table inet t { nonsense }")
    with pytest.raises(RigError, match="syntax error"):
        rig.run("nft", "-f", "-", text="table inet t { nonsense }")
    assert '"table"' not in rig.texts()[0]


def test_a_reset_forgets_connections(rig: Rig) -> None:
    """The same ports, and rules that let old connections through: it is a new one."""
    again = probe(CLIENT, HOST, 80, "udp")
    load(rig, table("input", "ct state new accept;"))
    assert asked(rig, again) == [called(HOST, 80)]
    rig.reset()
    load(rig, table("input", "ct state established accept; meta l4proto udp reject;"))
    assert asked(rig, again) == ["icmp port-unreachable"]


def test_nothing_is_left() -> None:
    """After an error too there is no namespace, no process and no open file."""
    before, handles = left(), set(Path("/proc/self/fd").iterdir())
    made = Rig("gone")
    with pytest.raises(ZeroDivisionError):
        broken(made)
    assert len(made.processes) == 2
    assert all(process.poll() is not None for process in made.processes)
    assert left() == before
    assert set(Path("/proc/self/fd").iterdir()) == handles


def broken(made: Rig) -> None:
    """Use a rig, and end in an error."""
    with made:
        assert sum("gone" in name for name in left()) == 3
        assert asked(made, probe(CLIENT, SERVER)) == [called(SERVER, 80)]
        raise ZeroDivisionError


def test_what_a_killed_run_left_goes() -> None:
    """The next rig removes the namespaces of a process that is no more."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    name = f"{PREFIX}-killed-{dead.pid}-client"
    subprocess.run(["ip", "netns", "add", name], check=True)
    with Rig("next"):
        assert not Path("/run/netns", name).exists()
