"""Every fault of a server, by name: the right reason, in time, bounded, with nothing given away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hostile import servers
from hostile.support import LIMITS, Known, connection
from paramiko.common import MSG_DISCONNECT

from whyrefused.collect import visit as collect
from whyrefused.inventory.expect import Expect
from whyrefused.records import Host, Secret
from whyrefused.ssh import Limits, NotReached, Output, session, visit
from whyrefused.ssh.packets import Packets

if TYPE_CHECKING:
    from pathlib import Path

    from paramiko import Channel, Message

SCRIPT = b"true\n"
SHORT = {"login": 3.0, "session": 2.0, "command": 2.0, "silence": 1.0, "linger": 0.5}
"""Seconds of the limit that is to end a visit; a busy machine must get to it by then."""

SLACK = 10.0
"""Seconds that a busy machine may take beyond that; any other limit is further away."""

EXPECTED = {
    # fault: (reason, the limit that ends it or none, a word of the message)
    "silent": ("login-hangs", "login", "no SSH banner"),
    "drip": ("login-hangs", "login", "no SSH banner"),
    "close-at-once": ("server-refuses-connections", "", "Tried 3 times"),
    "reset-at-once": ("server-refuses-connections", "", "Tried 3 times"),
    "max-startups": ("server-refuses-connections", "", "Exceeded MaxStartups"),
    "banner-flood": ("not-ssh", "", "welcome"),
    "banner-one-line-flood": ("not-ssh", "", "floods"),
    "long-version": ("not-ssh", "", "too long"),
    "garbage": ("not-ssh", "", "not an SSH server"),
    "http": ("not-ssh", "", "HTTP/1.1 400"),
    "http-closed": ("not-ssh", "", "HTTP/1.1 400"),
    "smtp": ("not-ssh", "", "220 mail.example.com ESMTP \\x1b[31m"),
    "ssh-1": ("not-ssh", "", "SSH-1.5"),
    "banner-then-silence": ("login-hangs", "login", "no key exchange"),
    "banner-then-close": ("server-refuses-connections", "", "before the login"),
    "banner-then-reset": ("server-refuses-connections", "", "closed the connection before"),
    "endless-ignore": ("login-hangs", "login", "no key exchange"),
    "exchange-begun": ("login-hangs", "login", "no key exchange"),
    "login-banner-flood": ("not-ssh", "", "before the login was done"),
    "huge-packet": ("not-ssh", "", "breaks the SSH protocol"),
    "bad-packet": ("not-ssh", "", "breaks the SSH protocol"),
    "old-algorithms": ("incompatible", "", "openssh"),
    "auth-hang": ("login-hangs", "login", "no answer to the login"),
    "auth-denied": ("login-refused", "", "SHA256:"),
    "auth-cut": ("cut-off", "", "during the login"),
    "auth-disconnect": ("login-refused", "", "go away \\x1b[2J"),
    "auth-partial": ("login-refused", "", "another factor"),
    "keyboard-interactive": ("login-refused", "", "the server takes: keyboard-interactive"),
    "password-only": ("login-refused", "", "the server takes: password"),
    "session-refused": ("no-session", "", "MaxSessions"),
    "session-hang": ("no-session", "session", "no session"),
    "exec-refused": ("no-command", "", "ForceCommand"),
    "exec-hang": ("no-command", "session", "not accepted"),
    "never-ends": ("command-timed-out", "command", "did not end"),
    "output-drip": ("command-timed-out", "command", "did not end"),
    "endless-stdout": ("too-large", "", "printed more than"),
    "endless-stderr": ("too-large", "", "printed more than"),
    "endless-both": ("too-large", "", "printed more than"),
    "endless-past-window": ("too-large", "", ""),
    "no-exit-status": ("cut-off", "", "without an exit status"),
    "exit-signal": ("killed", "", "SIGKILL"),
    "two-statuses": ("cut-off", "", "two exit statuses"),
    "cut-close": ("cut-off", "", "closed by the peer"),
    "cut-reset": ("cut-off", "", ""),
    "disconnect": ("cut-off", "", "maintenance \\x1b]0;x\\x07"),
    "frozen": ("no-answer", "silence", "answers no keepalive"),
    "status-then-open": ("left-open", "linger", "keeps the output open"),
    "bit-flip": ("cut-off", "", "damaged"),
    "rekey-stuck": ("no-answer", "silence", "answers no keepalive"),
    "hasty-signal": ("killed", "", "SIGKILL"),
}
WHOLE = {
    "good": Output(stdout=b"good\n", stderr=b"warning\n", status=0),
    "hasty-good": Output(stdout=b"good\n", stderr=b"warning\n", status=0),
    "crowded": Output(stdout=b"good\n", stderr=b"warning\n", status=0),
    "echo": Output(stdout=SCRIPT, stderr=b"", status=7),
    "output-after-exit": Output(stdout=b"late\n", stderr=b"", status=0),
    "invalid-utf8": Output(stdout=b"\xff\xfe\x00\x1b[31m\xc3\n", stderr=b"", status=0),
}
TIMED = [pytest.param(f, marks=pytest.mark.slow) if EXPECTED[f][1] else f for f in EXPECTED]
ALLOWED = ("connect", "auth publickey", "channel session", "exec sh -s")


def trust(known: Known, server: servers.Server) -> None:
    """Put the server's key into known_hosts."""
    line = f"[127.0.0.1]:{server.port} {server.host_key.get_name()} {server.host_key.get_base64()}\n"
    known.known_hosts.write_text(known.known_hosts.read_text() + line)


def limits(short: str) -> Limits:
    """Give the limits of a visit that this one is to end, or none."""
    return replace(LIMITS, **{short: SHORT[short]}) if short else LIMITS


def failure(known: Known, server: servers.Server, key: Path | None, **more: object) -> NotReached:
    """Visit, and give what came of it."""
    within = limits(EXPECTED[server.fault][1] if server.fault in EXPECTED else "")
    with pytest.raises(NotReached) as caught:
        visit(connection(server.port, key, **more), SCRIPT, within, known.settings)
    return caught.value


def test_every_fault_is_expected() -> None:
    """No behaviour of the servers is left out of the table."""
    assert {*servers.RAW, *servers.SPOKEN, *servers.ACTS} == {*EXPECTED, *WHOLE}


def test_last_words_are_heard_though_writing_failed_first(
    known: Known, user_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the command is still being sent, the server says why it hangs up and does: the reason is what it said."""
    note, feed = Packets._note, session._feed  # noqa: SLF001 - no other way to be late in both threads

    def heard_late(self: Packets, kind: int, message: Message) -> None:
        if kind == MSG_DISCONNECT:
            time.sleep(0.5)
        note(self, kind, message)

    def fed_late(channel: Channel, rest: memoryview) -> memoryview:
        time.sleep(0.2)
        return feed(channel, rest)

    monkeypatch.setattr(Packets, "_note", heard_late)
    monkeypatch.setattr(session, "_feed", fed_late)
    with servers.Server("disconnect") as server:
        trust(known, server)
        problem = failure(known, server, user_key)
    assert ("cut-off", True) == (problem.reason, "the server said 'maintenance" in problem.message), problem.message


@pytest.mark.parametrize("fault", TIMED)
def test_fault(fault: str, known: Known, user_key: Path) -> None:
    """A fault ends in its reason and in its time, and the server was asked for one login and one command at most."""
    reason, limit, words = EXPECTED[fault]
    with servers.Server(fault) as server:
        trust(known, server)
        began = time.monotonic()
        problem = failure(known, server, user_key)
        took = time.monotonic() - began
    assert (reason, True) == (problem.reason, words in problem.message), problem.message
    assert problem.message.isprintable()
    least = SHORT.get(limit, 0) * (3 if limit == "silence" else 1)
    assert least <= took + 0.1 <= least + SLACK
    assert len(problem.output) <= LIMITS.stdout
    assert [] == [event for event in server.events if not event.startswith(ALLOWED)]
    assert server.count("auth") <= 1
    assert server.count("exec") <= 1
    if reason != "server-refuses-connections":
        assert server.count("connect") == 1


@pytest.mark.parametrize("fault", WHOLE)
def test_whole(fault: str, known: Known, user_key: Path) -> None:
    """What is complete is given as it came."""
    with servers.Server(fault) as server:
        trust(known, server)
        assert WHOLE[fault] == visit(connection(server.port, user_key), SCRIPT, LIMITS, known.settings)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "reason"), [("never-ends", "fell-silent"), ("output-drip", "command-timed-out")])
def test_who_owes_a_line(fault: str, reason: str, known: Known, user_key: Path) -> None:
    """A command that is to print a line now and then is not waited for longer, whether it says more or nothing."""
    with servers.Server(fault) as server:
        trust(known, server)
        with pytest.raises(NotReached) as caught:
            visit(connection(server.port, user_key), SCRIPT, replace(LIMITS, quiet=4.0), known.settings)
    assert (reason, True) == (caught.value.reason, "printed no line for 4 s" in caught.value.message)


def test_who_owes_our_answer(known: Known, user_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A menu that waits for a choice is no answer of ours, and is not waited for until the host's time is over."""
    monkeypatch.setattr(collect, "QUIET", 1.0)
    with servers.Server("never-ends") as server:
        trust(known, server)
        host = Host(name="menu", connection=connection(server.port, user_key), groups=(), expect=Expect())
        reply, _ = collect.visit(host, {}, collect.Options(ssh=known.settings))
    assert str(reply.unreached).startswith("not-our-output: ")
    assert "It timed out after 'begun'" in str(reply.unreached)


@pytest.mark.parametrize("fault", ["never-ends", "cut-close", "no-exit-status", "status-then-open"])
def test_what_arrived_is_kept(fault: str, known: Known, user_key: Path) -> None:
    """What a host said before the fault comes with the reason."""
    said = {"never-ends": b"begun\n", "cut-close": b"x" * 100_000, "no-exit-status": b"half\n"}
    with servers.Server(fault) as server:
        trust(known, server)
        assert said.get(fault, b"good\n") == failure(known, server, user_key).output


def test_unknown_key(known: Known, user_key: Path) -> None:
    """An unknown key ends it before any authentication, and says how to add it."""
    with servers.Server("good") as server:
        problem = failure(known, server, user_key)
    assert problem.reason == "host-key-unknown"
    assert server.host_key.fingerprint in problem.message
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {known.known_hosts}" in problem.message
    assert ["connect"] == server.events


@pytest.mark.parametrize("same_type", [True, False])
def test_changed_key(known: Known, user_key: Path, *, same_type: bool) -> None:
    """A changed key, of the same type or another, ends it and names both and the line."""
    other = type(servers.KEY).generate() if same_type else servers.OTHER_KEY
    with servers.Server("good", host_key=other) as server:
        known.known_hosts.write_text(
            f"# note\n[127.0.0.1]:{server.port} {servers.KEY.get_name()} {servers.KEY.get_base64()}\n"
        )
        problem = failure(known, server, user_key)
    assert problem.reason == "host-key-changed"
    for part in (servers.KEY.fingerprint, other.fingerprint, f"{known.known_hosts}:2", "ssh-keygen -R"):
        assert part in problem.message
    assert ["connect"] == server.events


def test_revoked_key(known: Known, user_key: Path) -> None:
    """A revoked key ends it even where checking is off."""
    with servers.Server("good") as server:
        trust(known, server)
        known.known_hosts.write_text(
            f"{known.known_hosts.read_text()}@revoked * {server.host_key.get_name()} {server.host_key.get_base64()}\n"
        )
        problem = failure(known, server, user_key, host_key_checking=False)
    assert problem.reason == "host-key-revoked"
    assert ["connect"] == server.events


def test_certificate_authority_is_not_enough(known: Known, user_key: Path) -> None:
    """Host certificates are not verified, and the refusal says so."""
    with servers.Server("good") as server:
        known.known_hosts.write_text(
            f"@cert-authority [127.0.0.1]:* {servers.OTHER_KEY.get_name()} {servers.OTHER_KEY.get_base64()}\n"
        )
        problem = failure(known, server, user_key)
    assert ("host-key-unknown", True) == (problem.reason, "cannot verify host certificates" in problem.message)


def test_accept_new(known: Known, user_key: Path) -> None:
    """accept-new takes an unknown key with a warning, writes nothing, and refuses the next one."""
    known.add("StrictHostKeyChecking accept-new\n")
    with servers.Server("good") as server:
        output = visit(connection(server.port, user_key), SCRIPT, LIMITS, known.settings)
        assert "accept-new" in output.warnings[0]
        assert known.known_hosts.read_text() == ""
        server.host_key = servers.OTHER_KEY
        assert failure(known, server, user_key).reason == "host-key-changed"


def test_checking_off(known: Known, user_key: Path) -> None:
    """With checking off any key will do, with a warning; but no password goes to a changed one."""
    with servers.Server("password-only", host_key=servers.OTHER_KEY) as server:
        known.known_hosts.write_text(f"[127.0.0.1]:{server.port} {servers.KEY.get_name()} {servers.KEY.get_base64()}\n")
        problem = failure(known, server, None, password=Secret("right"), host_key_checking=False)
        assert (problem.reason, 0) == ("login-refused", server.count("auth password"))
        server.fault = "good"
        output = visit(connection(server.port, user_key, host_key_checking=False), SCRIPT, LIMITS, known.settings)
    assert "differs from the known one" in output.warnings[0]


@pytest.mark.parametrize(("password", "expected"), [("right", "ok"), ("wrong", "login-refused")])
def test_password(known: Known, password: str, expected: str) -> None:
    """A password is tried once, as a password, and is nowhere in the message."""
    with servers.Server("password-only") as server:
        trust(known, server)
        reach = connection(server.port, None, password=Secret(password))
        if expected == "ok":
            assert visit(reach, SCRIPT, LIMITS, known.settings).status == 0
        else:
            problem = failure(known, server, None, password=Secret(password))
            assert (expected, False) == (problem.reason, password in problem.message)
    assert server.count("auth") == 1


def test_prompts_are_never_answered(known: Known) -> None:
    """A server that takes only keyboard-interactive gets no password."""
    with servers.Server("keyboard-interactive") as server:
        trust(known, server)
        problem = failure(known, server, None, password=Secret("right"))
    assert problem.reason == "login-refused"
    assert [0, 0] == [server.count("auth interactive"), server.count("answered")]


def test_nothing_listens(known: Known, user_key: Path) -> None:
    """A refused connection is told apart by its errno, at once."""
    with servers.Server("good") as server:
        pass
    problem = failure(known, server, user_key)
    assert ("refused", True) == (problem.reason, "ECONNREFUSED" in problem.message)


def test_name_does_not_resolve(known: Known, user_key: Path) -> None:
    """A name that does not resolve is named as such."""
    with pytest.raises(NotReached) as caught:
        visit(connection(22, user_key, address="nothing.invalid"), SCRIPT, LIMITS, known.settings)
    assert caught.value.reason == "name"


def test_many_at_once(known: Known, user_key: Path) -> None:
    """Thirty-two visits at once, a quarter of them to a silent server, wait side by side and do not mix."""
    with servers.Server("echo") as good, servers.Server("silent") as bad:
        trust(known, good)
        got: dict[int, bytes] = {}

        def go(number: int) -> None:
            server = bad if number % 4 == 0 else good
            try:
                within = limits("login" if server is bad else "")
                reach = connection(server.port, user_key)
                got[number] = visit(reach, b"%d" % number * 1000, within, known.settings).stdout
            except NotReached as problem:
                got[number] = problem.reason.encode()

        began = time.monotonic()
        threads = [threading.Thread(target=go, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
    assert {n: b"login-hangs" if n % 4 == 0 else b"%d" % n * 1000 for n in range(32)} == got
    assert took < 8 * SHORT["login"]


CLIENT = """
import json, sys, threading
from whyrefused.records import Connection
from whyrefused.ssh import Limits, NotReached, Settings, visit
ports, key, config = json.loads(sys.argv[1])
reasons = []
def go(port):
    reach = Connection(kind="ssh", address="127.0.0.1", port=port, user="root", key_file=key)
    try:
        visit(reach, b"", Limits(login=90, command=90, host=200), Settings(ssh_config=config))
    except NotReached as problem:
        reasons.append(problem.reason)
threads = [threading.Thread(target=go, args=(port,)) for port in ports]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
print(json.dumps([sorted(set(reasons)), len(reasons), int(peak)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("times", "mib"), [(1, 100), (20, 256)])
def test_memory(times: int, mib: int, known: Known, user_key: Path) -> None:
    """Floods on one host stay below 100 MiB, on twenty at once below 256 MiB, in the whole process."""
    with servers.Server("endless-stdout") as plain, servers.Server("endless-past-window") as rude:
        for server in (plain, rude):
            trust(known, server)
        given = json.dumps(
            [[plain.port, rude.port][: 1 + times // 20] * (times // 2 or 1), str(user_key), str(known.config)]
        )
        done = subprocess.run([sys.executable, "-c", CLIENT, given], capture_output=True, check=True, timeout=240)
    reasons, count, peak = json.loads(done.stdout)
    assert (["too-large"], times) == (reasons, count), done.stderr[-2000:]
    assert peak <= mib * 1024
