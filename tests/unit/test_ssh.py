"""The parts of the SSH package that need no server."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.records import Connection
from whyrefused.ssh import NotReached, Settings, agent, arguments, check_key_file, config, shown, wrong
from whyrefused.ssh.wire import Watchdog, Wire

if TYPE_CHECKING:
    from pathlib import Path

needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh on this machine (openssh-client)")


def reach(address: str = "h.example.com", **more: object) -> Connection:
    """Make a connection as an inventory gives it."""
    return Connection(kind="ssh", address=address, **more)  # type: ignore[arg-type]


def test_import_is_cheap() -> None:
    """Importing the package loads neither paramiko nor testinfra."""
    code = "import sys, whyrefused.ssh; print({'paramiko', 'testinfra', 'subprocess'} & set(sys.modules))"
    assert "set()\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@given(st.text())
def test_shown_is_inert(text: str) -> None:
    """Whatever a host says is shown as printable characters only, and not longer than allowed by much."""
    assert shown(text).isprintable()
    assert len(shown(text)) <= 200 * 10 + 1


@given(st.binary())
def test_shown_bytes(data: bytes) -> None:
    """Bytes that are no text are shown too."""
    assert shown(data).isprintable()


@pytest.mark.parametrize(
    "address",
    ["-oProxyCommand=id", "a b", "a;id", "$(id)", "a/b", "", "a\nb", "a@b", "x" * 300, "%h", "a%-x", "`id`", "é"],
)
def test_addresses_that_are_none(address: str) -> None:
    """What is no name and no address never reaches ssh."""
    assert "is not the name or address of a host" in (wrong(reach(address)) or "")


@pytest.mark.parametrize(
    "address", ["web1", "web_1.example.com.", "198.51.100.7", "2001:db8::1", "fe80::1%eth0", "::1"]
)
def test_addresses(address: str) -> None:
    """Names and addresses of both families are taken."""
    assert wrong(reach(address)) is None


@pytest.mark.parametrize(("user", "good"), [
    ("root", True), ("EXAMPLE\\jane", True), ("jane@example.com", True), ("svc$", True),
    ("-l", False), ("a b", False), ("a;b", False), ("", False), ("x\\", False),
])  # fmt: skip
def test_users(user: str, *, good: bool) -> None:
    """Users of directories are taken, options and what a shell reads are not."""
    assert good == (wrong(reach(user=user)) is None)


@pytest.mark.parametrize(("given_", "kept"), [
    (("-C", "-o", "ControlMaster=auto", "-oIPQoS=ef"), ("-o", "ControlMaster=auto", "-o", "IPQoS=ef")),
    (("-Cq", "-p22", "-J", "a,b"), ("-p", "22", "-J", "a,b")),
    (("-4", "-oPort 22"), ("-4", "-o", "Port 22")),
    (("-o", "StrictHostKeyChecking=no", "-i", "~/.ssh/k"), ("-o", "StrictHostKeyChecking=no", "-i", "~/.ssh/k")),
])  # fmt: skip
def test_arguments(given_: tuple[str, ...], kept: tuple[str, ...]) -> None:
    """Arguments that we honour go to ssh -G, those without meaning here are dropped."""
    assert kept == arguments.options(given_)


@pytest.mark.parametrize("given_", [
    ("-L", "1:2:3"), ("-W", "a:1"), ("-A",), ("host",), ("-o",), ("-o", "LocalCommand=id"), ("-o", "Ciphers=x"),
    ("-o", "Include=/x"), ("-J", "-oProxyCommand=id"), ("-F", ""), ("--", "x"), ("-E", "log"), ("-o", "=x"),
])  # fmt: skip
def test_arguments_refused(given_: tuple[str, ...]) -> None:
    """An argument that we would not honour is an error with the way out, never silence."""
    if given_ == ("-A",):
        assert arguments.options(given_) == ()  # forwarding the agent is what this client never does
        return
    assert "ansible_connection: openssh" in (wrong(reach(ssh_arguments=given_)) or "")


@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_arguments(given_: list[str]) -> None:
    """Any list of words is either taken or refused by name."""
    with suppress(NotReached):
        kept = arguments.options(tuple(given_))
        # Nothing that stands where an option does is one that we do not know.
        options = iter(kept)
        for option in options:
            assert option in ("-4", "-6", "-F", "-i", "-J", "-l", "-o", "-p")
            assert option in ("-4", "-6") or not next(options).startswith("-")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give an empty configuration."""
    made = tmp_path / "config"
    made.write_text("")
    return made


def resolve(file: Path, text: str, connection: Connection, **more: object) -> config.Target:
    """Resolve with this configuration."""
    if file.read_text() != text:
        file.write_text(text)
    return config.target(connection, Settings(ssh_config=str(file), **more))  # type: ignore[arg-type]


PROGRAMS = [pytest.param("ssh", marks=needs_ssh), None]


@pytest.mark.parametrize("ssh", PROGRAMS)
def test_defaults(file: Path, ssh: str | None) -> None:
    """With and without the ssh program the defaults are the same."""
    got = resolve(file, "", reach(), ssh=ssh)
    home = config.home()
    assert ("h.example.com", 22, getpass.getuser(), "yes", None) == (got.host, got.port, got.user, got.strict, got.via)
    assert got.known_hosts == (
        f"{home}/.ssh/known_hosts", f"{home}/.ssh/known_hosts2",
        "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2",
    )  # fmt: skip
    assert {f"{home}/.ssh/id_rsa", f"{home}/.ssh/id_ecdsa", f"{home}/.ssh/id_ed25519"} <= set(got.identity_files)


@pytest.mark.parametrize("ssh", PROGRAMS)
def test_plain_settings(file: Path, ssh: str | None) -> None:
    """Settings for all hosts are read the same with and without the ssh program."""
    text = (
        "# comment\nPort=2222\n  User jane\nHost *\nPort 1\nIdentityFile ~/k\nIdentityFile /l\nIdentitiesOnly yes\n"
        "UserKnownHostsFile /a /b\nGlobalKnownHostsFile none\nStrictHostKeyChecking accept-new\nAddressFamily inet\n"
    )
    got = resolve(file, text, reach(), ssh=ssh)
    assert (2222, "jane", True, "accept-new", "inet") == (
        got.port,
        got.user,
        got.identities_only,
        got.strict,
        got.family,
    )
    assert ((f"{config.home()}/k", "/l"), ("/a", "/b")) == (got.identity_files, got.known_hosts)


@needs_ssh
def test_one_process_for_plain_files(file: Path, tmp_path: Path) -> None:
    """Ssh is asked once for all hosts that a configuration cannot tell apart, and for each where it can."""
    calls = tmp_path / "calls"
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\necho call >> {calls}\nexec {shutil.which("ssh")} "$@"\n')
    program.chmod(0o755)
    for text, expected in (("User a\n", 1), ("User b\nHost h1*\nPort 3\n", 2), ("IdentityFile /%h\n", 4)):
        calls.write_text("")
        ports = [resolve(file, text, reach(f"h{n}"), ssh=str(program)).port for n in range(4)]
        assert expected == calls.read_text().count("call"), text
        assert [22, 3 if "h1" in text else 22, 22, 22] == ports


@needs_ssh
def test_connection_wins(file: Path) -> None:
    """What the inventory says of user, port and keys outranks arguments and configuration."""
    connection = reach(user="u", port=5, key_file="~/k", ssh_arguments=("-p", "6", "-l", "v"), host_key_checking=False)
    got = resolve(file, "User x\nPort 7\nIdentityFile /own\n", connection, identity_file="/i")
    assert ("u", 5, f"{config.home()}/k", ("/i", "/own"), "no") == (
        got.user, got.port, got.key_file, got.identity_files, got.strict
    )  # fmt: skip


@needs_ssh
def test_arguments_count(file: Path) -> None:
    """Options of the connection reach ssh -G."""
    given_ = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "HostName=n", "-p", "9")
    got = resolve(file, "", reach(ssh_arguments=given_))
    assert ("no", "n", 9, "/dev/null") == (got.strict, got.host, got.port, got.known_hosts[0])


@needs_ssh
def test_match_and_tokens(file: Path, tmp_path: Path) -> None:
    """Match, Include and tokens are ssh's own."""
    (tmp_path / "part.conf").write_text("Match user jane\n Port 99\n")
    text = f"Include {tmp_path}/*.conf\nHost h*\n HostName %h.example.net\n HostKeyAlias %n\n"
    text += " IdentityFile /keys/%r@%h:%p\n"
    got = resolve(file, text, reach("h1", user="jane"))
    assert ("h1.example.net", 99, "h1") == (got.host, got.port, got.alias)
    assert got.identity_files == ("/keys/jane@h1.example.net:99",)


@needs_ssh
def test_jumps(file: Path) -> None:
    """Several hops stand in order, each with its own configuration; connection variables are the host's alone."""
    text = "Host a\n Port 3\nHost b\n HostName bb\n User bob\nHost far\n ProxyJump a,jane@b:7\n"
    got = resolve(file, text, reach("far", user="me", key_file="/k"))
    second = got.via
    assert second is not None
    assert ("bb", 7, "jane", None) == (second.host, second.port, second.user, second.key_file)
    first = second.via
    assert first is not None
    assert ("a", 3, None) == (first.host, first.port, first.via)


@needs_ssh
@pytest.mark.parametrize(("text", "words"), [
    ("ProxyCommand nc %h %p\n", "use ProxyJump"),
    ("RevokedHostKeys /etc/ssh/revoked\n", "revokedhostkeys"),
    ("Bogus yes\n", "failed"),
    ("Host h*\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n", "circle"),
    ("Host h*\n HostName -oProxyCommand=x\n", ""),
])  # fmt: skip
def test_refused_configurations(file: Path, text: str, words: str) -> None:
    """What we cannot honour is an error that names it."""
    with pytest.raises(NotReached) as caught:
        resolve(file, text, reach())
    assert ("local", True) == (caught.value.reason, words in caught.value.message), caught.value


@pytest.mark.parametrize("text", ["Host web*\n Port 3\n", "Match all\n", "Include x\n"])
def test_without_ssh_program(file: Path, text: str) -> None:
    """Without the ssh program a configuration that needs it is refused, not misread."""
    with pytest.raises(NotReached) as caught:
        resolve(file, text, reach(), ssh=None)
    assert "openssh-client" in caught.value.message


def test_key_file(tmp_path: Path) -> None:
    """A key file that is not there, or is a folder, is said to be unreadable."""
    good = tmp_path / "k"
    good.write_text("x")
    assert check_key_file(str(good)) is None
    assert "No such file" in (check_key_file(str(tmp_path / "none")) or "")
    assert "directory" in (check_key_file(str(tmp_path)) or "")


@given(st.binary(max_size=200))
def test_any_agent(answer: bytes) -> None:
    """An agent that answers anything gives keys or fails in one way."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(len(answer).to_bytes(4, "big") + answer)
        got = agent._read(ours, 4 + len(answer))[4:]  # noqa: SLF001 - the framing is what is tested
    assert answer == got
    try:
        agent._string(answer)  # noqa: SLF001 - the same
    except agent.AgentFailed:
        assert len(answer) < 4 + int.from_bytes(answer[:4], "big")


def test_silent_agent(tmp_path: Path) -> None:
    """An agent that never answers costs its time limit."""
    path = str(tmp_path / "agent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        began = time.monotonic()
        with pytest.raises(agent.AgentFailed):
            agent.keys(path, 0.2)
    assert time.monotonic() - began < 1.2


def test_watchdog() -> None:
    """Alarms ring in the order of their moments, and not when called off."""
    rung: list[str] = []
    done = threading.Event()
    watchdog = Watchdog()
    now = time.monotonic()
    watchdog.at(now + 0.15, done.set)
    watchdog.at(now + 0.1, lambda: rung.append("b"))
    watchdog.at(now + 0.05, lambda: rung.append("a"))
    watchdog.at(now + 0.07, lambda: rung.append("never")).cancel()
    assert done.wait(3)
    assert ["a", "b"] == rung


@given(st.binary(max_size=600), st.integers(1, 50))
def test_wire_gives_what_came(data: bytes, size: int) -> None:
    """Whatever a server says, the wire passes on a prefix of it, in pieces as asked, and judges the same in any cut."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        wire = Wire(ours, "h")
        got = b""
        try:
            while part := wire.recv(size):
                assert len(part) <= size
                got += part
        except ConnectionAbortedError:
            assert wire.fault is not None
            assert wire.fault.reason == "not-ssh"
        wire.close()
    assert data.startswith(got)
    assert wire.fault is not None or got == data


class Gone:
    """A channel of paramiko whose peer is gone: closing it fails as writing to the peer does."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed_by = ""

    def close(self) -> None:
        """Fail."""
        self.closed_by = threading.current_thread().name
        raise self.error

    def settimeout(self, _: float) -> None:
        """Do nothing."""

    def recv(self, _: int) -> bytes:
        """Give nothing more."""
        return b""

    def send(self, _: bytes) -> int:
        """Take nothing."""
        return 0


@pytest.mark.parametrize("error", [EOFError(), OSError("Socket is closed"), paramiko.SSHException("no key exchange")])
def test_closing_what_is_gone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel whose peer is gone is closed without a word, in a thread of its own."""
    leaked: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda leak: leaked.append(leak.exc_value))
    channel = Gone(error)
    Wire(channel, "h").close()
    for thread in threading.enumerate():
        if thread.name == "whyrefused-close":
            thread.join(60)
    assert ("whyrefused-close", []) == (channel.closed_by, leaked)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_unreadable_config(file: Path) -> None:
    """A configuration that cannot be read is an error, not an empty one."""
    file.chmod(0)
    with pytest.raises(NotReached):
        config.target(reach(), Settings(ssh_config=str(file)))


@pytest.mark.parametrize(
    ("host", "text", "shared"),
    [
        ("198.51.100.1", "Host web1\n HostName 198.51.100.9\nHost *\n User audit\n", True),
        ("web1", "Host web1\n HostName 198.51.100.9\nHost *\n User audit\n", False),
        ("web1", "Host web?\n Port 2222\n", False),
        ("db1", "Host web? !db1\n Port 2222\n", True),
        ("db1", "Host WEB* db*\n HostName x\n", False),
        ("db1", "Host web1\nMatch user root\n Port 2222\n", False),
        ("db1", "Host web1\n Include other\n", True),
    ],
)
def test_hosts_that_no_block_names_are_asked_for_once(tmp_path: Path, host: str, text: str, shared: bool) -> None:  # noqa: FBT001 - a case
    """`ssh -G` need not run for a host of which the configuration has nothing that it does not have of all."""
    file = tmp_path / "config"
    file.write_text(text)
    assert shared == (config._plain_state((str(file),), host) is not None)  # noqa: SLF001 - what saves a process
