"""Does the firewall package say what the kernel does? Random rules, real packets: `make oracle CASES=N SEED=S`."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compare import Prober
from .rig import Rig
from .rulesets import Case, case, install
from .smallest import smallest
from .words import by_dice

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

PER_RULESET = 12
PER_SEED = 40
"""Rulesets of one seed; each worker takes seed after seed."""
WORKERS = 4


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of the cases."""

    cases: int = 0
    cannot_tell: int = 0
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: int = 0  # rulesets of which a command took nothing

    def add(self, other: Tally) -> None:
        """Add what another worker saw."""
        self.cases += other.cases
        self.cannot_tell += other.cannot_tell
        self.disagreements += other.disagreements
        self.answers += other.answers
        self.reasons += other.reasons
        self.refused += other.refused

    def __str__(self) -> str:
        return f"cases {self.cases} disagreements {len(self.disagreements)} cannot-tell {self.cannot_tell}"


def batch(number: int, most: int, prober: Prober) -> Tally:
    """What comes of the rulesets that the dice of this seed make, until there are so many cases?"""
    tally, draw = Tally(), by_dice(random.Random(number))  # noqa: S311 - a test's own dice
    while tally.cases < most:
        _try(case(draw, PER_RULESET), most, prober, tally)
    return tally


def _try(made: Case, most: int, prober: Prober, tally: Tally) -> None:
    loads = install(prober.rig, made.loads)
    tally.refused += len(loads) < len(made.loads)
    for one in prober.compare(made.connections[: most - tally.cases]):
        tally.cases += 1
        tally.answers[one.answer if one.answer in ("drop", "tcp reset") or "icmp" in one.answer else "connected"] += 1
        if one.untold:
            tally.cannot_tell += 1
            tally.reasons[one.trip.why.rpartition("`")[2].lstrip(": ")] += 1
        if not one.agrees:
            tally.disagreements.append(smallest(prober, loads, one))


def work(name: str, numbers: list[tuple[int, int]], pipe: Pipe) -> None:
    """Go through these seeds on a rig of one's own, telling what came of each."""
    with Rig(name) as rig:
        prober = Prober(rig)
        for number, most in numbers:
            pipe.send(batch(number, most, prober))
    pipe.send(None)


def run(count: int, first: int, workers: int = WORKERS) -> Tally:
    """What comes of so many cases, from this seed on?"""
    each = PER_RULESET * PER_SEED
    shares = [(first * 1_000_003 + at, min(each, count - at * each)) for at in range(-(-count // each))]
    pipes, processes = [], []
    context = multiprocessing.get_context("fork")
    for at in range(min(workers, len(shares))):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(f"o{at}", shares[at::workers], theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    tally = _gather(pipes, count)
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"a worker ended with {process.exitcode}")
    return tally


def _gather(pipes: list[Pipe], count: int) -> Tally:
    tally, open_pipes = Tally(), list(pipes)
    start = last = time.monotonic()
    while open_pipes:
        for pipe in multiprocessing.connection.wait(open_pipes):
            try:
                found = pipe.recv()  # type: ignore[union-attr]
            except EOFError:
                found = None
            if found is None:
                open_pipes.remove(pipe)  # type: ignore[arg-type]
                continue
            tally.add(found)
        if time.monotonic() - last > 10:
            last = time.monotonic()
            sys.stderr.write(f"{tally} of {count}, {last - start:.0f} s\n")
    return tally


def main() -> int:
    """Run the cases that the environment asks for; the last line sums up."""
    count, first = int(os.environ.get("CASES", "2000")), int(os.environ.get("SEED", "1"))
    tally = run(count, first, int(os.environ.get("WORKERS", WORKERS)))
    if path := os.environ.get("FOUND"):
        Path(path).write_text(json.dumps(tally.disagreements, indent=1) + "\n", encoding="utf-8")
    for one in tally.disagreements[:5]:
        sys.stdout.write(json.dumps(one, indent=1) + "\n")
    for name, counter in (("answers", tally.answers), ("cannot tell", tally.reasons)):
        sys.stdout.write(f"{name}: " + ", ".join(f"{text} {number}" for text, number in counter.most_common()) + "\n")
    sys.stdout.write(f"rulesets not taken whole: {tally.refused}\n{tally}\n")
    return 1 if tally.disagreements else 0
