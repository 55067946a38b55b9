"""What did a command of this machine say, and does a process still live?"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


PATIENCE = 240
"""Seconds that a command of the lab may take: a busy machine is slow, and a lab that fails for it tells nothing."""


class LabError(Exception):
    """Something about the lab itself went wrong: never a verdict on what is tested in it."""


def run(
    *argv: str,
    check: bool = True,
    stdin: str = "",
    timeout: float = PATIENCE,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
) -> subprocess.CompletedProcess[str]:
    """What does this command print? With `check`, a failure is a LabError that quotes it."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            env=env,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{shlex.join(argv)}: no end after {timeout:g} s") from late
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{shlex.join(argv)}: exit status {done.returncode}: {said}")
    return done


def started(pid: int) -> int | None:
    """When did this process start, in clock ticks since boot? None when it is gone or a zombie.

    With its number this names a process for good: numbers are given again.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # proc(5): the second field is the name in brackets and may hold anything; 3 is the state, 22 the start time.
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def children(pid: int) -> tuple[int, ...]:
    """Which processes did this one start that still live?"""
    try:
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return ()


def is_init(pid: int) -> bool:
    """Is this the first process of a process namespace of its own?"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"
