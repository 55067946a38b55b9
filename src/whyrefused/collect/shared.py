"""One visit for several processes of one run: the first makes it, the others wait and read what the hosts said.

The folder is private to the run (mkdtemp, 0700) and goes with it.
"""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

from whyrefused.collect import saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whyrefused.records import Reply

    Visited = tuple[dict[str, Reply], tuple[str, ...]]

REPLIES, NOTES = "replies.json", "notes.json"


def once(folder: Path, visit: Callable[[], Visited]) -> Visited:
    """What did the hosts answer, and what must the reader know? Whoever of the run asks first visits them."""
    replies, notes = folder / REPLIES, folder / NOTES
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not replies.exists():
            answered, said = visit()
            notes.write_text(json.dumps(said))
            part = replies.with_suffix(".part")
            part.write_text(saved.dumps(answered.values()))
            part.replace(replies)  # last, and whole or not at all: who finds it finds all
        return saved.loads(str(replies)), tuple(json.loads(notes.read_text()))
