"""A file of JSON that is larger than memory need be: where in it does each host's answer stand?

It is read from its beginning to its end once, piece by piece, and what is looked for later is read at its place. A pipe
is copied into a file without a name first.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

PIECE = 1 << 20
SPACE = " \t\n\r"
GOES_ON = frozenset(("", *".eE+-0123456789"))
"""What may stand behind the beginning of a number: nothing yet, or more of it."""


class Place(NamedTuple):
    """Where something stands, in bytes."""

    start: int
    length: int


class Stored:
    """One file, open for as long as anybody asks for it: what takes its name later is another file."""

    def __init__(self, source: str | BufferedReader) -> None:
        self._file = _seekable(source) if isinstance(source, str) else source

    def at(self, place: Place) -> Any:  # noqa: ANN401 - whatever JSON stands there
        """Which value stands there? Raises ValueError, OSError."""
        return json.loads(self.raw(place).decode("utf-8"))

    def raw(self, place: Place) -> bytes:
        """Which bytes stand there? Raises OSError."""
        return os.pread(self._file.fileno(), place.length, place.start)

    def first_line(self) -> bytes:
        """How does it begin? An end of line that does not come soon is not waited for."""
        return os.pread(self._file.fileno(), PIECE, 0).partition(b"\n")[0]

    def lines(self) -> Iterator[tuple[Place, bytes]]:
        """Which whole lines has it? What has no end is none."""
        self._file.seek(0)
        start = 0
        for line in self._file:
            if line.endswith(b"\n"):
                yield Place(start, len(line)), line
            start += len(line)

    def members(self) -> Iterator[tuple[str, str, Place, Any]]:
        """What does the object hold that it is: the member, of `hosts` each one's name, its place, and its value?

        Raises ValueError where it is no JSON object, and where `hosts` is none.
        """
        self._file.seek(0)
        text = _Text(self._file)
        for member in text.keys():  # noqa: SIM118 - no mapping
            if member == "hosts":
                yield member, "", Place(text.place, 0), None
                for name in text.keys():  # noqa: SIM118 - as above
                    place, value = text.value()
                    yield member, name, place, value
            else:
                place, value = text.value()
                yield member, "", place, value
        text.end()


def _seekable(path: str) -> BufferedReader:
    file = open(path, "rb")  # noqa: SIM115, PTH123 - it stays open
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - as above
    with file:
        shutil.copyfileobj(file, copy)
    return copy  # type: ignore[return-value] # a file of bytes, as the other


class _Text:
    """A text that is read piece by piece, and let go of behind what was read."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._text = ""
        self._at = 0  # in the text
        self._counted = (0, 0)  # a place in the text, and how many bytes of the file stand before it
        self._tail = b""  # the beginning of a character that the next piece ends
        self._decoder = json.JSONDecoder()

    @property
    def place(self) -> int:
        """How many bytes stand before what comes next?"""
        at, before = self._counted
        self._counted = (self._at, before + _bytes(self._text[at : self._at]))
        return self._counted[1]

    def keys(self) -> Iterator[str]:
        """Which keys has the object that begins here? Whoever asks reads the value of each."""
        self._take("{")
        if self._next() == "}":
            self._at += 1
            return
        while True:
            self._next()
            _, key = self.value()
            if not isinstance(key, str):
                raise ValueError("a key that is no text")  # noqa: TRY004 - as json has it
            self._take(":")
            yield key
            if self._next() == "}":
                self._at += 1
                return
            self._take(",")

    def value(self) -> tuple[Place, Any]:
        """Which value begins here, and where?"""
        self._next()
        self._forget()
        more = PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                if not self._read(more):
                    raise
            else:
                # A number may go on in the next piece: of 0.5 the text may end behind the dot.
                if self._text[end : end + 1] not in GOES_ON or not self._read(more):
                    place = Place(self.place, _bytes(self._text[self._at : end]))
                    self._at = end
                    return place, value
            more *= 2

    def end(self) -> None:
        """Nothing may follow."""
        if self._next():
            raise ValueError("more than one value")

    def _take(self, character: str) -> None:
        if self._next() != character:
            raise ValueError(f"no {character!r}")
        self._at += 1

    def _next(self) -> str:
        """Which character comes next, space left out? Empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._forget()
            if not self._read(PIECE):
                return ""

    def _forget(self) -> None:
        """Let go of what was read, once that is worth it."""
        if self._at >= PIECE or self._at == len(self._text):
            before = self.place
            self._text, self._at, self._counted = self._text[self._at :], 0, (0, before)

    def _read(self, size: int) -> bool:
        """Is there more? Raises ValueError where it is not UTF-8."""
        data = self._file.read(size)
        whole = self._tail + data
        if not data:
            whole.decode("utf-8")
            return False
        cut = next((n for n in range(1, min(4, len(whole) + 1)) if whole[-n] & 0xC0 != 0x80), 0)  # noqa: PLR2004 - UTF-8
        split = len(whole) - cut if cut and whole[-cut] >= 0xC0 else len(whole)  # noqa: PLR2004 - as above
        self._tail = whole[split:]
        self._text += whole[:split].decode("utf-8")
        return True


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
