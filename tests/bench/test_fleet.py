"""How fast is the standard audit of twenty hosts and of a hundred, beside bare ssh and beside what users would pick?

Wall times are printed, never judged: on a busy machine they say little. CPU, counts and memory are judged.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench import contestants, declared, race, standard
from bench.contestants import ANSIBLE, FLOOR, INSTALLED, OURS, PYINFRA, TESTINFRA
from lab import Counts, cgroups
from lab.paths import owned

if TYPE_CHECKING:
    from bench.standard import Fleet
    from lab import Lab

pytestmark = pytest.mark.bench

ROUNDS, MANY_ROUNDS = 5, 3
GOALS = {
    20: ((OURS, FLOOR, "at most", 1.2),),
    100: (
        (OURS, FLOOR, "at most", 1.0),
        (OURS, INSTALLED, "at most", 0.5),
        (TESTINFRA, OURS, "at least", 25),
        (ANSIBLE, OURS, "at least", 40),
        (PYINFRA, OURS, "at least", 5),
    ),
}
VISIT, HOST, FIXED = 0.010, 0.018, 0.5
"""CPU seconds of the client: for each visit, for each host in all, and for none."""
MEMORY = 80
"""MiB."""


def used(lab: Lab, *hosts: str) -> float:
    """How many CPU seconds have these hosts, or all, used since they booted (cgroup v2, cpu.stat)?"""
    folders = [tree / owned(lab.name, host) for tree in cgroups.TREES for host in hosts or lab.hosts]
    files = [folder / "cpu.stat" for folder in folders]
    return sum(int(file.read_text().split()[1]) for file in files if file.exists()) / 1e6


def counts(lab: Lab) -> Counts:
    """How many connections and commands have all hosts taken (sshd's log)?"""
    every = [host.ssh_counts() for host in lab.hosts.values()]
    return Counts(connections=sum(one.connections for one in every), execs=sum(one.execs for one in every))


def test_one_connection_and_one_exec(lab: Lab, tmp_path: Path) -> None:
    """The whole audit costs each host one connection and one command, and finds all as declared."""
    fleet = standard.hundred(lab)
    before = [host.ssh_counts() for host in lab.hosts.values()]
    done = race.lap(contestants.ours(lab, tmp_path, fleet), tmp_path / "output", lambda: used(lab))
    after = [host.ssh_counts() for host in lab.hosts.values()]
    outcomes = [one["outcome"] for one in json.loads((tmp_path / "findings.json").read_text())["results"]]
    assert (0, ["passed"] * declared.ITEMS * len(fleet.places)) == (done.status, outcomes), (
        tmp_path / "output"
    ).read_text()
    each = len(fleet.places) // len(lab.hosts)
    assert [Counts(connections=each, execs=each)] * len(lab.hosts) == [
        b - a for a, b in zip(before, after, strict=True)
    ]


@pytest.mark.parametrize("hosts", [20, 100])
def test_fleet(lab: Lab, request: pytest.FixtureRequest, tmp_path: Path, hosts: int) -> None:
    """Everybody does the whole work; the table says how fast."""
    few = hosts == len(lab.hosts)
    fleet, rounds = (standard.twenty(lab), ROUNDS) if few else (standard.hundred(lab), MANY_ROUNDS)
    field = (
        contestants.ours(lab, tmp_path, fleet, rounds=rounds),
        contestants.floor(lab, tmp_path, fleet, FLOOR, *contestants.CURVE, rounds=rounds),
        contestants.floor(lab, tmp_path, fleet, INSTALLED, rounds=rounds),
    )
    laps = race.race(field, tmp_path / "output", lambda: used(lab))
    assert [["DONE", standard.TOKEN]] * hosts == contestants.said(tmp_path, fleet)
    assert {0} == {lap.status for runs in laps.values() for lap in runs}, (tmp_path / "output").read_text()
    taken = {} if few else _once(lab, fleet, request.getfixturevalue("rivals"), tmp_path, laps)
    race.say(f"Standard audit, {hosts} hosts", race.rows(laps, FLOOR))
    if taken:
        race.say(
            "By sshd's log", [("contestant", "connections", "execs"), *((name, *seen) for name, seen in taken.items())]
        )
    race.say("Goals", [("x", "of", "goal", "is"), *(_goal(laps, *goal) for goal in GOALS[hosts])])


def _once(
    lab: Lab, fleet: Fleet, rivals: Path, folder: Path, laps: dict[str, list[race.Lap]]
) -> dict[str, tuple[str, str]]:
    """How often does each rival come to a host? Each has one lap."""
    taken = {}
    for one in contestants.rivals(lab, folder, fleet, rivals):
        before = counts(lab)
        laps[one.name] = [race.lap(one, folder / "output", lambda: used(lab))]
        assert laps[one.name][0].status == 0, (folder / "output").read_text()[-3000:]
        more = counts(lab) - before
        hosts = len(fleet.places)
        taken[one.name] = (f"{more.connections / hosts:g} a host", f"{more.execs / hosts:g} a host")
    return taken


def _goal(laps: dict[str, list[race.Lap]], name: str, base: str, word: str, limit: float) -> tuple[str, ...]:
    return name, base, f"{word} {limit:g}", f"{race.ratio(laps[name], laps[base]):.2f}"


def test_client(lab: Lab, tmp_path: Path) -> None:
    """What does a run cost the client whatever the number of hosts, and what each host more? CPU, which is judged."""
    twenty, hundred = standard.twenty(lab), standard.hundred(lab)
    first = f"--limit={next(iter(lab.hosts))}"
    field = (
        contestants.ours(lab, tmp_path, twenty, "--collect-only", "-q", rounds=ROUNDS, name="--collect-only"),
        contestants.ours(lab, tmp_path, twenty, first, rounds=ROUNDS, name="1 host"),
        contestants.ours(lab, tmp_path, twenty, rounds=ROUNDS, name="20 hosts"),
        contestants.ours(lab, tmp_path, hundred, rounds=ROUNDS, name="100 hosts"),
    )
    laps = race.race(field, tmp_path / "output", lambda: used(lab))
    assert {0} == {lap.status for runs in laps.values() for lap in runs}, (tmp_path / "output").read_text()
    race.say("Client", race.rows(laps, "1 host"))
    parts = [_parts(lab, hundred, tmp_path) for _ in range(ROUNDS)]
    visit = statistics.median(one["visits"] for one in parts) / len(hundred.places)
    inventory = statistics.median(one["inventory"] for one in parts)
    cpu = {name: min(one.client for one in runs) for name, runs in laps.items()}
    each = (cpu["100 hosts"] - cpu["20 hosts"]) / (len(hundred.places) - len(twenty.places))
    fixed = cpu["20 hosts"] - each * len(twenty.places)
    rows = [
        ("CPU of the client", "goal", "is"),
        ("a visit, ms", f"{VISIT * 1000:g}", f"{visit * 1000:.1f}"),
        ("a host in all, ms", f"{HOST * 1000:g}", f"{each * 1000:.1f}"),
        ("fixed, s", f"{FIXED:g}", f"{fixed:.2f}"),
        ("of it ansible-inventory, s", "", f"{inventory:.2f}"),
    ]
    race.say("What it costs the client", rows)
    assert visit <= VISIT
    assert each <= HOST


def _parts(lab: Lab, fleet: Fleet, folder: Path) -> dict[str, float]:
    argv = (*lab.inside, sys.executable, str(Path(__file__).with_name("parts.py")), str(fleet.inventory))
    one = race.Contestant(name="", argv=argv, cwd=folder, environ=contestants.environ(folder), rounds=1)
    race.lap(one, folder / "parts", lambda: used(lab))
    told: dict[str, float] = json.loads((folder / "parts").read_text().splitlines()[-1])
    assert told["unreached"] == 0
    return told


def test_memory(lab: Lab, tmp_path: Path) -> None:
    """A hundred hosts fit into 80 MiB, all processes together."""
    fleet = standard.hundred(lab)
    field = (
        contestants.ours(lab, tmp_path, fleet),
        contestants.floor(lab, tmp_path, fleet, FLOOR, *contestants.CURVE, rounds=1),
    )
    race.lap(field[0], tmp_path / "output", lambda: used(lab))
    peaks = {one.name: race.peak(one, tmp_path / "output") for one in field}
    rows = [(name, f"{peak:.0f}") for name, peak in peaks.items()]
    race.say("Memory, 100 hosts", [("contestant", "MiB at most (PSS)"), *rows])
    assert peaks[OURS] <= MEMORY
