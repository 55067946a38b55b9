"""A signal tears what runs, but never an import in the middle of its locks: those would be held for ever."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from whyrefused.collect.stop import Stop
from whyrefused.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="only the main thread hears signals"
)


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Handlers that tear what runs."""
    made = Signals(Stop())
    made.install()
    made.tearing = True
    yield made
    made.restore()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def ended_in(file: str) -> None:
    """End this process while code of that file runs, and see that this code comes to its end."""
    known = {"os": os, "signal": signal, "done": []}
    exec(  # noqa: S102 - code of a file that nobody may write
        compile("os.kill(os.getpid(), signal.SIGTERM)\nfor _ in range(9): pass\ndone.append(1)", file, "exec"), known
    )
    assert known["done"]


def test_what_runs_is_torn(signals: Signals) -> None:
    """At once."""
    with pytest.raises(KeyboardInterrupt):
        ended_in(__file__)
    assert signals.tearing


def test_an_import_is_torn_a_moment_later(signals: Signals) -> None:
    """It lets go of its locks first; what comes after it is torn."""
    ended_in("<frozen importlib._bootstrap>")
    with pytest.raises(KeyboardInterrupt):
        time.sleep(20)
    assert signals.tearing


def test_an_instruction_of_no_line(signals: Signals) -> None:
    """What follows it is torn: pytest could not tell of it."""
    heard = signal.getsignal(signal.SIGTERM)
    assert callable(heard)
    heard(signal.SIGTERM, SimpleNamespace(f_code=ended_in.__code__, f_lineno=None))  # type: ignore[arg-type] - as a frame
    with pytest.raises(KeyboardInterrupt):
        time.sleep(20)
    assert signals.tearing


def test_what_is_not_to_be_torn_any_more(signals: Signals) -> None:
    """Nothing is, if it began meanwhile."""
    ended_in("<frozen importlib._bootstrap_external>")
    signals.tearing = False
    until = time.monotonic() + 20
    while signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_somebody_else_counts_on_the_alarm(signals: Signals) -> None:
    """It stays theirs, and what runs is torn at once."""
    theirs = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            ended_in("<frozen importlib._bootstrap>")
    finally:
        signal.signal(signal.SIGALRM, theirs)
    assert signals.tearing


def test_restored_before_the_alarm(signals: Signals) -> None:
    """No alarm comes to whoever runs after."""
    ended_in("<frozen importlib._bootstrap>")
    signals.restore()
    assert (0.0, signal.SIG_DFL) == (signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM))
