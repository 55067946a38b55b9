"""A controller that has little, or whose clock jumps, visits every host all the same."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .fleet import Fleet

JUMPS = """
import itertools, random, time
real, chance, count = time.time, random.Random(1), itertools.count()
time.time = lambda: real() + chance.choice((-1, 1)) * chance.uniform(0, 10**8)
"""


def outcomes(folder: Path) -> tuple[list[str], list[str]]:
    """How did all items end, and what must the reader know?"""
    document = json.loads((folder / "found.json").read_text())
    return [one["outcome"] for one in document["results"]], document["run"]["notes"]


@pytest.mark.parametrize("descriptors", [40, 64])
def test_few_descriptors(descriptors: int, hosts: Fleet, tmp_path: Path) -> None:
    """Fewer hosts at a time, and a note says so; none is dropped, none is judged by what this machine lacks."""
    hosts.delays(dict.fromkeys(hosts.hosts, 0.2))
    limit = (descriptors, descriptors)
    status = hosts.audit(
        tmp_path, "--findings=found.json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    )
    assert status == 0, (tmp_path / "said").read_text()
    ended, notes = outcomes(tmp_path)
    assert ["passed"] * 16 == ended
    assert any(f"hosts at a time instead of 8 (ulimit -n {descriptors})" in note for note in notes), notes


def test_a_soft_limit_is_raised(hosts: Fleet, tmp_path: Path) -> None:
    """Where only the soft limit is low nobody need wait: it is ours to raise."""
    hosts.delays(dict.fromkeys(hosts.hosts, 0.0))
    limit = (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    status = hosts.audit(
        tmp_path, "--findings=found.json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    )
    assert (0, (["passed"] * 16, [])) == (status, outcomes(tmp_path))


def test_the_clock_jumps(hosts: Fleet, tmp_path: Path) -> None:
    """Each look at the wall clock gives another year; no visit ends early, and no verdict changes."""
    hosts.delays(dict.fromkeys(hosts.hosts, 0.2))
    (tmp_path / "jumps.py").write_text(JUMPS)
    more = {"PYTHONPATH": str(tmp_path)}
    status = hosts.audit(tmp_path, "--findings=found.json", "-p", "jumps", more=more)
    assert status == 0, (tmp_path / "said").read_text()
    assert ["passed"] * 16 == outcomes(tmp_path)[0]
