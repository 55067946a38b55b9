"""One visit for several processes of one run: the first makes it, the others wait and read what the hosts said.

The folder is private to the run (mkdtemp, 0700) and goes with it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.collect import saved
from whyrefused.files import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whyrefused.collect.visited import Visited

LOCK, REPLIES, PROBLEMS = "lock", "replies.json", "problems"


def once(folder: Path, visit: Callable[[], Visited]) -> Visited:
    """What did the hosts answer, and what must the reader know? Whoever of the run asks first visits them."""
    replies, problems = folder / REPLIES, folder / PROBLEMS
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not replies.exists():
            visited = visit()
            write(problems, "\n".join(visited.problems))
            write(replies, saved.parts(visited))  # last, and whole or not at all: who finds it finds all
        said = problems.read_text(encoding="utf-8")
        return replace(saved.read(str(replies)), problems=tuple(said.splitlines()))
    finally:
        os.close(lock)
