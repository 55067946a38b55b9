"""What does all that an sshd starts cost its host? The kernel's own counters, of a control group for just that."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import paths, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fleet import Lab

ROOT = Path("/sys/fs/cgroup")
TREES = {"cpu": ROOT / "cpuacct", "memory": ROOT / "memory"}
"""Of version 1, where both controllers have trees of their own."""
SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was used, of all processes together."""

    seconds: float  # of CPU
    peak: int  # bytes of memory at most, with the pages of files that were read first by them


def missing() -> str:
    """Why can it not be counted here? Empty where it can."""
    return "" if all(tree.is_dir() for tree in TREES.values()) else "counting needs control groups of version 1"


@contextmanager
def counted(lab: Lab, host: str) -> Iterator[list[Cost]]:
    """Count what the sshd of a host, and all that it starts meanwhile, use; the list has one entry afterwards."""
    pid = trace.sshd(lab, host)
    folders = {name: tree / f"{paths.owned(lab.name, host)}-visit" for name, tree in TREES.items()}
    before = {name: Path(tree, _group(pid, tree)) for name, tree in TREES.items()}
    said: list[Cost] = []
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.procs").write_text(str(pid))
    try:
        start = int((folders["cpu"] / "cpuacct.usage").read_text())
        (folders["memory"] / "memory.max_usage_in_bytes").write_text("0")
        yield said
        used = int((folders["cpu"] / "cpuacct.usage").read_text()) - start
        peak = int((folders["memory"] / "memory.max_usage_in_bytes").read_text())
        said.append(Cost(seconds=used / 1e9, peak=peak))
    finally:
        for name, folder in folders.items():
            _leave(folder, before[name])


def _leave(folder: Path, to: Path) -> None:
    """Put what is in there back, and take the folder away: a login that is just ending holds it for a moment."""
    until = time.monotonic() + SECONDS
    while folder.exists():
        for left in (folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (to / "cgroup.procs").write_text(left)
        with suppress(OSError if time.monotonic() < until else ProcessLookupError):
            folder.rmdir()
            return
        time.sleep(0.05)


def _group(pid: int, tree: Path) -> str:
    rows = (line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    return next((path.lstrip("/") for _, kinds, path in rows if tree.name in kinds.split(",")), "")
