"""What did an earlier run keep for this one? Files for their owner alone, in a folder for him alone.

Nothing here is ever an error: what cannot be read, or is not ours and unharmed, is as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "whyrefused/inventory/2"
LARGEST = 128 * 1024 * 1024
MOST = 32
"""So many inventories are kept; the one that was written first goes."""
OTHERS = 0o077


def folder(environ: Mapping[str, str]) -> Path | None:
    """Where may it be kept? By the XDG base directory specification, which has no place for relative paths."""
    home, told = environ.get("HOME", ""), environ.get("XDG_CACHE_HOME", "")
    base = told if told.startswith("/") else f"{home}/.cache" if home.startswith("/") else ""
    return Path(base) / "whyrefused" if base else None


def get(place: Path, key: str) -> str | None:
    """What is kept there under this key?"""
    try:
        data = _read(place)
    except OSError:
        return None
    head, _, body = data.partition(b"\n")
    if head.decode("ascii", "replace").split(" ") != [SCHEMA, key, hashlib.sha256(body).hexdigest()]:
        return None
    return body.decode("utf-8", "replace")


def put(place: Path, key: str, body: str) -> None:
    """Keep this there, whole or not at all."""
    from whyrefused.files import make_folder, write  # noqa: PLC0415 - not where something is only read

    head = f"{SCHEMA} {key} {hashlib.sha256(body.encode()).hexdigest()}\n"
    if len(body) > LARGEST:
        return
    with suppress(OSError):
        make_folder(place.parent)
        os.close(_opened(place.parent))
        write(place, head + body)
        _prune(place.parent)


def _opened(folder: Path) -> int:
    """The folder, if it is ours alone; not one that a link leads to. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    state = os.fstat(descriptor)
    if state.st_uid != os.geteuid() or state.st_mode & OTHERS:
        os.close(descriptor)
        raise PermissionError(folder)
    return descriptor


def _read(place: Path) -> bytes:
    folder = _opened(place.parent)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - Path cannot open a descriptor
        state = os.fstat(descriptor)
        ours = stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & OTHERS
        if not ours or state.st_nlink != 1 or state.st_size > LARGEST:
            raise PermissionError(place)
        return file.read(LARGEST)


def _prune(folder: Path) -> None:
    kept = sorted(
        (path for path in folder.iterdir() if path.suffix == ".json"), key=lambda path: path.stat().st_mtime_ns
    )
    for path in kept[: max(0, len(kept) - MOST)]:
        path.unlink()
