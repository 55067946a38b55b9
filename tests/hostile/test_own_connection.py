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
from whyrefused.records import Frame

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = inventory(
    "all: {hosts: {here: {ansible_host: 127.0.0.1, expect: {ports: {64999/tcp: absent, 64999/udp: absent}}}}}"
)


def test_our_own_connection(known: Known, sshd: Sshd, user_key: Path) -> None:
    """The kernel's table holds the connection by which we look; with another's ports in its place nothing is absent."""
    known.known_hosts.write_text(sshd.line)
    host = replace(HOSTS.hosts["here"], connection=connection(sshd.port, user_key))
    asked = questions(HOSTS, declared(HOSTS), 4)["here"]
    reply, _ = visit(host, asked, Options(host_timeout=60, ssh=known.settings))
    table = reply.frames["proc_net"]
    assert isinstance(table, Frame)
    (own,) = [line for line in table.text.splitlines() if line.startswith("own ")]
    assert own.startswith(f"own {sshd.port} ")
    lost = Frame(text=table.text.replace(own, f"own {sshd.port} 1"), status=0)
    for frame, outcome in ((table, "passed"), (lost, "error")):
        told = replace(reply, frames={**reply.frames, "proc_net": frame})
        ends = [judge.judge(one, Evidence([told]), pytest.skip.Exception) for one in questions_of(HOSTS)]
        ports = [end for end in ends if end.question.item.check == "ports"]
        assert [(outcome, outcome)] == [tuple(end.outcome for end in ports)]
        assert outcome == "passed" or all("our own connection" in end.why for end in ports)
