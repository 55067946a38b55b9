"""What do the parts of a run cost the client? A program of its own: `python parts.py INVENTORY` prints CPU seconds."""

from __future__ import annotations

import json
import os
import sys
import time

from whyrefused import ssh
from whyrefused.collect.fleet import collect
from whyrefused.collect.visit import Options
from whyrefused.inventory import load
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared


def _children() -> float:
    """How much have programs used that were waited for?"""
    times = os.times()
    return times.children_user + times.children_system


def main(inventory: str) -> None:
    """Read the inventory, visit its hosts once, and print what that cost."""
    loaded = load((inventory,))
    asked = questions(loaded, declared(loaded), 4.0)
    programs = _children()
    ssh.warm_up()
    before = time.process_time()
    visited = collect(loaded, asked, Options())
    visits = time.process_time() - before
    unreached = sum(reply.unreached is not None for reply in visited.replies.values())
    # `ssh -G` is a program too, and a part of the visits.
    told = {"visits": visits + _children() - programs, "inventory": programs, "unreached": unreached}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
