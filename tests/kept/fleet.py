"""A fleet on loopback: one real sshd at many addresses, each of which answers after a time of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hostile.support import Known, keygen, start_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
EXPECT = {"resolves": {"localhost": ["127.0.0.0/8", "::1/128"]}, "ports": {"1/tcp": "absent"}}
ITEMS = 2  # of each host
PATIENCE = 120.0
ANSWER = """#!/bin/sh
set -- $SSH_CONNECTION
run=$(cat {folder}/run)
: >"{folder}/begun/$run-$3"
sleep "$(cat {folder}/delay/$3)"
sh -s
status=$?
date +%s.%N >"{folder}/ended/$run-$3"
exit $status
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Hosts h1 to hN, and where their sshd keeps what it knows."""

    folder: Path
    inventory: Path
    config: Path
    hosts: tuple[str, ...]

    def delays(self, seconds: Mapping[str, float]) -> None:
        """Let each host answer after so long from now on."""
        for number, host in enumerate(self.hosts, 2):
            (self.folder / "delay" / f"127.0.0.{number}").write_text(f"{seconds[host]:.2f}")
        # What a run that was killed has left behind on the hosts may still end, and counts for that run alone.
        (self.folder / "run").write_text(str(int(self._run) + 1))

    @property
    def _run(self) -> str:
        return (self.folder / "run").read_text()

    def begun(self) -> set[str]:
        """Which hosts are being visited, or were?"""
        known = enumerate(self.hosts, 2)
        return {host for number, host in known if (self.folder / "begun" / f"{self._run}-127.0.0.{number}").exists()}

    def ended(self) -> dict[str, float]:
        """When had which host said all? By its own clock, which is ours."""
        found = {}
        for number, host in enumerate(self.hosts, 2):
            with suppress(FileNotFoundError, ValueError):
                found[host] = float((self.folder / "ended" / f"{self._run}-127.0.0.{number}").read_text())
        return found

    def command(self, *options: str) -> list[str]:
        """Which command audits it?"""
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / "checks"),
                f"--inventory={self.inventory}", f"--ssh-config={self.config}", *options]  # fmt: skip

    def start(
        self,
        cwd: Path,
        *options: str,
        more: Mapping[str, str] | None = None,
        **how: Any,  # noqa: ANN401 - Popen's own
    ) -> subprocess.Popen[str]:
        """Start an audit there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
        kept.pop("SSH_AUTH_SOCK", None)
        kept |= {"TERM": "dumb", **(more or {})}
        with (cwd / "said").open("w") as said:
            return subprocess.Popen(
                self.command(*options), cwd=cwd, env=kept, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, text=True, **{"preexec_fn": heeds_signals, **how},
            )  # fmt: skip

    def audit(self, cwd: Path, *options: str, **how: Any) -> int:  # noqa: ANN401 - Popen's own
        """Audit it to the end: which exit status has it?"""
        return self.start(cwd, *options, **how).wait(PATIENCE)


def heeds_signals() -> None:
    """Take back what whoever began the tests in the background had ignored for them: nohup(1), and a shell's `&`."""
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


@contextmanager
def fleet(folder: Path, size: int) -> Iterator[Fleet]:
    """Start one."""
    key = keygen(folder / "id")
    for name in ("delay", "begun", "ended", "sshd"):
        (folder / name).mkdir()
    (folder / "run").write_text("0")
    answer = folder / "answer"
    answer.write_text(ANSWER.format(folder=folder))
    answer.chmod(0o755)
    more = "".join(f"ListenAddress 127.0.0.{number}:{{port}}\n" for number in range(2, size + 2))
    with start_sshd(folder / "sshd", key, f"{more}ForceCommand {answer}") as sshd:
        hosts = tuple(f"h{number}" for number in range(1, size + 1))
        known = Known(config=folder / "ssh_config", known_hosts=folder / "known_hosts")
        public = (folder / "sshd" / "host.pub").read_text()
        known.known_hosts.write_text(f"* {public}".replace("* ", f"[127.0.0.*]:{sshd.port} "))
        known.config.write_text(
            f"UserKnownHostsFile {known.known_hosts}\nGlobalKnownHostsFile none\nIdentityFile none\n"
        )
        reached = {"ansible_port": sshd.port, "ansible_ssh_private_key_file": str(key)}
        inventory = folder / "hosts.yml"
        named = {host: {"ansible_host": f"127.0.0.{number}"} for number, host in enumerate(hosts, 2)}
        inventory.write_text(yaml.safe_dump({"all": {"hosts": named, "vars": {**reached, "expect": EXPECT}}}))
        made = Fleet(folder=folder, inventory=inventory, config=known.config, hosts=hosts)
        made.delays(dict.fromkeys(hosts, 0.0))
        yield made


def until_it_listens(process: subprocess.Popen[str]) -> None:
    """Wait until the run hears signals: its handlers stand in the kernel's mask of them."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        mask = int(re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[0], 16)
        if mask >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"it never listened: {process.poll()}")


def journals(folder: Path) -> list[Path]:
    """Which journals lie there?"""
    return sorted(folder.glob(".whyrefused-*/journal.jsonl"))


def in_journal(folder: Path) -> set[str]:
    """Which hosts are on the disk by now?"""
    found = set()
    for journal in journals(folder):
        with suppress(FileNotFoundError):
            lines = journal.read_text().rpartition("\n")[0].splitlines()
            found |= {entry["host"] for entry in map(json.loads, lines) if "host" in entry}
    return found
