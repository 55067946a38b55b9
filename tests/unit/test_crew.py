"""Every host is visited once for certain, however many of them this machine can have at a time."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.collect import fleet, limits
from whyrefused.collect.crew import Crew
from whyrefused.collect.stop import Stop
from whyrefused.collect.visit import Options
from whyrefused.records import Reply
from whyrefused.ssh import SHORT, NotReached

if TYPE_CHECKING:
    import pytest


OPEN: Any = SimpleNamespace(admits=lambda _: True, enter=lambda _: None, leave=lambda _: None)
"""A gate that lets everybody in."""


def visited(names: list[str], forks: int, room: int, refused: int) -> tuple[list[str], Crew]:
    """Whom does a crew visit where only so many visits find room at once, and some threads are refused?"""
    crew, done, at_work, lock = Crew(names, forks, Stop(), OPEN), [], [0], threading.Lock()
    ended = threading.Event()

    def work() -> None:
        while (turn := crew.next()) is not None:
            name, alone = turn
            with lock:
                at_work[0] += 1
                fits = at_work[0] <= room
            threading.Event().wait(0.0005)
            with lock:
                at_work[0] -= 1
            if fits or alone:
                done.append(name)
                if len(done) == len(names):
                    ended.set()
            elif crew.again(name):
                return

    started = [0]
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread._target is work:  # type: ignore[attr-defined] # noqa: SLF001 - which of all threads is it?
            if started[0] >= forks - refused:
                raise RuntimeError("can't start new thread")
            started[0] += 1
        real(thread)

    threading.Thread.start = start  # type: ignore[method-assign]
    try:
        crew.start(work)
    finally:
        threading.Thread.start = real  # type: ignore[method-assign]
    assert not names or ended.wait(30)
    return done, crew


@settings(max_examples=60)
@given(st.integers(0, 30), st.integers(1, 12), st.integers(1, 12), st.integers(0, 12))
def test_nobody_is_dropped(hosts: int, forks: int, room: int, refused: int) -> None:
    """Each host is in what is done, and once; where there were fewer at a time than wanted, that is told."""
    names = [f"h{number}" for number in range(hosts)]
    done, crew = visited(names, forks, room, min(refused, forks))
    assert names == sorted(done, key=lambda name: int(name[1:]))
    assert bool(crew.notes) or not refused or not hosts


def test_a_starved_visit_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for want of descriptors here is no answer of the host: it is visited again, with fewer at a time."""
    at_work, lock = [0], threading.Lock()

    def visit(host: str, *_: object) -> tuple[Reply, tuple[str, ...]]:
        with lock:
            at_work[0] += 1
            starved = at_work[0] > 1
        threading.Event().wait(0.002)
        with lock:
            at_work[0] -= 1
        why = "local: too many open files" if starved else None
        return Reply(host=host, frames={}, unreached=why, starved=starved), ()

    monkeypatch.setattr(fleet, "visit", visit)
    names = [f"h{number}" for number in range(12)]
    inventory = SimpleNamespace(hosts={name: name for name in names})
    visited = fleet.collect(inventory, {name: {} for name in names}, Options(forks=6))  # type: ignore[arg-type] - all it takes
    assert dict.fromkeys(names) == {name: reply.unreached for name, reply in visited.replies.items()}
    assert names == list(visited.replies)
    assert any("hosts at a time instead of 6" in note for note in visited.notes)


def test_whose_fault_it_is() -> None:
    """Out of descriptors is this machine's, also where SSH has made a reason of it; refused is the host's."""
    told = NotReached("local", "could not go on")
    told.__context__ = OSError(next(iter(SHORT)), "Too many open files")
    assert limits.starved(told)
    assert limits.starved(MemoryError())
    assert limits.starved(RuntimeError("can't start new thread"))
    assert not limits.starved(NotReached("refused", "connection refused"))
    assert not limits.starved(ConnectionRefusedError(111, "refused"))


def test_without_a_table_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc is not there, or there is no limit, nobody waits."""
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (limits.resource.RLIM_INFINITY,) * 2)
    assert (7, ()) == limits.affordable(7)


def test_what_is_open_meanwhile_takes_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another thread opens between raising the limit and counting the turns costs nobody one."""
    opened, limit = iter(range(7, 99)), [40, 1000]
    monkeypatch.setattr(limits, "_open", lambda: next(opened))
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: tuple(limit))
    monkeypatch.setattr(limits.resource, "setrlimit", lambda _, new: limit.__setitem__(slice(None), new))
    assert (8, ()) == limits.affordable(8)
    assert limit == [7 + limits.OURS + 8 * limits.EACH, 1000]
