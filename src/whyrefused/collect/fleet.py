"""All hosts at once: threads, a progress line, and a reply for each, whatever happens."""

from __future__ import annotations

import queue
import sys
import time
from typing import TYPE_CHECKING

from whyrefused.collect import limits, memory, visited
from whyrefused.collect.crew import Crew
from whyrefused.collect.gate import Gate
from whyrefused.collect.stop import GRACE as STOPPING
from whyrefused.collect.stop import Stop
from whyrefused.collect.visit import visit
from whyrefused.records import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.collect.visit import Options
    from whyrefused.collect.visited import Answer, Visited
    from whyrefused.records import Inventory
    from whyrefused.script import Asked

    Keep = Callable[[Iterable[Answer]], list[Answer]]

GRACE = 5.0  # seconds after a host's deadline until its thread is left alone
SLOW_LINE = 30.0  # seconds between two lines where there is no terminal


def collect(
    inventory: Inventory,
    asked: Mapping[str, Mapping[str, Asked]],
    options: Options,
    *,
    stop: Stop | None = None,
    keep: Keep = list,
) -> Visited:
    """What do all hosts answer, visited side by side? A reply for every host that is asked, and warnings.

    Where `stop` is asked no other host is visited, and those that are being visited have a little time; who has not
    answered by then has no reply. `keep` gets what is finished before it counts as such, and says what of it is held.
    """
    stop = stop or Stop()
    done: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    forks, notes = limits.affordable(min(options.forks, len(asked)))
    crew = Crew(asked, forks, stop, Gate(inventory, asked))

    def work() -> None:
        while (turn := crew.next()) is not None:
            name, alone = turn
            reply, said = visit(inventory.hosts[name], asked[name], options)
            if alone or not reply.starved:
                crew.leave(name)
                done.put((reply, said))
            elif crew.again(name):
                return

    memory.few_heaps()
    crew.start(work)
    answers = _gather(asked, crew, done, options, stop, keep)
    memory.give_back()
    return visited.of(answers).ordered(asked).with_notes(*notes, *crew.notes)


def _gather(  # noqa: PLR0913, PLR0917 - all that a visit consists of
    asked: Mapping[str, Mapping[str, Asked]],
    crew: Crew,
    done: queue.SimpleQueue[Answer],
    options: Options,
    stop: Stop,
    keep: Keep,
) -> list[Answer]:
    answers: dict[str, Answer] = {}
    progress = Progress(len(asked))
    since = 0.0
    while len(answers) < len(asked):
        batch = [one for one in _arrived(done) if one[0].host not in answers]
        if not batch:
            batch = [(reply, ()) for reply in _overdue(asked, crew.begun, answers, options)]
            for reply, _ in batch:
                crew.leave(reply.host)
        answers |= {one[0].host: one for one in keep(batch)}
        progress.show(len(answers))
        if stop.by:
            since = since or time.monotonic()
            if crew.begun.keys() <= answers.keys() or time.monotonic() - since > STOPPING:
                break
    progress.end(len(answers), sum(reply.unreached is not None for reply, _ in answers.values()))
    return list(answers.values())


def _arrived(done: queue.SimpleQueue[Answer]) -> list[Answer]:
    """Who has answered? Waits a moment for the first, and takes all that are there: they cost the disk one write."""
    found: list[Answer] = []
    try:
        found.append(done.get(timeout=0.2))
        while True:
            found.append(done.get_nowait())
    except queue.Empty:
        return found


def _overdue(
    asked: Mapping[str, Mapping[str, Asked]], begun: Mapping[str, float], answers: Iterable[str], options: Options
) -> list[Reply]:
    """Which hosts have had their time and more? They are answered for here; what comes later is not believed."""
    now, limit = time.monotonic(), options.host_timeout + GRACE
    late = [name for name in asked if name not in answers and now - begun.get(name, now) > limit]
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

    def end(self, done: int, lost: int) -> None:
        """How did it go?"""
        if self._file is None:
            return
        many = f"{done} of {self._hosts}" if done < self._hosts else f"{done}"
        words = f"visited {many} host{'s' if many != '1' else ''} in {time.monotonic() - self._start:.1f} s"
        self._file.write(("\r\x1b[K" if self._live else "") + words + (f", {lost} not reached" if lost else "") + "\n")
        self._file.flush()
