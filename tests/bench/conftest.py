"""Benchmarks run when they are asked for, and share one lab of twenty hosts with five addresses each."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bench.standard import prepare
from lab import Lab, paths, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = "WHYREFUSED_BENCH"
LOCK = Path(__file__).with_name("requirements.lock")
HOSTS, ADDRESSES = 20, 5


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "bench: prints figures that a busy machine spoils; runs with `make bench`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `bench` unless it was asked for and can run, with the reason."""
    why = None if os.environ.get(ASKED) == "1" else f"benchmarks run with make bench ({ASKED}=1)"
    if reason := why or unavailable():
        for item in items:
            if item.get_closest_marker("bench"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Give twenty hosts on which everything is as the standard audit declares it."""
    with Lab(f"bench-{os.getpid()}") as made:
        prepare(made, made.boot(*(f"h{number:02}" for number in range(1, HOSTS + 1)), addresses=ADDRESSES))
        yield made


@pytest.fixture(scope="session")
def rivals() -> Path:
    """Give the programs of what users would pick instead, at their locked versions, in an environment of its own."""
    name = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = paths.cache() / f"rivals-{name}"
    with paths.locked("rivals"):
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            install = ("-m", "pip", "install", "-qq", "--require-hashes", "-r", LOCK)
            subprocess.run([folder / "bin" / "python", *install], check=True)
            (folder / "whole").touch()
    return folder / "bin"
