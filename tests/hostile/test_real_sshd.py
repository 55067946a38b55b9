"""The good ways in, through OpenSSH's own sshd on loopback; skipped where there is none."""

from __future__ import annotations

import getpass
import hmac
import os
import re
import shutil
import socket
import subprocess
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import testinfra
from hostile.support import LIMITS, Known, Sshd, connection, keygen, start_sshd

from whyrefused.ssh import NotReached, Settings, register, visit
from whyrefused.ssh.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _trusted(known: Known, sshd: Sshd) -> None:
    known.known_hosts.write_text(sshd.line)


def say(text: str, sshd: Sshd, key: Path | None, settings: Settings, **more: object) -> bytes:
    """Run a script that prints this."""
    port = more.pop("port", sshd.port)
    assert port is None or isinstance(port, int)
    output = visit(connection(port, key, **more), f"echo {text}".encode(), LIMITS, settings)
    assert (0, b"") == (output.status, output.stderr)
    return output.stdout


def test_one_of_each(sshd: Sshd, known: Known, user_key: Path) -> None:
    """A visit is one connection, one accepted login, one session and one command in sshd's own log."""
    before = len(sshd.log)
    assert say("hello", sshd, user_key, known.settings) == b"hello\n"
    log = sshd.log[before:]
    counts = [
        len(re.findall(word, log)) for word in ("Connection from", "Accepted publickey", "Starting session", "Failed")
    ]
    assert [1, 1, 1, 0] == counts


def test_no_terminal_no_agent_no_environment(sshd: Sshd, known: Known, user_key: Path) -> None:
    """The command has no terminal, no agent and nothing of our environment."""
    script = b'[ -t 0 ] || [ -t 1 ] && echo tty; echo "$SSH_AUTH_SOCK$DISPLAY$LC_WHYREFUSED$SSH_TTY"'
    os.environ["LC_WHYREFUSED"] = "leak"
    try:
        output = visit(connection(sshd.port, user_key), script, LIMITS, known.settings)
    finally:
        del os.environ["LC_WHYREFUSED"]
    assert output.stdout == b"\n"


def hashed(line: str) -> str:
    """The line with its name hashed, as HashKnownHosts has it."""
    name, rest = line.split(" ", 1)
    salt = os.urandom(20)
    return f"|1|{b64encode(salt).decode()}|{b64encode(hmac.digest(salt, name.encode(), 'sha1')).decode()} {rest}"


@pytest.mark.parametrize(("known_kind", "connections"), [("ed25519", 1), ("rsa", 2)])
def test_the_known_type_among_many_hashed_lines(
    tmp_path: Path, known: Known, user_key: Path, known_kind: str, connections: int
) -> None:
    """Of a server with keys of two types the known one is asked for: at once, or after the more frequent one."""
    keygen(tmp_path / "second", kind="rsa")
    with start_sshd(tmp_path, user_key, f"HostKey {tmp_path}/second") as sshd:
        public = {"ed25519": "host.pub", "rsa": "second.pub"}[known_kind]
        line = f"[127.0.0.1]:{sshd.port} {(tmp_path / public).read_text()}"
        others = [hashed(f"h{number} {sshd.line.split(' ', 1)[1]}") for number in range(600)]
        rest = hashed(f"other ssh-rsa {(tmp_path / 'second.pub').read_text().split()[1]}\n")
        known.known_hosts.write_text("".join([*others, rest, hashed(line)]))
        for _ in range(2):
            assert say("x", sshd, user_key, known.settings) == b"x\n"
        assert len(re.findall("Connection from", sshd.log)) == connections + 1
        assert len(re.findall("Accepted publickey", sshd.log)) == 2


def test_a_changed_key_among_many_hashed_lines(tmp_path: Path, known: Known, user_key: Path) -> None:
    """One that is known by another type alone, and shows neither, is refused; after one more look, and no more."""
    with start_sshd(tmp_path, user_key) as sshd:
        keygen(tmp_path / "other", kind="rsa")
        line = f"[127.0.0.1]:{sshd.port} {(tmp_path / 'other.pub').read_text()}"
        others = [hashed(f"h{number} {sshd.line.split(' ', 1)[1]}") for number in range(600)]
        known.known_hosts.write_text("".join([*others, hashed(line)]))
        with pytest.raises(NotReached) as caught:
            say("x", sshd, user_key, known.settings)
        assert caught.value.reason == "host-key-changed"
        assert "Tried" not in caught.value.message
        assert len(re.findall("Connection from", sshd.log)) == 2
        assert "Accepted" not in sshd.log


def test_streams_status_and_size(sshd: Sshd, known: Known, user_key: Path) -> None:
    """Both streams come apart and whole, larger than any window, with the exit status."""
    limits = replace(LIMITS, stdout=4 << 20, stderr=4 << 20)
    script = b"head -c 3500000 /dev/zero; head -c 3500000 /dev/zero >&2; exit 41"
    output = visit(connection(sshd.port, user_key), script, limits, known.settings)
    assert (3_500_000, 3_500_000, 41) == (len(output.stdout), len(output.stderr), output.status)


def test_large_script_that_is_not_read(sshd: Sshd, known: Known, user_key: Path) -> None:
    """A script larger than the window arrives whole; a command that stops reading early is no fault."""
    filler = b"# " + b"x" * 1000 + b"\n"
    script = filler * 4000 + b"echo end\n"
    assert visit(connection(sshd.port, user_key), script, LIMITS, known.settings).stdout == b"end\n"
    assert visit(connection(sshd.port, user_key), b"exit 3\n" + script, LIMITS, known.settings).status == 3


def test_killed(sshd: Sshd, known: Known, user_key: Path) -> None:
    """A command that a signal ends is killed, not cut off and not finished."""
    with pytest.raises(NotReached) as caught:
        visit(connection(sshd.port, user_key), b"kill -9 $$", LIMITS, known.settings)
    assert ("killed", True) == (caught.value.reason, "SIGKILL" in caught.value.message)


def test_config_with_include_and_match(sshd: Sshd, known: Known, user_key: Path, tmp_path: Path) -> None:
    """Include, Match, HostName, HostKeyAlias, Port and IdentityFile of the configuration all count."""
    (tmp_path / "more").write_text(f"Match originalhost web1\n HostName 127.0.0.1\n Port {sshd.port}\n")
    known.add(f"Include {tmp_path}/mor*\nHost web*\n HostKeyAlias fleet\n IdentityFile {user_key}\n")
    known.known_hosts.write_text(f"fleet {sshd.line.split(' ', 1)[1]}")
    assert say("x", sshd, None, known.settings, address="web1", port=None) == b"x\n"


def test_connection_outranks_config(sshd: Sshd, known: Known, user_key: Path) -> None:
    """The inventory's port, user and key win over the configuration's."""
    known.add("Port 1\nUser nobody\n")
    assert say("x", sshd, user_key, known.settings) == b"x\n"


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_certificate(kind: str, sshd: Sshd, known: Known, tmp_path: Path) -> None:
    """A certificate beside the key file is offered with it."""
    key = keygen(tmp_path / "fresh", kind=kind)
    with pytest.raises(NotReached):
        say("x", sshd, key, known.settings)
    user = getpass.getuser()
    subprocess.run(["ssh-keygen", "-q", "-s", sshd.folder / "ca", "-I", "t", "-n", user, f"{key}.pub"], check=True)
    assert say("x", sshd, key, known.settings) == b"x\n"


def test_certificate_file(sshd: Sshd, known: Known, tmp_path: Path) -> None:
    """CertificateFile is offered with the key that it was made for."""
    key = keygen(tmp_path / "fresh")
    user = getpass.getuser()
    subprocess.run(["ssh-keygen", "-q", "-s", sshd.folder / "ca", "-I", "t", "-n", user, f"{key}.pub"], check=True)
    elsewhere = (tmp_path / "fresh-cert.pub").rename(tmp_path / "elsewhere.pub")
    known.add(f"CertificateFile {elsewhere}\n")
    assert say("x", sshd, key, known.settings) == b"x\n"


def test_expired_certificate(sshd: Sshd, known: Known, tmp_path: Path) -> None:
    """A login with a certificate that is over is refused, and the reason says that it is."""
    key = keygen(tmp_path / "fresh")
    sign = ("-s", sshd.folder / "ca", "-I", "t", "-n", getpass.getuser(), "-V", "20200101Z:20200102Z", f"{key}.pub")
    subprocess.run(["ssh-keygen", "-q", *sign], check=True)
    with pytest.raises(NotReached) as caught:
        say("x", sshd, key, known.settings)
    assert ("login-refused", True) == (caught.value.reason, "expired on 2020-01-02" in caught.value.message), (
        caught.value.message
    )


def _listens(path: Path) -> bool:
    """The socket is there a moment before somebody listens to it."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


@pytest.fixture
def agent(user_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start an agent of our own that holds the user's key."""
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent on this machine")
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        while not _listens(path):
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", user_key], check=True, capture_output=True)
        yield path
    finally:
        process.terminate()
        process.wait(10)


def test_agent(agent: Path, sshd: Sshd, known: Known) -> None:
    """The agent's key is used, by SSH_AUTH_SOCK."""
    assert agent.exists()
    assert say("x", sshd, None, known.settings) == b"x\n"


def test_agent_with_certificate(agent: Path, sshd: Sshd, known: Known, tmp_path: Path) -> None:
    """A certificate of an RSA key in the agent is used."""
    key = keygen(tmp_path / "fresh", kind="rsa")
    user = getpass.getuser()
    subprocess.run(["ssh-keygen", "-q", "-s", sshd.folder / "ca", "-I", "t", "-n", user, f"{key}.pub"], check=True)
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
    subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True)
    assert agent.exists()
    assert say("x", sshd, None, known.settings) == b"x\n"


def test_identities_only(agent: Path, sshd: Sshd, known: Known, user_key: Path, tmp_path: Path) -> None:
    """With IdentitiesOnly the agent offers only configured keys, found by their public half."""
    known.add("IdentitiesOnly yes\n")
    assert agent.exists()
    with pytest.raises(NotReached) as caught:
        say("x", sshd, None, known.settings)
    assert "nothing to offer" in caught.value.message
    shutil.copy(f"{user_key}.pub", tmp_path / "named.pub")
    known.add(f"IdentityFile {tmp_path}/named\n")
    assert say("x", sshd, None, known.settings) == b"x\n"


def test_encrypted_key_is_named(sshd: Sshd, known: Known, tmp_path: Path) -> None:
    """An encrypted key is left out, and the message says why."""
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key], check=True)
    with pytest.raises(NotReached) as caught:
        say("x", sshd, key, known.settings)
    assert ("login-refused", True) == (caught.value.reason, f"{key} is encrypted" in caught.value.message)


def test_proxy_jump(sshd: Sshd, known: Known, user_key: Path, tmp_path: Path) -> None:
    """Two hops lead to the host, each with its key checked and logged in to once for all behind it."""
    with start_sshd(_folder(tmp_path, "inner"), user_key) as inner:
        known.known_hosts.write_text(sshd.line + inner.line)
        known.add(f"Host hop*\n HostName 127.0.0.1\n Port {sshd.port}\n IdentityFile {user_key}\n")
        given = ("-J", f"hop1,{getpass.getuser()}@hop2")
        before = len(sshd.log)
        for _ in range(3):
            assert say("x", inner, user_key, known.settings, ssh_arguments=given) == b"x\n"
        assert sshd.log[before:].count("Accepted publickey") == 2
        known.known_hosts.write_text(sshd.line)
        with pytest.raises(NotReached) as caught:
            say("x", inner, user_key, known.settings, ssh_arguments=given)
        assert caught.value.reason == "host-key-unknown"


def test_bastion_that_is_not_trusted(sshd: Sshd, known: Known, user_key: Path) -> None:
    """An unknown key of the jump host is the reason of all behind it, tried once."""
    known.known_hosts.write_text("")
    known.add("Host hop\n HostName 127.0.0.1\n")
    before = len(sshd.log)
    for _ in range(3):
        with pytest.raises(NotReached) as caught:
            say("x", sshd, user_key, known.settings, ssh_arguments=("-o", f"ProxyJump=hop:{sshd.port}"))
        assert ("bastion", True) == (caught.value.reason, "host-key-unknown" in caught.value.message), caught.value
    assert sshd.log[before:].count("Connection from") == 1


def test_bastion_cannot_connect(sshd: Sshd, known: Known, user_key: Path) -> None:
    """A host that the jump host cannot connect to is unreachable, in the jump host's words."""
    known.add(f"IdentityFile {user_key}\nHost hop\n HostName 127.0.0.1\n")
    with pytest.raises(NotReached) as caught:
        visit(connection(1, user_key, ssh_arguments=("-J", f"hop:{sshd.port}")), b"", LIMITS, known.settings)
    assert ("unreachable", True) == (caught.value.reason, "jump host" in caught.value.message)


def test_max_sessions(known: Known, user_key: Path, tmp_path: Path) -> None:
    """A server that gives no session says so."""
    with start_sshd(_folder(tmp_path, "none"), user_key, "MaxSessions 0") as closed:
        known.known_hosts.write_text(closed.line)
        with pytest.raises(NotReached) as caught:
            say("x", closed, user_key, known.settings)
    assert caught.value.reason == "no-session"


def test_forced_command(known: Known, user_key: Path, tmp_path: Path) -> None:
    """A forced command answers in its own words; they are output like any other, for the frames to judge."""
    with start_sshd(_folder(tmp_path, "forced"), user_key, "ForceCommand echo menu") as forced:
        known.known_hosts.write_text(forced.line)
        assert say("x", forced, user_key, known.settings) == b"menu\n"


def test_testinfra_backend(sshd: Sshd, known: Known, user_key: Path) -> None:
    """Testinfra's `host` works over it, one connection for many commands, bytes and all."""
    register()
    before = len(sshd.log)
    reach = connection(sshd.port, user_key)
    host = testinfra.get_host("whyrefused://web1", reach=reach, limits=LIMITS, settings=known.settings)
    assert (host.run("printf '%%s' %s; exit 5", "a b").stdout, host.run("exit 5").rc) == ("a b", 5)
    assert host.file("/etc/passwd").exists
    assert host.run("printf '\\xc3\\xa9\\xff'").stdout == "é\udcff"
    assert host.backend.get_pytest_id() == "whyrefused://web1"
    assert sshd.log[before:].count("Connection from") == 1
    host.backend.close()


def test_testinfra_backend_raises(known: Known, sshd: Sshd, user_key: Path) -> None:
    """A cut or endless command raises, the next one has a new connection; a refused login is not tried again."""
    short = replace(LIMITS, command=3.0)
    backend = Backend("web1", reach=connection(sshd.port, user_key), limits=short, settings=known.settings)
    with pytest.raises(NotReached) as caught:
        backend.run("sleep 60")
    assert caught.value.reason == "command-timed-out"
    assert backend.run("echo back").stdout == "back\n"
    backend.close()
    known.known_hosts.write_text("")
    refused = Backend("web1", reach=connection(sshd.port, user_key), limits=LIMITS, settings=known.settings)
    before = len(sshd.log)
    for _ in range(3):
        with pytest.raises(NotReached):
            refused.run("true")
    assert sshd.log[before:].count("Connection from") == 1


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "csh", "tcsh", "fish", "zsh", "rbash"])
def test_command_under_any_login_shell(shell: str) -> None:
    """Whatever the login shell, `SHELL -c 'sh -s'` is what sshd starts and the script is read by sh."""
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} on this machine")
    script = b"x='a b'; for i in 1 2; do printf '%s!%s\\n' \"$x\" $i; done; exit 3"
    done = subprocess.run([program, "-c", "sh -s"], input=script, capture_output=True, check=False)
    assert (b"a b!1\na b!2\n", 3) == (done.stdout, done.returncode)


def _folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made
