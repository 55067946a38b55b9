"""Twice the hosts are twice the work, and no more: counted in calls of functions, which no busy machine spoils.

Seconds and memory are in tests/bench/test_growth.py.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
from typing import TYPE_CHECKING

import pytest
from bench import grown
from scenarios.replay import check

from whyrefused import report
from whyrefused.audit import Audit, Settings, finished
from whyrefused.collect.visit import Options
from whyrefused.evidence import HELD, Evidence
from whyrefused.inventory import load
from whyrefused.judge import Question
from whyrefused.records import Frame, Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whyrefused.records import Run

FIXED = 1.06
"""What of a run does not grow, and what grows by leaps (a dictionary), may make it so much more than it should be."""


def audited(inventory: Path, evidence: Path, counted: cProfile.Profile | None = None) -> Run:
    """A whole run but for pytest and for the inventory, which Ansible reads: planned, judged, written as JSON."""
    loaded = load((str(inventory),))
    gc.collect()
    if counted:
        counted.enable()
    audit = Audit(Settings(options=Options(), replay=str(evidence)), loaded)
    questions = [
        Question(
            id=f"{item.check}[{item.label}]", item=item, look=check(item.check).look,
            test=getattr(check(item.check), f"test_{item.check}"),
        )
        for item in audit.items
    ]  # fmt: skip
    audit.run(questions, pytest.skip.Exception, hold=lambda _: False)
    run = finished(audit.verdicts, {one.id: one.outcome for one in audit.verdicts.results.values()}, [])
    for _ in report.in_parts(run):
        pass
    if counted:
        counted.disable()
    return run


def calls(make: Callable[[int], tuple[Path, Path]], size: int) -> int:
    """How many functions are called for a fleet of this size?"""
    profile = cProfile.Profile()
    audited(*make(size), profile)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("faults", ["some", "all"])
def test_hosts(faults: str, tmp_path: Path) -> None:
    """Of the standard audit, one host in ten with a fault, or each of them with one and the same."""
    kinds = grown.FAULTS if faults == "some" else dict.fromkeys(range(50), "stopped")

    def make(size: int) -> tuple[Path, Path]:
        return grown.fleet(tmp_path, size, faults=kinds)

    audited(*make(20))  # what is made once and kept
    small, large = calls(make, 50), calls(make, 150)
    assert large <= small * 3 * FIXED, (small, large)


@pytest.mark.parametrize("down", ["some", "all"])
def test_paths(down: str, tmp_path: Path) -> None:
    """Of a matrix of clients and endpoints, where the paths grow faster than the hosts: as the paths."""
    kinds = grown.DOWN if down == "some" else dict.fromkeys(range(1, 51), "stopped")

    def make(clients: int) -> tuple[Path, Path]:
        return grown.matrix(tmp_path, clients, 50, down=kinds)

    audited(*make(3))
    small, large = calls(make, 8), calls(make, 24)
    assert large <= small * 3 * FIXED, (small, large)


def test_one_root_of_many(tmp_path: Path) -> None:
    """An endpoint that is down is one finding, however many clients dial it, with each of them in it."""
    run = audited(*grown.matrix(tmp_path, 20, 50))
    found = {finding.host: finding for finding in run.findings}
    assert {f"s{number:03}" for number in grown.DOWN} == set(found)
    assert all(sum(one.startswith("connects") for one in finding.explains) == 20 for finding in found.values())
    explained = {one.id: one.finding for one in run.results if one.finding}
    assert all(explained[one] == finding.id for finding in found.values() for one in finding.explains)


def test_little_is_held() -> None:
    """What was read of hosts is let go of, first what was read first; who is asked again has all of it."""
    text = "x" * (HELD // 4)
    frames = {"identity": Frame(text=text, status=0)}
    evidence = Evidence([Reply(host=f"h{number}", frames=frames) for number in range(40)])
    for host in (*evidence.hosts, *evidence.hosts):
        assert evidence[host] is evidence[host]
        assert evidence[host].unreached is None
        assert sum(one.size for one in evidence._held.values()) <= HELD  # noqa: SLF001 - what it holds
    large = Evidence([Reply(host="h", frames={"identity": Frame(text="x" * (HELD + 1), status=0)})])
    assert large["h"] is large["h"]
