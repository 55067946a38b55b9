"""What does it cost to judge ten thousand hosts, and ten thousand paths, from what they said?

Whole runs: `ansible-inventory`, pytest, the page and the findings. CPU seconds and memory are judged, and their ratios
in this one run; wall time is printed. It needs no host and no root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from bench import contestants, declared, grown, race
from bench.conftest import ASKED
from bench.gated import connects

from whyrefused import __version__
from whyrefused.collect.saved import JOURNAL
from whyrefused.collect.visit import Options, digest
from whyrefused.inventory import load
from whyrefused.moments import now
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared as declared_items

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.environ.get(ASKED) != "1", reason=f"benchmarks run with make bench ({ASKED}=1)")

SMALL, LARGE = 1_000, 10_000
MOST_CPU, MOST_MIB, MOST_TIMES = 120.0, 1_024, 11.0
CLIENTS, ENDPOINTS = 200, 50


ALONE = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
with open(sys.argv[1], "w") as file:
    json.dump([process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], file)
"""
"""A small process, for what it begins counts what it holds itself as its own (getrusage(2), execve(2))."""


def audited(folder: Path, inventory: Path, evidence: Path | None, *more: str) -> tuple[float, float, float]:
    """How many CPU seconds, MiB at most and seconds does it take, `ansible-inventory` and all reports with it?"""
    argv = (
        *(sys.executable, "-m", "pytest", str(contestants.ROOT / "checks"), "-q", *contestants.FOREIGN),
        *("-c", str(contestants.ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "--no-inventory-cache"),
        *(f"--inventory={inventory}", *([f"--evidence={evidence}"] if evidence else [])),
        *(f"--html={folder / 'report.html'}", f"--findings={folder / 'findings.json'}", *more),
    )
    start = time.perf_counter()
    with (folder / "said").open("wb") as said:
        subprocess.run(
            [sys.executable, "-IS", "-c", ALONE, str(folder / "usage.json"), *argv],
            cwd=folder, env=contestants.environ(folder), stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=True,
        )  # fmt: skip
    wall = time.perf_counter() - start
    status, cpu, memory = json.loads((folder / "usage.json").read_text())
    assert status == 1, (folder / "said").read_text()[-4000:]
    return cpu, memory, wall


def results(folder: Path) -> int:
    """How many results have its findings?"""
    return len(json.loads((folder / "findings.json").read_text())["results"])


def test_ten_thousand_hosts(tmp_path: Path) -> None:
    """Ten times the hosts are at most eleven times the work, and fit into the bounds; JUnit's file too."""
    found = {}
    for name, size, more in (
        ("1,000, each", SMALL, ("--items=each",)),
        ("1,000", SMALL, ()),
        ("10,000", LARGE, ()),
        ("10,000, JUnit too", LARGE, ("--junitxml=junit.xml",)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        found[name] = audited(folder, *grown.fleet(folder, size), *more)
        assert results(folder) == size * declared.ITEMS
    race.say("Judging from saved evidence, 14 items a host", _rows(found))
    assert found["10,000"][0] <= MOST_CPU
    assert found["10,000"][1] <= MOST_MIB
    assert found["10,000"][0] <= MOST_TIMES * found["1,000"][0]
    assert found["10,000, JUnit too"][1] <= MOST_MIB


def test_ten_thousand_hosts_resumed(tmp_path: Path) -> None:
    """All of them had answered a run that was cut short: nobody is visited, and it costs little more than to judge."""
    found = {}
    for name, size in (("1,000", SMALL), ("10,000", LARGE)):
        folder = tmp_path / name
        folder.mkdir()
        reached = {number: kind for number, kind in grown.FAULTS.items() if kind != "silent"}
        inventory, evidence = grown.fleet(folder, size, faults=reached)
        found[f"{name}, --evidence"] = audited(folder, inventory, evidence)
        journal = left(folder, inventory, evidence)
        lines = len(journal.read_bytes())
        found[f"{name}, --resume"] = audited(folder, inventory, None, "--resume", "--second-look=never")
        run = json.loads((folder / "findings.json").read_text())["run"]
        assert (size, size, False) == (len(run["asked"]), len(run["hosts"]), journal.exists())
    words = f"14 items and {lines / LARGE / 1024:.1f} KiB of journal a host"
    race.say(f"Resumed with nobody left to visit, {words}", _rows(found))
    assert found["10,000, --resume"][1] <= MOST_MIB
    assert found["10,000, --resume"][0] <= MOST_CPU
    assert found["10,000, --resume"][0] <= MOST_TIMES * found["1,000, --resume"][0]


def left(folder: Path, inventory: Path, evidence: Path) -> Path:
    """The journal of a run that was killed when all hosts had answered this."""
    loaded = load((str(inventory),))
    said = json.loads(evidence.read_text())["hosts"]
    head = {"schema": JOURNAL, "started": now(), "pid": 1, "version": __version__,
            "files": [str(folder / "findings.json")]}  # fmt: skip
    (folder / ".whyrefused-killed").mkdir(mode=0o700)
    path = folder / ".whyrefused-killed" / "journal.jsonl"
    with path.open("w") as file:
        file.write(json.dumps(head) + "\n")
        for host, asked in questions(loaded, declared_items(loaded), 4.0).items():
            question = digest(loaded.hosts[host], asked, Options())
            line = {**said[host], "host": host, "warnings": [], "again": False, "asked": now(), "question": question}
            file.write(json.dumps(line, sort_keys=True) + "\n")
    path.chmod(0o600)
    return path


def test_ten_thousand_paths(tmp_path: Path) -> None:
    """Two hundred clients that dial fifty endpoints, five of which are down: no path costs more than among few."""
    found = {}
    for name, clients in (("20 clients", CLIENTS // 10), ("200 clients", CLIENTS)):
        folder = tmp_path / name
        folder.mkdir()
        found[name] = audited(folder, *grown.matrix(folder, clients, ENDPOINTS))
        assert results(folder) == (clients + 2) * ENDPOINTS
    race.say(f"Paths to {ENDPOINTS} endpoints, judged from saved evidence", _rows(found))
    assert found["200 clients"][0] <= 10 * found["20 clients"][0]


def test_connects_at_once() -> None:
    """Sixty clients at once, three servers that count: with the cap and, to compare, without one."""
    rows = [("cap", "clients at once", "connects at once, most", "visits")]
    for cap in (8, 32, 1_000):
        made = connects(clients=60, servers=3, cap=cap, linger=5.0)
        rows.append((str(cap), "60", str(max(made.peaks)), str(made.visits)))
        assert max(made.peaks) <= cap
        assert made.visits == 60
    race.say("Connects to one endpoint, real scripts on this machine", rows)


def _rows(found: dict[str, tuple[float, float, float]]) -> list[tuple[str, ...]]:
    return [("hosts", "CPU s", "MiB", "wall s")] + [
        (name, f"{cpu:.1f}", f"{memory:.0f}", f"{wall:.0f}") for name, (cpu, memory, wall) in found.items()
    ]
