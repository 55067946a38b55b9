"""What the tests against hostile and real SSH servers share: short limits, keys, a real sshd on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whyrefused.records import Connection
from whyrefused.ssh import Limits, Settings, hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

LIMITS = Limits(connect=1.0, login=1.5, command=1.5, host=6.0, pauses=(0.05, 0.1, 0.2), stdout=1 << 20, stderr=1 << 16)


def keygen(path: Path, *options: str, kind: str = "ed25519") -> Path:
    """Make a key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *options], check=True)
    return path


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield
    hang_up()


@pytest.fixture(scope="session")
def user_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the key that servers take."""
    return keygen(tmp_path_factory.mktemp("user") / "id")


@dataclass(frozen=True, kw_only=True)
class Known:
    """A client's side: its configuration with its own known_hosts."""

    config: Path
    known_hosts: Path

    @property
    def settings(self) -> Settings:
        """Give what a run would be started with."""
        return Settings(ssh_config=str(self.config))

    def add(self, text: str) -> None:
        """Append to the configuration."""
        self.config.write_text(self.config.read_text() + text)


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """Give a client that knows nobody and has no keys of its own."""
    made = Known(config=tmp_path / "ssh_config", known_hosts=tmp_path / "known_hosts")
    made.known_hosts.write_text("")
    made.config.write_text(f"UserKnownHostsFile {made.known_hosts}\nGlobalKnownHostsFile none\nIdentityFile none\n")
    return made


def connection(port: int | None, key: Path | None, **more: object) -> Connection:
    """Give what an inventory would say of a server on loopback."""
    given = {"kind": "ssh", "address": "127.0.0.1", "port": port, "user": getpass.getuser()} | more
    return Connection(key_file=str(key) if key else None, **given)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A real sshd."""

    port: int
    folder: Path

    @property
    def log(self) -> str:
        """Give what it logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def line(self) -> str:
        """Give its line for known_hosts."""
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}"


CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized_keys
TrustedUserCAKeys {folder}/ca.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
LogLevel VERBOSE
MaxStartups 500:100:1000
{more}
"""


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, user_key: Path) -> Iterator[Sshd]:
    """Start an sshd that takes `user_key` and certificates of its `ca`."""
    folder = tmp_path_factory.mktemp("sshd")
    with start_sshd(folder, user_key) as running:
        yield running


class start_sshd:  # noqa: N801 - used like a function
    """Run an sshd in this folder."""

    def __init__(self, folder: Path, user_key: Path, more: str = "") -> None:
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        if not os.access(program, os.X_OK):
            pytest.skip("no sshd on this machine (openssh-server)")
        keygen(folder / "host")
        keygen(folder / "ca")
        (folder / "authorized_keys").write_text(user_key.with_name(f"{user_key.name}.pub").read_text())
        self.port = free_port()
        (folder / "config").write_text(CONFIG.format(port=self.port, folder=folder, more=more))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.folder = folder
        self.process = subprocess.Popen(
            [program, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")], stdin=subprocess.DEVNULL
        )

    def __enter__(self) -> Sshd:
        until = time.monotonic() + 10
        while not (self.folder / "pid").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                pytest.skip(f"sshd does not start here: {(self.folder / 'log').read_text()[-300:]}")
            time.sleep(0.02)
        return Sshd(port=self.port, folder=self.folder)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)


def free_port() -> int:
    """Find a port that is free now."""
    import socket  # noqa: PLC0415 - once a session

    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
