"""Who visits which host next? Threads that take names until there are none; fewer, where the machine is too small."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whyrefused.collect.gate import Gate
    from whyrefused.collect.stop import Stop

ROUND = 0.2  # seconds after which a thread that waits looks whether the run is to end
MOST = 64


class Crew:
    """The hosts that wait, and how many are at work. No host is ever dropped: who leaves, leaves another at work."""

    def __init__(self, names: Iterable[str], forks: int, stop: Stop, gate: Gate) -> None:
        self.begun: dict[str, float] = {}  # when the visit of each host began, monotonic
        self._waiting = deque(names)
        self._held: deque[str] = deque()  # whom the gate does not let in yet
        self._gate = gate
        self._wanted = forks
        self._stop = stop
        self._lock = threading.Condition()
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
            while not self._stop.by:
                name = self._admitted()
                if name is not None:
                    self._gate.enter(name)
                    self.begun[name] = time.monotonic()
                    return name, self._size == 1
                if not self._held:
                    break
                self._lock.wait(ROUND)
            self._size -= 1
            return None

    def _admitted(self) -> str | None:
        """Who is next? Those that were held before all others; of many only the first are asked."""
        for place, name in enumerate(self._held):
            if place == MOST:
                break
            if self._gate.admits(name):
                del self._held[place]
                return name
        while self._waiting:
            name = self._waiting.popleft()
            if self._gate.admits(name):
                return name
            self._held.append(name)
        return None

    def leave(self, name: str) -> None:
        """It need not be waited for: whom its endpoints had no room for may begin."""
        with self._lock:
            self._gate.leave(name)
            self._lock.notify_all()

    def again(self, name: str) -> bool:
        """Let this host wait for another turn. Is another at work, so that this thread is one too many?"""
        with self._lock:
            self._gate.leave(name)
            self._waiting.append(name)
            del self.begun[name]
            self._lock.notify_all()
            many = self._size > 1
            self._size -= many
            self._fewest = self._size
            return many
