"""Who visits which host next? Threads that take names until there are none; fewer, where the machine is too small."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whyrefused.collect.stop import Stop


class Crew:
    """The hosts that wait, and how many are at work. No host is ever dropped: who leaves, leaves another at work."""

    def __init__(self, names: Iterable[str], forks: int, stop: Stop) -> None:
        self.begun: dict[str, float] = {}  # when the visit of each host began, monotonic
        self._waiting = deque(names)
        self._wanted = forks
        self._stop = stop
        self._lock = threading.Lock()
        self._size = 0
        self._fewest: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What must the reader know?"""
        if self._fewest is None:
            return ()
        fewer = f"{self._fewest} hosts at a time instead of {self._wanted} (ulimit -n, ulimit -u)"
        return (f"this machine ran out of descriptors, threads or memory: {fewer}",)

    def start(self, work: Callable[[], None]) -> None:
        """Put as many to work as are wanted and as can be started; in the caller's own thread if none can."""
        for started in range(self._wanted):
            with self._lock:
                self._size += 1
            try:
                # A thread that hangs in a backend must not keep the interpreter from ending.
                threading.Thread(target=work, daemon=True).start()
            except RuntimeError:
                with self._lock:
                    self._size -= 1
                    self._fewest = max(started, 1)
                break
        else:
            return
        if not started:
            with self._lock:
                self._size = 1
            work()

    def next(self) -> tuple[str, bool] | None:
        """Whom does this thread visit now, and is it alone at work? None where its work is done."""
        with self._lock:
            if not self._waiting or self._stop.by:
                self._size -= 1
                return None
            name = self._waiting.popleft()
            self.begun[name] = time.monotonic()
            return name, self._size == 1

    def again(self, name: str) -> bool:
        """Let this host wait for another turn. Is another at work, so that this thread is one too many?"""
        with self._lock:
            self._waiting.append(name)
            del self.begun[name]
            many = self._size > 1
            self._size -= many
            self._fewest = self._size
            return many
