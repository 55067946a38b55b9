"""All hosts at once: threads, a progress line, and a reply for each, whatever happens."""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

from whyrefused.collect.visit import visit
from whyrefused.records import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.collect.visit import Options
    from whyrefused.records import Inventory
    from whyrefused.script import Asked

GRACE = 5.0  # seconds after a host's deadline until its thread is left alone
SLOW_LINE = 30.0  # seconds between two lines where there is no terminal

Answer = tuple[Reply, tuple[str, ...]]


def collect(
    inventory: Inventory, asked: Mapping[str, Mapping[str, Asked]], options: Options
) -> tuple[dict[str, Reply], tuple[str, ...]]:
    """What do all hosts answer, visited side by side? A reply for every host that is asked, and warnings."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    begun: dict[str, float] = {}
    for name in asked:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            begun[name] = time.monotonic()
            done.put(visit(inventory.hosts[name], asked[name], options))

    for _ in range(min(options.forks, len(asked))):
        # A thread that hangs in a backend must not keep the interpreter from ending.
        threading.Thread(target=work, daemon=True).start()
    return _gather(asked, begun, done, options)


def _gather(
    asked: Mapping[str, Mapping[str, Asked]],
    begun: Mapping[str, float],
    done: queue.SimpleQueue[Answer],
    options: Options,
) -> tuple[dict[str, Reply], tuple[str, ...]]:
    replies: dict[str, Reply] = {}
    warnings: list[str] = []
    progress = Progress(len(asked))
    while len(replies) < len(asked):
        try:
            reply, more = done.get(timeout=0.2)
        except queue.Empty:
            for reply in _overdue(asked, begun, replies, options):
                replies[reply.host] = reply
        else:
            replies.setdefault(reply.host, reply)
            warnings += [f"{reply.host}: {warning}" for warning in more]
        progress.show(len(replies))
    progress.end(replies)
    return replies, tuple(dict.fromkeys(warnings))


def _overdue(
    asked: Mapping[str, Mapping[str, Asked]], begun: Mapping[str, float], replies: Mapping[str, Reply], options: Options
) -> list[Reply]:
    """Which hosts have had their time and more? They are answered for here; what comes later is not believed."""
    now, limit = time.monotonic(), options.host_timeout + GRACE
    late = [name for name in asked if name not in replies and now - begun.get(name, now) > limit]
    why = f"command-timed-out: no answer within {options.host_timeout:g} s (--host-timeout)"
    return [Reply(host=name, frames={}, unreached=why, seconds=now - begun[name]) for name in late]


class Progress:
    """One line with the number of hosts done: rewritten on a terminal, now and then elsewhere."""

    def __init__(self, hosts: int) -> None:
        self._hosts = hosts
        self._file = sys.__stderr__
        self._live = bool(self._file and self._file.isatty())
        self._start = self._last = time.monotonic()
        self._shown = -1

    def show(self, done: int) -> None:
        """How far are we?"""
        now = time.monotonic()
        if self._file is None or done == self._shown or (not self._live and now - self._last < SLOW_LINE):
            return
        self._last, self._shown = now, done
        self._file.write(
            f"\rvisited {done} of {self._hosts} hosts" if self._live else f"visited {done} of {self._hosts}\n"
        )
        self._file.flush()

    def end(self, replies: Mapping[str, Reply]) -> None:
        """How did it go?"""
        if self._file is None:
            return
        lost = sum(reply.unreached is not None for reply in replies.values())
        words = f"visited {self._hosts} hosts in {time.monotonic() - self._start:.1f} s"
        self._file.write(("\r\x1b[K" if self._live else "") + words + (f", {lost} not reached" if lost else "") + "\n")
        self._file.flush()
