"""How is a mutant tried? In a process of its own, which ends with the first test that fails."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING

from mutants.core import ROOT, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mutants.core import Module

    Tell = Callable[[int, bool | None], None]

BUSY, PATIENCE = 15, 900
"""Seconds, of the processor's time and of anybody's, after which a mutant that does not end counts as noticed."""
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--assert=plain")


def warm() -> None:
    """Load what every child needs, and nothing of ours: a module that is loaded cannot be another one."""
    os.chdir(ROOT)
    sys.path.insert(0, str(SOURCE))
    for name in ("pytest", "hypothesis", "hypothesis.strategies", "yaml", "jinja2", "pydantic", "paramiko", "coverage"):
        __import__(name)


def noticed(act: Callable[[], bool]) -> bool:
    """Does this, in a process of its own, say so, or break, or not end?"""
    pid = os.fork()
    if pid == 0:
        _child(act)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _child(act: Callable[[], bool]) -> None:
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (BUSY, BUSY))
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        code = int(act())
    finally:
        os._exit(code)


def told(work: Callable[[Tell], object]) -> Iterator[tuple[int, bool | None]]:
    """What does this work, in a process of its own, tell of each mutant, by number?"""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        with os.fdopen(theirs, "wb", buffering=0) as out:
            _child(lambda: bool(work(lambda number, found: pickle.dump((number, found), out))))
    os.close(theirs)
    with os.fdopen(ours, "rb") as answers:
        while answers.peek(1):
            yield pickle.load(answers)  # noqa: S301 - our own
    os.waitpid(pid, 0)


class Steady:
    """Hypothesis draws the same examples for each mutant, and does not look for the smallest that fails."""

    @staticmethod
    def pytest_configure() -> None:
        """Set it before a test is collected."""
        from hypothesis import Phase, settings  # noqa: PLC0415 - loaded before the fork

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
        settings.load_profile("mutants")


def tests_fail(module: Module, folder: str, *plugins: object) -> bool:
    """Does pytest find a failure, or no test?"""
    import pytest  # noqa: PLC0415 - loaded before the fork

    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = "/nonexistent"
    return pytest.main([*ARGUMENTS, f"--basetemp={folder}", *module.arguments], plugins=[Steady(), *plugins]) != 0
