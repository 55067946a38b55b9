"""What is left of a lab, and how does all of it go? By name, so that a crashed run's leftovers go too."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import cgroups, paths
from .process import LabError, run, started
from .record import LabRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACES = Path("/run/netns")
END_SECONDS = 20


def leftovers(lab: str | None) -> tuple[str, ...]:
    """What is on the machine of this lab, or with None of any: processes, mounts, namespaces, cgroups, state?"""
    states = [paths.labs() / lab] if lab else _folders(paths.labs())
    return (
        *(f"process {pid}" for pid in sorted(processes(lab))),
        *(f"mount {path}" for path in _mounts(lab)),
        *(f"namespace {path.name}" for path in _namespaces(lab)),
        *(f"cgroup {path}" for path in cgroups.of(lab)),
        *(f"state {path}" for path in states if path.exists()),
    )


def names() -> tuple[str, ...]:
    """Which labs are there, or have left something behind?"""
    seen = (*_folders(paths.labs()), *_namespaces(None), *cgroups.of(None))
    return tuple(sorted({path.name.removeprefix(f"{paths.PREFIX}.").split(".")[0] for path in seen}))


def orphans() -> tuple[str, ...]:
    """Which labs have outlived the process that they should have ended with?"""
    return tuple(folder.name for folder in _folders(paths.labs()) if _ownerless(folder))


def remove(lab: str) -> None:
    """Take a lab down: nothing of it is left, or a LabError says what. Call with `labs` locked, as for `forget`."""
    end(lab)
    forget(lab)


def end(lab: str) -> None:
    """End all that runs, is mounted or is named for the lab."""
    _kill(lab)
    for mount in _mounts(lab):
        run("umount", "--lazy", str(mount), check=False)
    for namespace in _namespaces(lab):
        run("ip", "netns", "delete", namespace.name, check=False)
    for folder in cgroups.of(lab):
        cgroups.remove(folder)


def forget(lab: str) -> None:
    """Delete the lab's state; a LabError says what is left of it.

    Call with `labs` locked: what is half gone looks like an orphan.
    """
    if not _mounts(lab):  # what is mounted there must not be deleted with it
        shutil.rmtree(paths.labs() / lab, ignore_errors=True)
    if left := leftovers(lab):
        raise LabError(f"of the lab {lab} is left: {', '.join(left)}")


def processes(lab: str | None) -> set[int]:
    """Which processes are in a namespace or cgroup of the lab? Not the one that asks."""
    found = {pid for folder in cgroups.of(lab) for pid in cgroups.processes(folder)}
    inodes = {path.stat().st_ino for path in _namespaces(lab)}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or a kernel thread
            if (entry / "ns/net").stat().st_ino in inodes:
                found.add(int(entry.name))
    return {pid for pid in found if pid != os.getpid() and started(pid) is not None}


def _kill(lab: str) -> None:
    deadline = time.monotonic() + END_SECONDS
    while (found := processes(lab)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _mounts(lab: str | None) -> tuple[Path, ...]:
    # proc(5), mountinfo: after the lone dash come type and source.
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    rows = (line.split(" - ", 1) for line in lines)
    return tuple(Path(_plain(left.split()[4])) for left, right in rows if paths.belongs(right.split()[1], lab))


def _plain(text: str) -> str:
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _namespaces(lab: str | None) -> tuple[Path, ...]:
    return tuple(path for path in _listed(NAMESPACES) if paths.belongs(path.name, lab))


def _folders(parent: Path) -> tuple[Path, ...]:
    return tuple(path for path in _listed(parent) if path.is_dir())


def _listed(parent: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(parent.iterdir())


def _ownerless(folder: Path) -> bool:
    try:
        owner = LabRecord.load(folder).owner
    except FileNotFoundError:
        return True
    return owner is not None and not owner.alive
