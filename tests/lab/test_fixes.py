"""Does the fix of a finding mend it, and nothing else? The commands are run as they stand, over SSH, on real hosts."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from whyrefused.firewall import Packet, changes, cuts, judge_all, load

from . import Lab, inventory, scenario
from .audit import audit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

pytestmark = pytest.mark.lab

ENTRIES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("fixes.yml").read_text())
OWN = frozenset({"scenario", "starts", "open", "watch", "says"})
COMMANDS = ("nft ", "iptables", "ip6tables", "ipset ", "ufw ", "firewall-cmd ", "fail2ban-client ")
TOGETHER = 3
SSH, OTHER = 22, 81
"""Ports that must be afterwards what they were before: sshd's, and one that a program takes on every host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What became of one entry."""

    fix: tuple[str, ...]
    met: tuple[str, str]  # the connection that fails, before the commands and after them
    expected: str  # how it fails
    watched: tuple[tuple[str, str, str], ...]  # others: who dials what, before, and after
    ssh: str  # of the controller to the host that was mended, afterwards
    found: frozenset[tuple[str, str, str]]
    wanted: frozenset[tuple[str, str, str]]
    findings: int  # of the next audit


def name(entry: Mapping[str, Any]) -> str:
    """What is it called?"""
    return str(entry.get("scenario") or entry["name"])


def scenario_of(entry: Mapping[str, Any]) -> scenario.Scenario:
    """Which scenario is meant?"""
    if "scenario" in entry:
        return next(one for one in scenario.scenarios() if one.name == entry["scenario"])
    return scenario.read("fixes", {key: value for key, value in entry.items() if key not in OWN})


def mend(number: int, entry: Mapping[str, Any]) -> Mended:
    """What comes of the fault, the audit, the commands, and the next audit?"""
    told = scenario_of(entry)
    with Lab(f"fix{os.getpid()}-{number}", number=0) as lab:
        scenario.stage(lab, told)
        for host in lab.hosts.values():
            host.run(f"systemd-run -q -u other socat TCP-LISTEN:{OTHER},fork,reuseaddr EXEC:/bin/cat")
        asked = told.meets[0]
        to = inventory.filled(str(asked["to"]), lab.hosts.values())
        watch = [(asked["from"], to, SSH), (asked["from"], to, OTHER), *map(tuple, entry.get("watch", ()))]
        dials = [(asked["from"], to, asked["port"]), *watch]
        before = [lab[source].connect(*where) for source, *where in dials]
        file = lab.inventory(told.declare)
        run = audit(lab, "--connect-timeout=1.5", *told.options, inventory=file)
        assert run.findings, run
        finding = run.findings[0]
        for line in finding["fix"]:
            if line.startswith(COMMANDS):
                lab.ssh(finding["host"], line)
        after = [lab[source].connect(*where) for source, *where in dials]
        again = audit(lab, "--connect-timeout=1.5", *told.options, inventory=file)
        return Mended(
            fix=tuple(finding["fix"]), met=(before[0], after[0]), expected=asked["symptom"],
            watched=tuple(zip([f"{one}" for one in watch], before[1:], after[1:], strict=True)),
            ssh=lab.connect(lab[finding["host"]].address, SSH), found=frozenset(run.named), wanted=told.finds,
            findings=len(again.findings),
        )  # fmt: skip


@pytest.fixture(scope="module")
def mending(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Mended]]]:
    """Begin all selected entries, a few at a time: mostly they wait."""
    own = [item.callspec.params for item in request.session.items
           if hasattr(item, "callspec") and item.path == request.path]  # fmt: skip
    wanted = {params["called"] for params in own if "called" in params}
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {name(one): pool.submit(mend, at, one) for at, one in enumerate(ENTRIES) if name(one) in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("called", [name(one) for one in ENTRIES])
def test_fix(called: str, mending: dict[str, Future[Mended]]) -> None:
    """The connection that failed works, SSH still does, and no other port is open or shut that was not."""
    entry = next(one for one in ENTRIES if name(one) == called)
    ended = mending[called].result()
    assert ended.wanted == ended.found, ended
    assert ended.fix[0].startswith(entry["starts"]), ended
    assert entry.get("says", ended.fix[0]) in ended.fix
    assert not [line for line in ended.fix if line.startswith("#")]
    assert (ended.expected, "connected") == ended.met, ended
    assert "connected" == ended.ssh, ended
    assert not [one for one in ended.watched if one[1] != one[2]], ended
    if not entry.get("open"):
        assert "connected" != ended.watched[1][1], ended
    assert not ended.findings


HOOK = "type filter hook input priority 0"
CHAIN = f"nft add table inet t; nft 'add chain inet t i {{ {HOOK}; policy %s; }}'; nft add rule inet t i"
SUBNET = "ip saddr 198.18.0.0/16 tcp dport 22 accept"
LETS_IN = (
    "iptables -A INPUT -i lo -j ACCEPT",
    f"{CHAIN % 'accept'} iif lo accept",
    f"{CHAIN % 'drop'} {SUBNET}; nft add rule inet t i tcp dport 22 accept",
)


@pytest.mark.parametrize("source", ["any", "203.0.113.0/24"])
def test_what_cuts_ssh_is_told(lab: Lab, source: str) -> None:
    """A command that rejects the port of SSH is said to cut it just where the next connection is refused."""
    web = lab.hosts.get("web1") or lab.boot("web1")[0]
    for put in LETS_IN:
        web.run("nft flush ruleset")
        web.run(put)
        rules = load(web.run("nft -j list ruleset"), {"iptables-save": web.run("iptables-save")})
        kept = Packet(source=lab.address, destination=web.address, port=SSH, interface="eth0")
        asked = Packet(source=source, destination=web.address, port=SSH, interface="eth0")
        done = changes(judge_all(rules, asked)[0].trace, asked, rules, to="reject")
        told = cuts(done, rules, (kept, "input"), (asked, "input"), "reject")
        assert done
        assert ("any" == source) is bool(told)
        for change in done:
            web.run(change.command)
            assert ("refused" if change.command in told else "connected") == lab.connect(web.address, SSH)
