"""What does a run do when it is told to end? SIGTERM, SIGINT and SIGHUP alike: it ends soon, and says what it has."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from whyrefused.collect.stop import Stop

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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

    def _heard(self, number: int, _frame: object) -> None:
        first = not self._stop.by
        self._stop.ask(signal.Signals(number).name)
        if self.session is not None:
            self.session.shouldstop = f"interrupted ({self._stop.by})"
        if self.tearing and not (self.patient and first):
            raise KeyboardInterrupt
