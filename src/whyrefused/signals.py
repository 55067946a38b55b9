"""What does a run do when it is told to end? SIGTERM, SIGINT and SIGHUP alike: it ends soon, and says what it has."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    import pytest

    from whyrefused.collect.stop import Stop

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SOON = 0.02  # seconds
IMPORTS = "<frozen importlib"
"""The file, as Python has it, of all that imports."""


class Signals:
    """The handlers of one run. While hosts are visited, judged or told of, a signal is noted and nothing is torn."""

    def __init__(self, stop: Stop) -> None:
        self.session: pytest.Session | None = None
        self.tearing = False  # whether what runs now may be torn: pytest's collection, and tests of others
        self.patient = False  # whether others do the work and end by themselves: the first signal tears nothing
        self._stop = stop
        self._before: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Hear them from now on. One that is ignored (nohup, a shell's background job) stays ignored."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in HEARD:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heard)

    def restore(self) -> None:
        """Let them do what they did before."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
        if signal.getsignal(signal.SIGALRM) == self._again:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        first = not self._stop.by
        self._stop.ask(signal.Signals(number).name)
        if self.session is not None:
            self.session.shouldstop = f"interrupted ({self._stop.by})"
        if self.tearing and not (self.patient and first):
            self._tear(frame)

    def _tear(self, frame: FrameType | None) -> None:
        """Tear what runs now, but no import in the middle of its locks: one left held would stop all others for ever.

        It may even be in vain, for Python passes over what is raised where a weak reference lets go of a lock. And what
        is torn at an instruction of no line (PEP 626), pytest cannot tell of, and ends with a status of its own.
        """
        alarm = signal.getsignal(signal.SIGALRM)
        delicate = frame is not None and (frame.f_code.co_filename.startswith(IMPORTS) or frame.f_lineno is None)
        if delicate and alarm in {signal.SIG_DFL, self._again}:
            signal.signal(signal.SIGALRM, self._again)
            signal.setitimer(signal.ITIMER_REAL, SOON)
        else:
            raise KeyboardInterrupt

    def _again(self, _number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if self.tearing:
            self._tear(frame)
