"""What is finished is kept: a line for each host that answered, on the disk before it counts."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.collect import saved
from whyrefused.collect.replies import Replies
from whyrefused.collect.stored import Place
from whyrefused.files import append

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from whyrefused.collect.visited import Answer, Visited
    from whyrefused.records import Reply

Json = dict[str, object]
PIECE = 1 << 20  # bytes that are copied with one write
HELD = 8 << 20
"""Bytes of replies that are held in memory too: those of some hundred hosts. What is more is read where it stands."""


class Journal:
    """A file of lines that only grows. What cannot be written is told at the end, and never stops the visit."""

    def __init__(self, path: Path | None) -> None:
        self.problem = ""
        self._path = path
        self._descriptor: int | None = None
        self._whole = 0
        self._held = 0
        self._places: dict[bool, dict[str, Place]] = {False: {}, True: {}}  # by look, of those not held
        if path is not None:
            try:
                self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._whole = os.fstat(self._descriptor).st_size
            except OSError as error:
                self._failed(error)

    def keep(self, answers: Iterable[Answer], *, again: bool = False) -> list[Answer]:
        """Put these hosts on the disk, redacted as they are. What of them must be held in memory?"""
        answers = list(answers)
        lines = [
            _line({**saved.entry(reply), "host": reply.host, "warnings": said, "again": again, "asked": reply.asked,
                   "question": reply.question})
            for reply, said in answers
        ]  # fmt: skip
        start = self._whole
        if not self._append(lines):
            return answers
        held = []
        for (reply, said), line in zip(answers, lines, strict=True):
            self._held += len(line)
            if self._held > HELD:
                self._places[again][reply.host] = Place(start, len(line))
                reply = replace(reply, frames={})  # noqa: PLW2901 - the rest of it
            held.append((reply, said))
            start += len(line)
        return held

    def copy(self, lines: Iterable[bytes], asked: Mapping[str, str]) -> None:
        """Take over what another journal has of some hosts, so that whoever resumes this run needs no other.

        `asked` says when they were. It comes first, and counts only for hosts whose line is there.
        """
        some = [_line({"earlier": dict(asked)})] if asked else []
        for line in lines:
            some.append(line)
            if sum(map(len, some)) > PIECE:
                self._append(some)
                some = []
        self._append(some)

    def whole(self, visited: Visited, *, again: bool = False) -> Visited:
        """The same visit, in which the replies that are not held are read when they are asked for."""
        places = self._places[again]
        if not places:
            return visited
        rest = visited.replies
        return replace(visited, replies=Replies(rest, lambda host: self._read(rest[host], places.get(host))))

    def _read(self, reply: Reply, place: Place | None) -> Reply:
        if place is None or self._descriptor is None:
            return reply
        data = os.pread(self._descriptor, place.length, place.start)
        return replace(reply, frames=saved.reply_of(reply.host, json.loads(data)).frames)

    def end(self, visited: Visited) -> None:
        """Note that there is nothing more to come."""
        self._append([_line({name: getattr(visited, name) for name in ("finished", "interrupted", "notes")})])
        if self._descriptor is not None and not any(self._places.values()):
            try:
                os.close(self._descriptor)
            except OSError as error:
                self._failed(error)
            self._descriptor = None

    def _append(self, lines: list[bytes]) -> bool:
        """Are they all on the disk?"""
        if self._descriptor is None or not lines:
            return False
        try:
            append(self._descriptor, b"".join(lines))
            self._whole += sum(map(len, lines))
        except OSError as error:
            self._failed(error)
            with suppress(OSError):  # half a line would spoil those after it
                os.ftruncate(self._descriptor, self._whole)
            return False
        return True

    def _failed(self, error: OSError) -> None:
        self.problem = self.problem or f"{self._path}: {error.strerror}"


def _line(entry: Json) -> bytes:
    return json.dumps(entry, sort_keys=True).encode() + b"\n"
