"""Which cgroups are a host's own, and which processes are in them?

In a shared one, systemd meets the processes of other hosts and can stop nothing.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .paths import belongs

if TYPE_CHECKING:
    from collections.abc import Iterator

TREES = tuple(Path("/sys/fs/cgroup", tree) for tree in (".", "systemd", "unified"))
"""Version 2; or version 1's tree of systemd, and version 2's beside it where the machine is hybrid."""


def make(name: str) -> tuple[Path, ...]:
    """Which folders take the processes of a host? They are made here."""
    found = tuple(tree / name for tree in TREES if (tree / "cgroup.procs").exists())
    for folder in found:
        folder.mkdir(exist_ok=True)
    return found


def of(lab: str | None) -> tuple[Path, ...]:
    """Which cgroups are the lab's, or with None any lab's?"""
    return tuple(folder for tree in TREES if tree.is_dir() for folder in tree.iterdir() if belongs(folder.name, lab))


def processes(folder: Path) -> Iterator[int]:
    """Which processes are in this cgroup and those below it?"""
    for file in folder.rglob("cgroup.procs"):
        with suppress(OSError):  # gone since it was listed
            yield from map(int, file.read_text().split())


def remove(folder: Path) -> None:
    """Take a cgroup away, and those below it first; the kernel keeps one that still holds a process."""
    below = sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in (*below, folder):
        with suppress(OSError):
            path.rmdir()
