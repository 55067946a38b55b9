"""Over a real sshd, each answer holds the trace of the look, and without it nothing is told to be absent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hostile.support import Known, Sshd, connection
from scenarios.replay import inventory, questions_of

from whyrefused import judge
from whyrefused.collect.visit import Options, visit
from whyrefused.evidence import Evidence
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.probes import registry
from whyrefused.records import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from whyrefused.records import Reply

HOSTS = inventory(
    "all: {hosts: {here: {ansible_host: 127.0.0.1, expect: {ports: {64999/tcp: absent, 64999/udp: absent}}}}}"
)


def ports(reply: Reply, text: str) -> list[tuple[str, str]]:
    """How does each port end where the kernel's own table says this, and why?"""
    told = replace(reply, frames={**reply.frames, "proc_net": Frame(text=text, status=0)})
    ends = [judge.judge(one, Evidence([told]), pytest.skip.Exception) for one in questions_of(HOSTS)]
    return [(end.outcome, end.why) for end in ends if end.question.item.check == "ports"]


def test_our_own_connection(known: Known, sshd: Sshd, user_key: Path) -> None:
    """The kernel's table holds the connection by which we look; with another's ports in its place nothing is absent."""
    known.known_hosts.write_text(sshd.line)
    host = replace(HOSTS.hosts["here"], connection=connection(sshd.port, user_key))
    # Where the host's addresses are not known, its sums are not believed.
    asked = {name: words for name, words in questions(HOSTS, declared(HOSTS), 4)["here"].items() if name != "addresses"}
    reply, _ = visit(host, asked, Options(host_timeout=60, ssh=known.settings))
    table = reply.frames["proc_net"]
    assert isinstance(table, Frame)
    (own,) = [line for line in table.text.splitlines() if line.startswith("own ")]
    assert own.startswith(f"own {sshd.port} ")
    assert ["passed", "passed"] == [outcome for outcome, _ in ports(reply, table.text)]
    lost = ports(reply, table.text.replace(own, f"own {sshd.port} 1"))
    assert [("error", True)] * 2 == [(outcome, "our own connection" in why) for outcome, why in lost]


def test_our_own_address(known: Known, sshd: Sshd, user_key: Path) -> None:
    """Nor is anything absent by sums that are not those of what ss shows."""
    known.known_hosts.write_text(sshd.line)
    host = replace(HOSTS.hosts["here"], connection=connection(sshd.port, user_key))
    asked = questions(HOSTS, declared(HOSTS), 4)["here"]
    reply, _ = visit(host, asked, Options(host_timeout=60, ssh=known.settings))
    shown = registry()["listeners"].parse(reply.frames["listeners"])
    held = {kind: sum(one.protocol == kind for one in shown) for kind in ("tcp", "udp")}
    told = "counted tcp {tcp}\ncounted udp {udp}\n"
    assert ["passed", "passed"] == [outcome for outcome, _ in ports(reply, told.format(**held))]
    wrong = ports(reply, told.format(tcp=held["tcp"] + 1, udp=held["udp"] + 1))
    assert [("error", True)] * 2 == [(outcome, "contradiction" in why) for outcome, why in wrong]
