"""What is finished is kept: a line for each host that answered, on the disk before it counts."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from whyrefused.collect import saved
from whyrefused.files import append

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from whyrefused.collect.visited import Answer, Visited

Json = dict[str, object]


class Journal:
    """A file of lines that only grows. What cannot be written is told at the end, and never stops the visit."""

    def __init__(self, path: Path | None) -> None:
        self.problem = ""
        self._path = path
        self._descriptor: int | None = None
        self._whole = 0
        if path is not None:
            try:
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._whole = os.fstat(self._descriptor).st_size
            except OSError as error:
                self._failed(error)

    def keep(self, answers: Iterable[Answer], *, again: bool = False) -> None:
        """Put these hosts on the disk, redacted as they are."""
        self._append([{**saved.entry(reply), "host": reply.host, "warnings": said, "again": again}
                      for reply, said in answers])  # fmt: skip

    def end(self, visited: Visited) -> None:
        """Note that there is nothing more to come."""
        about: Json = {"finished": visited.finished, "interrupted": visited.interrupted, "notes": visited.notes}
        self._append([about])
        if self._descriptor is not None:
            try:
                os.close(self._descriptor)
            except OSError as error:
                self._failed(error)
            self._descriptor = None

    def _append(self, entries: Iterable[Json]) -> None:
        lines = "".join(json.dumps(one, sort_keys=True) + "\n" for one in entries).encode()
        if self._descriptor is None or not lines:
            return
        try:
            append(self._descriptor, lines)
            self._whole += len(lines)
        except OSError as error:
            self._failed(error)
            with suppress(OSError):  # half a line would spoil those after it
                os.ftruncate(self._descriptor, self._whole)

    def _failed(self, error: OSError) -> None:
        self.problem = self.problem or f"{self._path}: {error.strerror}"
