"""Whole inventories through the real `ansible-inventory`: each folder of data is one, with what must come of it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from whyrefused.inventory import load
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.records import BadInput, Inventory

CASES = Path(__file__).parent / "data/inventory/cases"
NAMES = sorted(path.parent.name for path in CASES.glob("*/expected.yml"))
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}


def expected(name: str) -> dict[str, Any]:
    """What does the case promise?"""
    found: dict[str, Any] = yaml.safe_load((CASES / name / "expected.yml").read_text())
    return found


def loaded(name: str) -> Inventory | BadInput:
    """What becomes of the case?"""
    case = expected(name)
    vault = [str(CASES / path) for path in case.get("vault", ())]
    try:
        return load([str(CASES / name / case["source"])], limit=case.get("limit", ()), vault=vault, environ=ENVIRON)
    except BadInput as error:
        return error


@pytest.fixture(scope="module")
def results() -> dict[str, Inventory | BadInput]:
    """Every case, several at once: each call of the command takes most of a second."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(NAMES, pool.map(loaded, NAMES), strict=True))


def plain(value: object) -> Any:  # noqa: ANN401 - whatever YAML can hold
    """The same, in the types of a YAML file."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, bool, type(None))) else repr(value)


@pytest.mark.parametrize("name", [name for name in NAMES if "problems" in expected(name)])
def test_problems(name: str, results: dict[str, Inventory | BadInput]) -> None:
    """A wrong inventory gives exactly these problems, each with file, line and key."""
    found = results[name]
    assert isinstance(found, BadInput)
    assert expected(name)["problems"] == [str(problem).replace(f"{CASES / name}/", "") for problem in found.problems]


@pytest.mark.parametrize("name", [name for name in NAMES if "hosts" in expected(name)])
def test_hosts(name: str, results: dict[str, Inventory | BadInput]) -> None:
    """A right inventory gives exactly these hosts, with these expectations and at least these other values."""
    found, case = results[name], expected(name)
    assert isinstance(found, Inventory), found
    assert list(case["hosts"]) == list(found.hosts)
    assert case["selected"] == list(found.selected)
    assert case.get("groups", plain(found.groups)) == plain(found.groups)
    assert case.get("warnings", []) == list(found.warnings)
    for host, promised in case["hosts"].items():
        told = GRAMMAR.dump_python(found.hosts[host].expect, by_alias=True, exclude_defaults=True)
        reached = {key: plain(value) for key, value in asdict(found.hosts[host].connection).items()}
        assert promised["expect"] == plain(told)
        assert promised.get("connection", {}).items() <= reached.items()
        assert promised.get("groups", list(found.hosts[host].groups)) == list(found.hosts[host].groups)
