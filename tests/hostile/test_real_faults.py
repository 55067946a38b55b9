"""Faults of OpenSSH's own sshd: frozen, slow, full, and a jump host that dies under the hosts behind it."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import shells, whole
from hostile.servers import Server
from hostile.support import LIMITS, Known, Sshd, connection, start_sshd
from hostile.whole import Declared

from whyrefused.ssh import NotReached, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

DROPPED = re.compile("drop connection")
PATIENCE = 60.0
"""Seconds until what a test waits for is not to come any more."""


def descendants(pid: int) -> list[int]:
    """Which processes did this one start, and those?"""
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def wait(until: Callable[[], object]) -> None:
    """Wait for this to be true."""
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def behind(running: Sshd) -> list[int]:
    """Which processes serve its clients?"""
    return descendants(int((running.folder / "pid").read_text()))


@pytest.fixture
def own(tmp_path: Path, user_key: Path) -> Iterator[Sshd]:
    """Start an sshd that this test may do anything to."""
    with start_sshd(_folder(tmp_path, "own"), user_key) as running:
        yield running


def _folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def test_frozen(own: Sshd, known: Known, user_key: Path) -> None:
    """An sshd that stands still in the middle of a command is found out by its silence, long before the deadline."""
    known.known_hosts.write_text(own.line)
    frozen: list[int] = []

    def freeze() -> None:
        wait(lambda: "Starting session" in own.log and len(behind(own)) > 1)
        frozen.extend(behind(own))
        for pid in frozen:
            with suppress(ProcessLookupError):  # a login starts programs that end at once
                os.kill(pid, signal.SIGSTOP)

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        with pytest.raises(NotReached) as caught:
            visit(connection(own.port, user_key), b"sleep 50\n", replace(LIMITS, silence=1.0), known.settings)
    finally:
        thread.join()
        for pid in frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert caught.value.reason == "no-answer"


def test_slow_is_not_frozen(own: Sshd, known: Known, user_key: Path) -> None:
    """A command that prints nothing for longer than that is waited for, since sshd answers keepalives."""
    known.known_hosts.write_text(own.line)
    output = visit(connection(own.port, user_key), b"sleep 5; echo x\n", replace(LIMITS, silence=1.0), known.settings)
    assert (b"x\n", 0) == (output.stdout, output.status)


def test_daemon_left_behind(own: Sshd, known: Known, user_key: Path) -> None:
    """A daemon that a login starts keeps the session open: it is closed from here, and what was said counts."""
    known.known_hosts.write_text(own.line)
    with pytest.raises(NotReached) as caught:
        visit(connection(own.port, user_key), b"sleep 50 & echo x\n", replace(LIMITS, linger=0.5), known.settings)
    assert ("left-open", b"x\n", 0) == (caught.value.reason, caught.value.output, caught.value.status)


def test_too_many_startups(tmp_path: Path, known: Known, user_key: Path) -> None:
    """A host whose places are all taken for five seconds is reached after that, with at most three tries."""
    with start_sshd(_folder(tmp_path, "full"), user_key, "LoginGraceTime 60") as full:
        text = (full.folder / "config").read_text().replace("MaxStartups 500:100:1000", "MaxStartups 2:100:2")
        (full.folder / "config").write_text(text)
        os.kill(int((full.folder / "pid").read_text()), signal.SIGHUP)
        wait(lambda: full.log.count("Server listening") > 1)
        known.known_hosts.write_text(full.line)
        with ExitStack() as stack:
            for _ in range(2):
                taken = stack.enter_context(socket.create_connection(("127.0.0.1", full.port)))
                assert taken.recv(100).startswith(b"SSH-")
            held = stack.pop_all()

            def let_go() -> None:
                wait(lambda: DROPPED.search(full.log))
                time.sleep(5)  # the five seconds of the promise
                held.close()

            letting_go = threading.Thread(target=let_go)
            letting_go.start()
            ran = whole.run(tmp_path / "run", [Declared(name="full", port=full.port)], user_key, known.config)
            letting_go.join()
        log = full.log
    assert ["passed", "passed"] == ran.outcomes("full"), ran.reasons("full")
    assert 1 == log.count("Accepted publickey")
    assert 1 <= len(DROPPED.findall(log)) <= 2
    assert log.count("Connection from") <= 2 + 3
    (visited,) = re.findall(r"visited \d+ hosts? in ([\d.]+) s", ran.said)
    assert float(visited) <= 20


def test_bastion_dies(own: Sshd, known: Known, user_key: Path, tmp_path: Path) -> None:
    """When a jump host dies, all behind it say so, it is not tried again, and others are untouched."""
    known.add(f"IdentityFile {user_key}\nHost hop\n HostName 127.0.0.1\n Port {own.port}\n")
    inner = {"ansible_ssh_common_args": "-J hop"}
    with ExitStack() as stack:
        hung = [stack.enter_context(Server("never-ends")) for _ in range(3)]
        well = stack.enter_context(Server("healthy", act=shells.ACTS["healthy"]))
        keys = {*(f"[127.0.0.1]:{one.port} {one.host_key.get_name()} {one.host_key.get_base64()}" for one in hung),
                f"[127.0.0.1]:{well.port} {well.host_key.get_name()} {well.host_key.get_base64()}"}  # fmt: skip
        known.known_hosts.write_text(own.line + "".join(f"{key}\n" for key in keys))

        def kill() -> None:
            wait(lambda: all(one.count("exec") for one in hung))
            for pid in behind(own):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        hosts = [Declared.of(f"inner-{number}", server, **inner) for number, server in enumerate(hung)]
        ran = whole.run(tmp_path / "run", [*hosts, Declared.of("well", well)], user_key, known.config)
        thread.join()
    assert ["passed", "passed"] == ran.outcomes("well")
    for host in hosts:
        assert ["error", "error"] == ran.outcomes(host.name)
        assert {"bastion"} == {told.partition(": ")[0] for told in ran.reasons(host.name)}, ran.reasons(host.name)
    assert 1 == own.log.count("Connection from")
    assert [1, 1, 1] == [one.count("exec") for one in hung]
    assert ran.seconds < PATIENCE
