"""What is installed is what was locked, is listed, and is built the same twice."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import sbom

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = [*ROOT.glob(".github/workflows/*.y*ml"), *ROOT.glob("docs/**/*.y*ml"), *ROOT.glob("docs/**/*.md"),
             ROOT / "README.md"]  # fmt: skip


def bill() -> dict[str, Any]:
    """What `make sbom` writes."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/sbom.py"), "requirements.lock", "pyproject.toml"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_all_is_locked_by_hash() -> None:
    """Each distribution is pinned to one version by hashes, from no place of its own, and nothing else is installed."""
    parts = sbom.parts(LOCK)
    assert len(parts) == len(re.findall("^[a-z0-9]", LOCK, re.MULTILINE))
    assert all(part.hashes for part in parts)
    assert not re.search(r"^ *(?:-e|-i|--(?!hash=)|.*(?:://| @ ))", LOCK, re.MULTILINE)
    installing = [line for line in (ROOT / "Makefile").read_text().splitlines() if re.search(r"pip install", line)]
    assert all(re.search("--require-hashes -r|--no-deps --no-build-isolation|--quiet uv$", line) for line in installing)


@pytest.mark.parametrize("lock", ["fuzz", "bench"])
def test_tools_of_tests_are_locked_too(lock: str) -> None:
    """Each is pinned with its hashes, and from no index of its own."""
    text = (ROOT / "tests" / lock / "requirements.lock").read_text()
    parts = sbom.parts(text)
    assert len(parts) == len(re.findall("^[a-z0-9]", text, re.MULTILINE)) > 0
    assert all(part.hashes for part in parts)
    assert not re.search(r"^ *(?:-e|-i|--(?!hash=)|.*(?:://| @ ))", text, re.MULTILINE)


@pytest.mark.parametrize(
    "line", ["requests", "requests>=2 \\", "requests==2.0", "-e .", "a @ https://x/a.whl", "--pre"]
)
def test_what_is_not_locked_is_told(line: str) -> None:
    """A line that pins nothing is no lock."""
    with pytest.raises(sbom.NotLocked, match=r"^line 1: "):
        sbom.parts(f"{line}\n")


def test_what_is_needed_is_locked() -> None:
    """Every requirement of the project is in the lock."""
    wanted = [*PROJECT["dependencies"], *(one for each in PROJECT["optional-dependencies"].values() for one in each)]
    fuzz = (ROOT / "tests/fuzz/requirements.lock").read_text()
    names = {part.name for part in (*sbom.parts(LOCK), *sbom.parts(fuzz))}
    assert {re.split(r"[>=<\[ ;]", one)[0].lower() for one in wanted} <= names


def test_what_is_installed_is_what_is_locked() -> None:
    """In this environment no distribution has another version than the lock says."""
    locked: dict[str, set[str]] = {}
    for part in sbom.parts(LOCK):
        locked.setdefault(part.name, set()).add(part.version)
    for one in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        assert one.version in locked.get(name, {one.version}), name


def test_bill_of_materials() -> None:
    """It lists exactly what is locked, with each hash, and what each part is there for."""
    found, parts = bill(), sbom.parts(LOCK)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", found["serialNumber"])
    assert [(part.name, part.version, list(part.hashes)) for part in parts] == [
        (one["name"], one["version"], [each["content"] for each in one["hashes"]]) for one in found["components"]
    ]
    assert {one["purl"] for one in found["components"]} == {part.reference for part in parts}
    scopes = {one["name"]: one["scope"] for one in found["components"]}
    assert {"required"} == {scopes[name] for name in ("pytest", "paramiko", "cryptography", "pyyaml", "markupsafe")}
    assert {"optional"} == {scopes[name] for name in ("ansible-core", "resolvelib")}
    assert {"excluded"} == {scopes[name] for name in ("ruff", "hypothesis", "mypy")}
    references = {one["ref"] for one in found["dependencies"]}
    assert {each for one in found["dependencies"] for each in one["dependsOn"]} <= references
    direct = next(one for one in found["dependencies"] if one["ref"] == "whyrefused")["dependsOn"]
    assert any(one.startswith("pkg:pypi/paramiko@") for one in direct)
    assert found == bill()


def test_a_workflow_names_commits() -> None:
    """Whatever workflow or example of one there is names each action by its commit."""
    uses = [
        line for path in WORKFLOWS for line in re.findall(r"^\s*-?\s*uses:\s*(\S+)", path.read_text(), re.MULTILINE)
    ]
    assert not [one for one in uses if not one.startswith("./") and not re.search(r"@[0-9a-f]{40}$", one)]


def built(tree: Path, into: Path, umask: int) -> str:
    """The hash of the wheel of this tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(command, cwd=tree, check=True, capture_output=True, umask=umask, env=environment)
    (wheel,) = into.glob("*.whl")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_built_twice(tmp_path: Path) -> None:
    """Elsewhere, at another time, by another umask, the wheel has the same bytes."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no clone of the repository")
    for name in listed.stdout.decode().split("\0"):
        if name.startswith(("src/", "checks/")) or name in {"pyproject.toml", "README.md", "LICENSE"}:
            copy = tmp_path / "elsewhere" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
            os.utime(copy, (1e9, 1e9))
    assert built(ROOT, tmp_path / "one", 0o022) == built(tmp_path / "elsewhere", tmp_path / "two", 0o077)
