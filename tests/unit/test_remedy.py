"""Is it said which command would keep SSH out, and where a change outlives a boot?"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from whyrefused.evidence import Evidence, HostEvidence
from whyrefused.facts import remedy
from whyrefused.facts.verdicts import Verdict
from whyrefused.firewall import Change, Packet, cuts, judge, load
from whyrefused.probes.listeners import Listener
from whyrefused.records import Frame, Reply

if TYPE_CHECKING:
    from whyrefused import firewall
    from whyrefused.plan.items import Protocol

VISITOR, OWN = "198.18.0.1", "198.18.0.11"
SSH = f"{VISITOR} 50514 {OWN} 22"


def save(*rules: str, policy: str = "ACCEPT", table: str = "filter") -> str:
    """Write what iptables-save prints of some rules."""
    chains = [f":{name} {policy} [0:0]" for name in ("INPUT", "FORWARD", "OUTPUT")]
    own = sorted({rule.split()[0] for rule in rules} - {"INPUT", "FORWARD", "OUTPUT"})
    chains += [f":{name} - [0:0]" for name in own]
    return "\n".join([f"*{table}", *chains, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def host(rules: str, *, ssh: str = SSH, system: str = "debian", units: str = "") -> HostEvidence:
    """Give a host with these rules, that somebody visits."""
    loads = "".join(f"== at boot {unit}\n" for unit in units.split())
    frames = {
        "identity": f"web1\n0\nboot\n{system}\n{ssh}\n",
        "addresses": "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 198.18.0.11/16 scope global eth0\n",
        "nft": "kernel without nf_tables",
        "iptables": f"== iptables-save\n{rules}== status 0\n{loads}== end\n",
    }
    reply = Reply(host="web1", frames={name: Frame(text=text, status=0) for name, text in frames.items()})
    return Evidence((reply,))["web1"]


def told(host: HostEvidence, packet: Packet, to: firewall.Wish, hook: firewall.Hook = "input") -> tuple[str, ...]:
    """Ask for the fix of a packet's verdict."""
    trace = judge(host.rules, packet, hook)
    verdict = Verdict(sources=(), destination=OWN, port=packet.port, packet=packet, trace=trace, hook=hook)
    return remedy.of(host, verdict, to=to)


OPEN = save("INPUT -i lo -j ACCEPT", "OUTPUT -o lo -j ACCEPT")
UFW = save("INPUT -j ufw-user-input", "ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT")
JUMPS = save("INPUT -p tcp -m tcp --dport 22 -j CHAIN", "CHAIN -s 198.18.0.0/16 -j ACCEPT", policy="DROP")
REJECTS = [
    ("everybody", OPEN, Packet(destination=OWN, port=22), "input", True),
    ("the visitor's network", OPEN, Packet(source="198.18.0.0/15", destination=OWN, port=22), "input", True),
    ("others", OPEN, Packet(source="203.0.113.0/24", destination=OWN, port=22), "input", False),
    ("another port", OPEN, Packet(destination=OWN, port=80), "input", False),
    ("UDP", OPEN, Packet(destination=OWN, port=22, protocol="udp"), "input", False),
    ("before a jump", JUMPS, Packet(source="198.18.0.0/16", destination=OWN, port=22), "input", True),
    ("by ufw", UFW, Packet(destination=OWN, port=22), "input", True),
    ("others by ufw", UFW, Packet(source="203.0.113.7", destination=OWN, port=22), "input", False),
    ("what goes to the port that the visitor came from", OPEN,
     Packet(source=OWN, destination=VISITOR, port=50514), "output", True),
    ("what goes to another", OPEN, Packet(source=OWN, destination=VISITOR, port=443), "output", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "packet", "hook", "cut"), [case[1:] for case in REJECTS], ids=[c[0] for c in REJECTS]
)
def test_rejecting(rules: str, packet: Packet, hook: firewall.Hook, cut: bool) -> None:  # noqa: FBT001 - a case
    """A warning stands before a command that would keep the visitor's SSH out, names it, and before no other."""
    lines = told(host(rules), packet, "reject", hook)
    assert lines
    warnings = [at for at, line in enumerate(lines) if line.startswith("# cuts SSH")]
    assert cut is bool(warnings), lines
    for at in warnings:
        assert lines[at].endswith(lines[at + 1])
        assert f"{VISITOR} to port 22" in lines[at]


@pytest.mark.parametrize("ssh", ["", "unknown", f"{VISITOR} 50514 198.51.100.9 22"])
def test_no_visit_no_warning(ssh: str) -> None:
    """Where the evidence does not say who visits, or names an address that is not the host's, nothing is claimed."""
    lines = told(host(OPEN, ssh=ssh), Packet(destination=OWN, port=22), "reject")
    assert ("iptables -A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset",) == lines


def test_what_keeps_ssh_out_already_is_not_a_warning() -> None:
    """A command after which SSH is as it was has not cut it."""
    shut = save("INPUT -p tcp -m tcp --dport 22 -j DROP", "INPUT -p tcp -m tcp --dport 80 -j DROP")
    assert ("iptables -D INPUT -p tcp -m tcp --dport 80 -j DROP",) == told(
        host(shut), Packet(destination=OWN, port=80), "accept"
    )


def test_each_command_in_its_order() -> None:
    """Of several commands the one is named after which the packet is not let in for certain any more."""
    rules = {
        "open": load(None, {"iptables-save": OPEN}),
        "unsure": load(None, {"iptables-save": save("INPUT -p tcp -m tcp --dport 22 -m u32 --u32 0 -j DROP")}),
        "shut": load(None, {"iptables-save": save(policy="DROP")}),
    }
    kept = Packet(source=VISITOR, destination=OWN, port=22), "input"
    asked = Packet(destination=OWN, port=80), "input"
    steps = [Change("first", rules["open"]), Change("second", rules["unsure"]), Change("third", rules["shut"]),
             Change("fourth", rules["shut"])]  # fmt: skip
    assert ("second", "third") == cuts(steps, rules["open"], kept, asked, "accept")
    assert ("first",) == cuts([Change("first", rules["shut"])], rules["unsure"], kept, asked, "accept")
    assert () == cuts([Change("ufw allow 80", None)], rules["open"], kept, asked, "accept")
    other = Packet(source="2001:db8::/32", port=22), "input"
    assert () == cuts([Change("ufw reject 22", None)], rules["open"], kept, other, "reject")


@pytest.mark.parametrize(
    ("commands", "units", "system", "said"),
    [
        (["iptables -D INPUT -j DROP"], "", "debian", ""),
        (["iptables -D INPUT -j DROP"], "nftables", "debian", ""),
        (["iptables -D INPUT -j DROP"], "nftables netfilter-persistent", "debian", "/etc/iptables/rules.v4"),
        (["ip6tables -D INPUT -j DROP"], "netfilter-persistent", "debian", "/etc/iptables/rules.v6"),
        (["iptables-legacy -D INPUT -j DROP"], "netfilter-persistent", "debian", "/etc/iptables/rules.v4"),
        (["nft delete rule inet t c handle 9"], "nftables nftables", "debian", "/etc/nftables.conf"),
        (["nft delete rule inet t c handle 9"], "nftables", "rocky", "/etc/sysconfig/nftables.conf"),
        (["iptables -D INPUT -j DROP"], "iptables", "fedora", "/etc/sysconfig/iptables"),
        (["ufw allow 80/tcp"], "nftables netfilter-persistent", "debian", ""),
    ],
)
def test_what_outlives_a_boot(commands: list[str], units: str, system: str, said: str) -> None:
    """The file is named that the host loads at boot, only where the host has shown that it does."""
    found = remedy.lasting(host(OPEN, units=units, system=system), commands)
    assert bool(said) is (len(found) == 1)
    assert said in "".join(found)


@pytest.mark.parametrize(
    ("ssh", "port", "protocol", "warned"),
    [(SSH, 22, "tcp", True), (SSH, 22, "udp", False), (SSH, 80, "tcp", False), ("", 22, "tcp", False)],
)
def test_releases(ssh: str, port: int, protocol: Protocol, warned: bool) -> None:  # noqa: FBT001 - of a table
    """Before a command that ends the server by which we came in stands what it does, and before no other."""
    holder = Listener(
        protocol=protocol, address=ip_address(OWN), port=port, device=None, v6only=None, backlog=128, queued=0,
        unit="ssh.service", processes=(), line="",
    )  # fmt: skip
    command = "systemctl stop ssh.service"
    warning = f"# cuts SSH: new connections from {VISITOR} to port 22 of web1 do not come in any more after: {command}"
    assert ((warning,) if warned else ()) + (command,) == remedy.releases(host(OPEN, ssh=ssh), [holder, holder])
