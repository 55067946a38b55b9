"""One whole run of the tool against hosts that misbehave: what became of each item?"""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostile.servers import Server

ROOT = Path(__file__).resolve().parents[2]
ITEMS = ("ports", "resolves")
"""What is declared of every host, one item each."""

# The tool's own highest resident size: of its memory map alone, not of what started it (proc_pid_status(5)).
PEAK = """
import atexit, os
def _peak():
    lines = open("/proc/self/status").read().split("\\n")
    with open(os.environ["PEAK"], "w") as file:
        file.write(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
atexit.register(_peak)
"""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One host of an inventory."""

    name: str
    port: int
    address: str = "127.0.0.1"
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, server: Server, **more: Any) -> Declared:  # noqa: ANN401 - Ansible's variables
        """Give what an inventory would say of this server."""
        return cls(name=name, port=server.port, address=server.address, more=more)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one run left."""

    status: int
    seconds: float
    peak: int  # MiB
    said: str
    found: Mapping[str, Any]
    page: str
    junit: str

    @property
    def by_host(self) -> dict[str, list[dict[str, Any]]]:
        """Give the results of each host."""
        kept: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in self.found["results"]:
            kept[one["host"]].append(one)
        return kept

    def outcomes(self, host: str) -> list[str]:
        """How did the items of this host end?"""
        return sorted(one["outcome"] for one in self.by_host[host])

    def reasons(self, host: str) -> set[str]:
        """Why could the items of this host not be judged? In the words of the report, the host's name left out."""
        return {one["observed"].removeprefix(f"{host}: ") for one in self.by_host[host] if one["outcome"] == "error"}

    def notes(self, host: str) -> list[str]:
        """What is the reader told of this host? As the last lines on the terminal have it."""
        return [line for line in self.said.split("\n") if line.startswith(f"note: {host}: ")]


def inventory(hosts: Iterable[Declared], key: Path) -> dict[str, Any]:
    """Which inventory declares these hosts, each with the same few things that are true of this machine?"""
    entries = {
        one.name: {
            "ansible_host": one.address, "ansible_port": one.port,
            "expect": {"ports": {f"{one.port}/tcp": {"bind": one.address}}, "resolves": {"localhost": ["127.0.0.1"]}},
            **one.more,
        }
        for one in hosts
    }  # fmt: skip
    variables = {"ansible_user": getpass.getuser(), "ansible_ssh_private_key_file": str(key)}
    return {"all": {"vars": variables, "hosts": entries}}


def run(
    folder: Path, hosts: Iterable[Declared], key: Path, config: Path, *options: str, within: tuple[str, ...] = ()
) -> Ran:
    """Run the tool, in a network namespace if `within` leads there, and read what it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peak.py").write_text(PEAK)
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory(hosts, key), sort_keys=False))
    words = (
        *(*within, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "peak", "-p", "no:hypothesispytest"),
        *(f"--inventory={folder}/hosts.yml", f"--ssh-config={config}", f"--html={folder}/page.html"),
        *("--self-contained-html", f"--findings={folder}/findings.json", f"--junitxml={folder}/junit.xml"),
        *options,
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SSH_", "ANSIBLE_"))}
    path = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
    environ = {**kept, "PATH": path, "PYTHONPATH": str(folder), "PEAK": str(folder / "peak")}
    began = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, check=False, timeout=300)
    took = time.monotonic() - began
    said = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert (folder / "findings.json").exists(), said[-5000:]
    return Ran(
        status=done.returncode,
        seconds=took,
        peak=int((folder / "peak").read_text()) // 1024,
        said=said,
        found=json.loads((folder / "findings.json").read_text()),
        page=(folder / "page.html").read_text(),
        junit=(folder / "junit.xml").read_text(),
    )
