"""Who does the standard audit, with which command? Ours, bare ssh as the floor, and what users would pick instead."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import declared, standard
from bench.race import Contestant

if TYPE_CHECKING:
    from bench.standard import Fleet
    from lab import Lab

# A checkout's own tools, not installed where whyrefused is: hypothesis loads itself at the end of every run, 75 ms.
FOREIGN = ("-p", "no:hypothesispytest", "-p", "no:xdist")
ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
FORKS = 32
OURS, FLOOR, INSTALLED = "whyrefused, both reports", "xargs ssh, curve25519", "xargs ssh, as installed"
TESTINFRA, ANSIBLE, PYINFRA = "pytest-testinfra, paramiko", "ansible-playbook, pipelining", "pyinfra"
CURVE = ("-o", "KexAlgorithms=curve25519-sha256")


def environ(folder: Path, **more: str) -> dict[str, str]:
    """Which environment have they all? Byte code is kept, as it is on every run of a user's but the first."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "SSH_AUTH_SOCK"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "pyc"), **more}


def ours(lab: Lab, folder: Path, fleet: Fleet, *more: str, rounds: int = 1, name: str = OURS) -> Contestant:
    """Who are we? The command of the README."""
    argv = (
        *(sys.executable, "-m", "pytest", f"--inventory={fleet.inventory}", "-o", f"cache_dir={folder}"),
        *(f"--html={folder / 'report.html'}", "--self-contained-html", f"--findings={folder / 'findings.json'}"),
        *(*FOREIGN, *more),
    )
    return Contestant(name=name, argv=(*lab.inside, *argv), cwd=ROOT, environ=environ(folder), rounds=rounds)


def floor(  # noqa: PLR0913 - what is compared with what
    lab: Lab, folder: Path, fleet: Fleet, name: str, *options: str, rounds: int, config: Path | None = None
) -> Contestant:
    """What does it cost to pipe our script to every host with ssh, and keep what it says?"""
    sent, hosts = folder / "script.sh", folder / f"hosts-{len(fleet.places)}"
    sent.write_text(standard.text(fleet.inventory))
    hosts.write_text("".join(f"{address}\n" for address in fleet.places.values()))
    (folder / "said").mkdir(exist_ok=True)
    ssh = shlex.join(("ssh", "-F", str(config or lab.ssh_config), "-o", "BatchMode=yes", *options))
    # ssh takes the shell's place: one process a host.
    each = f"exec {ssh} {{}} sh <{sent} >{folder / 'said'}/{{}}"
    argv = (*lab.inside, "xargs", "-a", str(hosts), "-P", str(FORKS), "-I{}", "sh", "-c", each)
    return Contestant(name=name, argv=argv, cwd=folder, environ=environ(folder), rounds=rounds)


def said(folder: Path, fleet: Fleet) -> list[list[str]]:
    """How do the answers end that the floor has kept, a host each?"""
    return [(folder / "said" / place).read_text().splitlines()[-1].split()[:2] for place in fleet.places.values()]


def rivals(lab: Lab, folder: Path, fleet: Fleet, programs: Path) -> tuple[Contestant, ...]:
    """What would users pick instead, out of this folder of programs? The same assertions, as their manuals say it."""
    return _testinfra(lab, folder, fleet, programs), _ansible(lab, folder, fleet, programs), _pyinfra(
        lab, folder, fleet, programs
    )  # fmt: skip


def _testinfra(lab: Lab, folder: Path, fleet: Fleet, programs: Path) -> Contestant:
    configuration = folder / "pytest.ini"
    configuration.write_text("[pytest]\n")
    hosts = ",".join(f"paramiko://{address}" for address in fleet.places.values())
    argv = (
        *(
            str(programs / "pytest"),
            "--noconftest",
            "-c",
            str(configuration),
            f"--hosts={hosts}",
            f"--ssh-config={lab.ssh_config}",
        ),
        str(HERE / "rival_testinfra.py"),
    )
    return _once(TESTINFRA, lab, folder, argv)


def _ansible(lab: Lab, folder: Path, fleet: Fleet, programs: Path) -> Contestant:
    names = [name for name in vars(declared) if name.isupper()]
    variables = folder / "declared.json"
    variables.write_text(json.dumps({name.lower(): getattr(declared, name) for name in names}))
    argv = (
        *(str(programs / "ansible-playbook"), "-i", str(fleet.inventory), "--forks", str(FORKS)),
        *("-e", f"@{variables}", str(HERE / "rival_ansible.yml")),
    )
    return _once(
        ANSIBLE, lab, folder, argv, ANSIBLE_PIPELINING="True", ANSIBLE_HOME=str(folder / "ansible"),
        ANSIBLE_LOCALHOST_WARNING="False", ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
    )  # fmt: skip


def _pyinfra(lab: Lab, folder: Path, fleet: Fleet, programs: Path) -> Contestant:
    data = {
        "ssh_user": "root", "ssh_key": str(lab.key), "ssh_known_hosts_file": str(lab.known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }  # fmt: skip
    inventory = folder / "pyinfra_hosts.py"
    inventory.write_text(f"hosts = {[(address, data) for address in fleet.places.values()]!r}\n")
    argv = (str(programs / "pyinfra"), "-y", "--parallel", str(FORKS), str(inventory), str(HERE / "rival_pyinfra.py"))
    return _once(PYINFRA, lab, folder, argv)


def _once(name: str, lab: Lab, folder: Path, argv: tuple[str, ...], **more: str) -> Contestant:
    variables = environ(folder, PYTHONPATH=str(HERE.parent), **more)
    return Contestant(name=name, argv=(*lab.inside, *argv), cwd=folder, environ=variables, rounds=1)
