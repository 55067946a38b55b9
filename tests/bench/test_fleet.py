"""How fast is the standard audit of twenty hosts, beside bare ssh and beside plain pytest-testinfra?

Wall times are printed, never judged: on a busy machine they say little. Counts are judged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench import contestants, race, standard
from lab import Counts, cgroups
from lab.paths import owned

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Lab

pytestmark = pytest.mark.bench

ROUNDS = 7
GOALS = (
    (contestants.OURS, contestants.FLOOR, "at most", 1.5),
    (contestants.TESTINFRA, contestants.OURS, "at least", 15),
)


def used(lab: Lab, *hosts: str) -> float:
    """How many CPU seconds have these hosts, or all, used since they booted (cgroup v2, cpu.stat)?"""
    folders = [tree / owned(lab.name, host) for tree in cgroups.TREES for host in hosts or lab.hosts]
    files = [folder / "cpu.stat" for folder in folders]
    return sum(int(file.read_text().split()[1]) for file in files if file.exists()) / 1e6


def test_one_connection_and_one_exec(lab: Lab, tmp_path: Path) -> None:
    """The whole audit costs each host one connection and one command, and finds all as declared."""
    before = [host.ssh_counts() for host in lab.hosts.values()]
    done = race.lap(contestants.ours(lab, tmp_path), tmp_path / "output", lambda: used(lab))
    after = [host.ssh_counts() for host in lab.hosts.values()]
    outcomes = [one["outcome"] for one in json.loads((tmp_path / "findings.json").read_text())["results"]]
    assert (0, ["passed"] * standard.ITEMS * len(lab.hosts)) == (done.status, outcomes), (
        tmp_path / "output"
    ).read_text()
    assert [Counts(connections=1, execs=1)] * len(lab.hosts) == [b - a for a, b in zip(before, after, strict=True)]


def test_twenty_hosts(lab: Lab, tmp_path: Path) -> None:
    """Everybody does the whole work; the table says how fast."""
    field = (
        contestants.ours(lab, tmp_path, rounds=ROUNDS),
        contestants.floor(lab, tmp_path, contestants.FLOOR, "-o", "KexAlgorithms=curve25519-sha256", rounds=ROUNDS),
        contestants.floor(lab, tmp_path, contestants.INSTALLED, rounds=ROUNDS),
        contestants.testinfra(lab, tmp_path),
    )
    laps = race.race(field, tmp_path / "output", lambda: used(lab))
    race.say(f"Standard audit, {len(lab.hosts)} hosts", race.rows(laps, contestants.FLOOR))
    race.say("Goals", [("x", "of", "goal", "is"), *(_goal(laps, *goal) for goal in GOALS)])
    said = [(tmp_path / "said" / host).read_text().splitlines()[-1].split()[:2] for host in lab.hosts]
    assert [["DONE", standard.TOKEN]] * len(lab.hosts) == said
    assert {0} == {lap.status for runs in laps.values() for lap in runs}, (tmp_path / "output").read_text()


def _goal(laps: dict[str, list[race.Lap]], name: str, base: str, word: str, limit: float) -> tuple[str, ...]:
    return name, base, f"{word} {limit:g}", f"{race.ratio(laps[name], laps[base]):.2f}"


def test_fixed_cost(lab: Lab, tmp_path: Path) -> None:
    """What does a run cost whatever the number of hosts, and what each host more?"""
    first = next(iter(lab.hosts))
    field = (
        contestants.ours(lab, tmp_path, "--collect-only", "-q", rounds=ROUNDS, name="--collect-only"),
        contestants.ours(lab, tmp_path, f"--limit={first}", rounds=ROUNDS, name="1 host"),
        contestants.ours(lab, tmp_path, rounds=ROUNDS, name="20 hosts"),
    )
    laps = race.race(field, tmp_path / "output", lambda: used(lab))
    race.say("Fixed cost", race.rows(laps, "1 host"))
    assert {0} == {lap.status for runs in laps.values() for lap in runs}, (tmp_path / "output").read_text()
