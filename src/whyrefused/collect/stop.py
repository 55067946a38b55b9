"""Has somebody asked this run to end?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

GRACE = 3.0  # seconds for the hosts that are being visited when it is asked
FILE = "stop"  # in the folder that the processes of one run share


class Stop:
    """Asked once, heard by all threads, and by all processes of the run where they share a folder.

    Set by a signal handler, which may interrupt any line of the main thread: so no lock is ever taken here.
    """

    def __init__(self) -> None:
        self._by = ""
        self._folder: Path | None = None

    def share(self, folder: str) -> None:
        """Ask, and hear, the other processes of this run too."""
        self._folder = Path(folder)
        if self._by:
            self.ask(self._by)

    def ask(self, by: str) -> None:
        """Let the run end; `by` is the signal's name."""
        self._by = self._by or by
        if self._folder is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with suppress(OSError):  # it stands there already
                descriptor = os.open(self._folder / FILE, flags, 0o600)
                os.write(descriptor, self._by.encode())
                os.close(descriptor)

    @property
    def by(self) -> str:
        """By which signal was it asked? Empty where it was not."""
        if not self._by and self._folder is not None:
            with suppress(OSError):
                self._by = (self._folder / FILE).read_text(encoding="ascii")
        return self._by
