"""What the tests against hostile and real SSH servers share: short limits, keys, a client of its own, a real sshd."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from whyrefused.records import Connection
from whyrefused.ssh import Limits, Settings

LIMITS = Limits(
    connect=30.0,
    login=30.0,
    session=30.0,
    command=30.0,
    silence=10.0,
    linger=10.0,
    host=60.0,
    pauses=(0.05, 0.1),
    stdout=1 << 20,
    stderr=1 << 16,
)
"""For what ends by itself: far from what it takes, on a busy machine too. A test of a limit makes that one short."""


def keygen(path: Path, *options: str, kind: str = "ed25519") -> Path:
    """Make a key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *options], check=True)
    return path


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


class start_sshd:  # noqa: N801 - used like a function
    """Run an sshd in this folder; `{port}` in further configuration stands for its port."""

    def __init__(self, folder: Path, user_key: Path, more: str = "") -> None:
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        if not os.access(program, os.X_OK):
            pytest.skip("no sshd on this machine (openssh-server)")
        keygen(folder / "host")
        keygen(folder / "ca")
        (folder / "authorized_keys").write_text(user_key.with_name(f"{user_key.name}.pub").read_text())
        self.port = free_port()
        more = more.replace("{port}", str(self.port))
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
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
