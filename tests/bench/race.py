"""Who needs how long? Commands in turn, round after round, each with all its processes, on a machine as it is."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SETTLE = 0.3
"""Seconds in which the hosts end what the last command began, before their CPU time is read."""
SAMPLE = 0.02
"""Seconds between two looks at who holds how much."""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A command that does the work, and in how many of the rounds."""

    name: str
    argv: Sequence[str]
    cwd: Path
    environ: dict[str, str]
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """What one run took."""

    wall: float
    client: float  # CPU seconds of the command and all its children
    hosts: float  # CPU seconds of all hosts, sshd and PID 1 included
    others: float  # processors that neither used, on average: everything else on the machine
    status: int


def race(contestants: Sequence[Contestant], output: Path, hosts: Callable[[], float]) -> dict[str, list[Lap]]:
    """How long does each need? One lap that does not count, then rounds in which each has its turn, order rotating."""
    laps: dict[str, list[Lap]] = {one.name: [] for one in contestants}
    for one in contestants:
        if one.rounds > 1:  # what runs once is not warmed up
            lap(one, output, hosts)
    for number in range(max(one.rounds for one in contestants)):
        start = number % len(contestants)
        for one in (*contestants[start:], *contestants[:start]):
            if number < one.rounds:
                laps[one.name].append(lap(one, output, hosts))
    return laps


def lap(one: Contestant, output: Path, hosts: Callable[[], float]) -> Lap:
    """What does one run take? What it prints is left in the file."""
    hosts_before, busy_before, start = hosts(), _busy(), time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(
            one.argv, cwd=one.cwd, env=one.environ, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        # Of the process and all its children that it waited for (getrusage(2)).
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    time.sleep(SETTLE)
    client, served, whole = usage.ru_utime + usage.ru_stime, hosts() - hosts_before, wall + SETTLE
    return Lap(
        wall=wall,
        client=client,
        hosts=served,
        others=max(0.0, (_busy() - busy_before - client - served) / whole),
        status=process.returncode,
    )


def peak(one: Contestant, output: Path) -> float:
    """How many MiB does it hold at most, all its processes together? What they share is counted once (PSS)."""
    most = 0
    with output.open("wb") as file:
        process = subprocess.Popen(
            one.argv, cwd=one.cwd, env=one.environ, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            most = max(most, sum(map(_held, _family(process.pid))))
            time.sleep(SAMPLE)
    if process.returncode:
        raise ChildProcessError(output.read_text())
    return most / 1024


def _family(pid: int) -> list[int]:
    """Who is this process, with all that it has begun (proc_pid_task, `children`)?"""
    found = [pid]
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in file.read_text().split():
                found += _family(int(child))
    return found


def _held(pid: int) -> int:
    """How many KiB does it hold? Nothing, once it has ended."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in rows if row.startswith("Pss:")), 0)


def _busy() -> float:
    """How many CPU seconds has the whole machine worked since boot (proc_stat(5))? Steal is others' work too."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def load() -> str:
    """How busy is the machine with everything it does?"""
    averages = " ".join(Path("/proc/loadavg").read_text().split()[:3])
    try:
        pressure = Path("/proc/pressure/cpu").read_text().split("avg60=")[1].split()[0]
    except OSError:
        pressure = "?"
    return f"{os.cpu_count()} processors, load {averages}, CPU pressure {pressure} % of the last minute"


def ratio(laps: Sequence[Lap], base: Sequence[Lap]) -> float:
    """How many times the base's wall time? The median over the rounds; of the medians where one ran less often."""
    if len(laps) == len(base):
        return statistics.median(one.wall / other.wall for one, other in zip(laps, base, strict=True))
    return statistics.median(one.wall for one in laps) / statistics.median(one.wall for one in base)


def rows(laps: dict[str, list[Lap]], base: str) -> list[tuple[str, ...]]:
    """Which table tells it?"""
    head = (
        "contestant",
        "runs",
        "wall s, median (min-max)",
        "x base",
        "client CPU s",
        "hosts' CPU s",
        "others, cores",
    )
    return [head, *(_row(name, runs, laps[base]) for name, runs in laps.items())]


def _row(name: str, runs: Sequence[Lap], base: Sequence[Lap]) -> tuple[str, ...]:
    walls = [one.wall for one in runs]
    return (
        name,
        str(len(runs)),
        f"{statistics.median(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})",
        f"{ratio(runs, base):.2f}",
        f"{statistics.median(one.client for one in runs):.2f}",
        f"{statistics.median(one.hosts for one in runs):.2f}",
        f"{statistics.median(one.others for one in runs):.1f}",
    )


def say(title: str, table: Iterable[Sequence[str]]) -> None:
    """Print a table as Markdown, with the machine's load beside it."""
    head, *body = table
    lines = [f"\n{title} ({load()})\n", _line(head), _line(["---"] * len(head)), *map(_line, body)]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"
