"""A live visit over SSH, cut at every protocol message that either side sends: no false pass, ever."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hostile import servers
from hostile.support import Known, connection
from scenarios.replay import read
from scenarios.torture import false, frames_of, outcomes, sent

from whyrefused.collect.visit import Options, visit
from whyrefused.ssh import hang_up

if TYPE_CHECKING:
    from pathlib import Path

    import paramiko

    from whyrefused.records import Frame, Reply

STORY, HOST = "healthy", "web1"
INVENTORY, REPLIES, _ = read(STORY)
FRAMES = frames_of(REPLIES[HOST])
WHOLE = outcomes(INVENTORY, REPLIES)
PIECE = 6000


@dataclass(kw_only=True)
class Plan:
    """What the server does: how its answer ends, and after which message of which side the connection does."""

    status: int | None = 0
    torn: str = ""
    torn_status: int | None = 0
    after: int | None = None
    side: str = "server"
    counted: dict[str, int] = field(default_factory=lambda: {"server": 0, "client": 0})


class Recorded(servers.Server):
    """An SSH server that tells a story: it answers the script that it is given with what a real host said."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__("story")

    def speak(self, connection: socket.socket) -> None:
        """Be an SSH server that counts messages, and cuts the connection behind one of them."""
        transport = servers.paramiko.Transport(connection)
        transport.add_server_key(self.host_key)
        packetizer: Any = transport.packetizer
        for side, name in (("server", "send_message"), ("client", "read_message")):
            setattr(packetizer, name, self._counting(side, getattr(packetizer, name), connection))
        transport.start_server(event=threading.Event(), server=servers.Interface(self, transport, connection))

    def _counting(self, side: str, act: Any, connection: socket.socket) -> Any:  # noqa: ANN401 - paramiko's own
        def counted(*words: Any) -> Any:  # noqa: ANN401 - as above
            done = act(*words)
            self.plan.counted[side] += 1
            if self.plan.side == side and self.plan.counted[side] == self.plan.after:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return done

        return counted


def tell(interface: servers.Interface, channel: paramiko.Channel) -> None:
    """Answer the script, with its own token."""
    plan: Plan = interface.server.plan  # type: ignore[attr-defined] - the server above
    script = b""
    while not re.search(rb"\nDONE %s|DONE %s %s", script) and (data := channel.recv(65536)):
        script += data
    token = re.search(rb"; T=([0-9a-f]{16});", script)
    assert token
    answer = sent(FRAMES, token[1].decode(), torn=plan.torn, status=plan.torn_status)
    for at in range(0, len(answer), PIECE):
        channel.sendall(answer[at : at + PIECE])
    if plan.status is not None:
        channel.send_exit_status(plan.status & 0xFFFFFFFF)
    channel.close()


@pytest.fixture(autouse=True)
def _tells_stories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(servers.ACTS, "story", tell)


def visited(plan: Plan, known: Known, user_key: Path) -> Reply:
    """What does a visit to this server bring back?"""
    with Recorded(plan) as server:
        key = f"{server.host_key.get_name()} {server.host_key.get_base64()}"
        known.known_hosts.write_text(f"[127.0.0.1]:* {key}\n")
        host = replace(INVENTORY.hosts[HOST], connection=connection(server.port, user_key))
        reply, _ = visit(host, dict.fromkeys(FRAMES, ()), Options(host_timeout=30, ssh=known.settings))
        hang_up()
    return reply


def ends(reply: Reply) -> dict[str, str]:
    """How do the story's items end with this reply?"""
    return outcomes(INVENTORY, {**REPLIES, HOST: reply})


def same(frames: object, whole: dict[str, Frame]) -> bool:
    """Did all of it arrive?"""
    return frames == whole


def test_the_whole_visit(known: Known, user_key: Path) -> None:
    """Uncut, the story ends as it did on the real hosts."""
    reply = visited(Plan(), known, user_key)
    assert reply.unreached is None
    assert same(reply.frames, FRAMES)
    assert WHOLE == ends(reply)
    assert "passed" in WHOLE.values()


@pytest.mark.slow
@pytest.mark.parametrize("side", ["server", "client"])
def test_cut_after_every_message(known: Known, user_key: Path, side: str) -> None:
    """Whichever message is the last, what is not whole is not there, and no item passes that lacks it."""
    uncut = Plan()
    visited(uncut, known, user_key)
    torn, reasons = 0, set()
    for after in range(1, uncut.counted[side] + 1):
        reply = visited(Plan(after=after, side=side), known, user_key)
        assert not false(WHOLE, ends(reply)), after
        if reply.unreached is not None:
            torn += 1
            reasons.add(reply.unreached.partition(":")[0])
            assert not reply.frames
            assert not [name for name, end in ends(reply).items() if end == "passed" and f" {HOST} " in f" {name} "]
        else:
            assert same(reply.frames, FRAMES), after
    assert torn >= uncut.counted[side] // 2
    assert "cut-off" in reasons


@pytest.mark.parametrize("status", [None, 127, 126, 255, -1])
@pytest.mark.parametrize("torn", ["", "listeners", "units"])
def test_every_exit_status(known: Known, user_key: Path, status: int | None, torn: str) -> None:
    """No status for the session, no evidence; another one for an answer, no answer; nothing passes that did not."""
    plan = Plan(torn=torn, torn_status=status) if torn else Plan(status=status)
    reply = visited(plan, known, user_key)
    assert not false(WHOLE, ends(reply))
    if not torn:
        assert (reply.unreached is not None and reply.unreached.startswith("cut-off")) is (status is None)
    else:
        lost = [name for name, end in ends(reply).items() if WHOLE[name] == "passed" and end == "error"]
        assert [name for name in lost if name.startswith({"listeners": "ports", "units": "services"}[torn])]
