"""Who does the standard audit, with which command? Ours, bare ssh as the floor, and what users would pick instead."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import standard
from bench.race import Contestant

if TYPE_CHECKING:
    from lab import Lab

# A checkout's own tools, not installed where whyrefused is: hypothesis loads itself at the end of every run, 75 ms.
FOREIGN = ("-p", "no:hypothesispytest", "-p", "no:xdist")
ROOT = Path(__file__).resolve().parents[2]
FORKS = 32
OURS, FLOOR, INSTALLED, TESTINFRA = (
    "whyrefused, both reports",
    "xargs ssh, curve25519",
    "xargs ssh, as installed",
    "pytest-testinfra, paramiko",
)


def environ(folder: Path) -> dict[str, str]:
    """Which environment have they all? Byte code is kept, as it is on every run of a user's but the first."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "SSH_AUTH_SOCK"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "pyc")}


def ours(lab: Lab, folder: Path, *more: str, rounds: int = 1, name: str = OURS) -> Contestant:
    """Who are we? The command of the README."""
    argv = (
        *(sys.executable, "-m", "pytest", f"--inventory={lab.folder / 'inventory.yml'}", "-o", f"cache_dir={folder}"),
        *(f"--html={folder / 'report.html'}", "--self-contained-html", f"--findings={folder / 'findings.json'}"),
        *(*FOREIGN, *more),
    )
    return Contestant(name=name, argv=(*lab.inside, *argv), cwd=ROOT, environ=environ(folder), rounds=rounds)


def floor(lab: Lab, folder: Path, name: str, *options: str, rounds: int) -> Contestant:
    """What does it cost to pipe our script to every host with ssh, and keep what it says?"""
    sent, hosts = folder / "script.sh", folder / "hosts"
    sent.write_text(standard.text(lab.folder / "inventory.yml"))
    hosts.write_text("".join(f"{host}\n" for host in lab.hosts))
    (folder / "said").mkdir(exist_ok=True)
    ssh = shlex.join(("ssh", "-F", str(lab.ssh_config), "-o", "BatchMode=yes", *options))
    # ssh takes the shell's place: one process a host.
    each = f"exec {ssh} {{}} sh <{sent} >{folder / 'said'}/{{}}"
    argv = (*lab.inside, "xargs", "-a", str(hosts), "-P", str(FORKS), "-I{}", "sh", "-c", each)
    return Contestant(name=name, argv=argv, cwd=folder, environ=environ(folder), rounds=rounds)


def testinfra(lab: Lab, folder: Path) -> Contestant:
    """What does plain pytest-testinfra do: the same assertions, each asking the host anew?"""
    configuration = folder / "pytest.ini"
    configuration.write_text(f"[pytest]\npythonpath = {ROOT / 'tests'}\n")
    hosts = ",".join(f"paramiko://{host}" for host in lab.hosts)
    argv = (
        *(sys.executable, "-m", "pytest", "-c", str(configuration), "-p", "no:whyrefused.plugin", *FOREIGN),
        *(f"--hosts={hosts}", f"--ssh-config={lab.ssh_config}", str(Path(__file__).with_name("rival_testinfra.py"))),
    )
    return Contestant(name=TESTINFRA, argv=(*lab.inside, *argv), cwd=folder, environ=environ(folder), rounds=1)
