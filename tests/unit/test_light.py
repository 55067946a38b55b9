"""What does a run load that ends before it visits anybody? Neither paramiko nor a report, which cost more than it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parents[2] / "checks"
HEAVY = {"paramiko", "cryptography", "whyrefused.report", "whyrefused.report.page", "whyrefused.report.findings"}
READERS = {"yaml", "pydantic", "pydantic_core", "ansible", "whyrefused.inventory.reading",
           "whyrefused.inventory.command", "whyrefused.inventory.sandbox", "whyrefused.inventory.validate"}  # fmt: skip
"""What an inventory is read by, for the first time. (jinja2 is pytest-html's too.)"""
FLEET = "all: {hosts: {far: {ansible_host: 127.0.0.1, ansible_port: 1}}, vars: {expect: {services: {ssh: running}}}}"
CODE = """
import gc, json, sys, pytest
before = gc.get_threshold()
status = pytest.main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump([int(status), sorted(sys.modules), before == gc.get_threshold()], file)
"""


def loaded(folder: Path, *arguments: str, inventory: str = FLEET) -> tuple[int, set[str], bool]:
    """With which status does this command line end, with which modules loaded, and is garbage looked for as before?"""
    (folder / "hosts.yml").write_text(inventory)
    argv = (*arguments, "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(folder), str(CHECKS))
    command = [sys.executable, "-c", CODE, str(folder / "told.json"), *argv]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (folder / "told.json").exists(), done.stdout + done.stderr
    status, modules, same = json.loads((folder / "told.json").read_text())
    return status, set(modules), same


@pytest.mark.parametrize(
    ("status", "arguments", "inventory"),
    [
        (0, ("--help",), FLEET),
        (0, ("--collect-only", "-q", "--inventory=hosts.yml"), FLEET),
        (4, ("--inventory=hosts.yml", "--forks=0"), FLEET),
        (4, ("--inventory=hosts.yml", "--limit=nobody"), FLEET),
        (4, ("--inventory=missing.yml",), FLEET),
        (4, ("--inventory=hosts.yml",), FLEET.replace("services", "servicse")),
    ],
)
def test_nothing_heavy(tmp_path: Path, status: int, arguments: tuple[str, ...], inventory: str) -> None:
    """Help, a list of items and a mistake are told without it."""
    found, modules, _ = loaded(tmp_path, *arguments, inventory=inventory)
    assert (status, set()) == (found, HEAVY & modules)


def test_a_visit_loads_it(tmp_path: Path) -> None:
    """What visits a host loads all of it, paramiko without what it needs for a line that we never have it read."""
    status, modules, same = loaded(tmp_path, "--inventory=hosts.yml", "--findings=f.json", "--html=r.html")
    assert (1, HEAVY) == (status, HEAVY & modules)
    assert not {name for name in modules if name.partition(".")[0] == "invoke"}
    assert same


@pytest.mark.parametrize(
    ("status", "arguments"), [(0, ("--collect-only", "-q")), (1, ("--findings=f.json", "--html=r.html"))]
)
def test_an_unchanged_inventory_is_not_read(tmp_path: Path, status: int, arguments: tuple[str, ...]) -> None:
    """Where nothing changed since the last run no run loads what inventories are read by, nor in its later course."""
    first, modules, _ = loaded(tmp_path, "--inventory=hosts.yml", *arguments)
    assert first == status
    assert {"yaml", "pydantic"} <= modules
    again, modules, _ = loaded(tmp_path, "--inventory=hosts.yml", *arguments)
    assert (again, set()) == (status, READERS & modules)


def test_what_others_look_for_is_not_loaded_beside_them(tmp_path: Path) -> None:
    """A plugin that looks into `sys.modules` for pydantic, or what that needs, finds it whole or not at all."""
    (tmp_path / "hosts.yml").write_text(FLEET)
    code = (
        "import json, sys; from whyrefused import opening\n"
        "judged = opening.ask(opening.Named(sources=('hosts.yml',)))\n"
        "asked = sorted(sys.modules)\n"
        "print(json.dumps([asked, list(judged().hosts), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    asked, hosts, judged = json.loads(done.stdout)
    looked_for = {"pydantic", "pydantic_core", "annotated_types"}
    assert (["far"], set(), looked_for) == (hosts, looked_for & set(asked), looked_for & set(judged))
    assert "yaml" in asked


def test_who_reads_a_match_exec_still_can() -> None:
    """The first that needs invoke after us gets it."""
    code = (
        "import io; from whyrefused import ssh; ssh.warm_up(); import paramiko\n"
        "config = paramiko.SSHConfig.from_text('Match exec \"true\"\\n User found\\n')\n"
        "print(config.lookup('h')['user'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "found\n"
