"""A story told again: what the hosts said, judged as a live run judges it."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from whyrefused import judge
from whyrefused.collect import saved
from whyrefused.diagnose import Failure, diagnose
from whyrefused.evidence import Evidence
from whyrefused.inventory import load
from whyrefused.plan.declare import declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from whyrefused.records import Finding, Inventory, Reply

HERE = Path(__file__).parent
CHECKS = HERE.parents[1] / "checks"
STORIES = sorted(path.name for path in HERE.iterdir() if (path / "inventory.yml").exists())


@cache
def check(name: str) -> ModuleType:
    """The check of this name."""
    spec = importlib.util.spec_from_file_location(f"stories_{name}", CHECKS / f"test_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def inventory(text: str) -> Inventory:
    """The inventory of this text; each text is read by Ansible once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.yml"
        path.write_text(text)
        return load([str(path)], environ={"HOME": folder, "PATH": "/usr/local/bin:/usr/bin:/bin"})


def questions_of(inventory: Inventory) -> Iterator[judge.Question]:
    """Every declared item with its check, named as `expected.yml` names it."""
    for item in declared(inventory):
        module = check(item.check)
        yield judge.Question(
            id=f"{item.check} {item.host} {item.subject}",
            item=item,
            look=getattr(module, "look", None),
            test=getattr(module, f"test_{item.check}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a story ends."""

    outcomes: Mapping[str, str]  # by item
    why: Mapping[str, str]  # what is told of an item that is neither passed nor failed
    findings: tuple[Finding, ...]

    def causes(self, item: str) -> set[str]:
        """Which causes explain this item?"""
        return {finding.cause for finding in self.findings if item in finding.explains}


def told(inventory: Inventory, replies: Mapping[str, Reply]) -> Told:
    """How does it end where the hosts said this?"""
    evidence = Evidence(replies.values())
    judged = [judge.judge(one, evidence, pytest.skip.Exception) for one in questions_of(inventory)]
    return Told(
        outcomes={one.question.id: one.outcome for one in judged},
        why={one.question.id: one.why for one in judged if one.why},
        findings=judge.explain(inventory, judged, evidence),
    )


def alone(inventory: Inventory, replies: Mapping[str, Reply], item: str) -> tuple[Finding, ...]:
    """Which findings explain this item, had nothing else been declared?"""
    evidence = Evidence(replies.values())
    question = next(one for one in questions_of(inventory) if one.id == item)
    one = judge.judge(question, evidence, pytest.skip.Exception)
    if one.outcome != "failed" or one.seen is None:
        return ()
    return diagnose(inventory, [Failure(id=item, item=question.item, seen=one.seen)], evidence)


def read(story: str) -> tuple[Inventory, dict[str, Reply], dict[str, Any]]:
    """What was declared, what the hosts said, what must be said."""
    path = HERE / story
    expected = yaml.safe_load((path / "expected.yml").read_text())
    return inventory((path / "inventory.yml").read_text()), saved.loads(str(path / "evidence.json")), expected
