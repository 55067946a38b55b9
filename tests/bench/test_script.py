"""What does the script cost a host, and which fragment how much? In CPU time, which a busy machine spoils least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench import race, standard
from bench.test_fleet import used

from whyrefused import script

if TYPE_CHECKING:
    from lab import Host, Lab

pytestmark = pytest.mark.bench

RUNS = 40
FILE = "/tmp/bench.sh"  # noqa: S108 - on a host of the lab
# dash's `times` prints a second line for the children that were waited for; what systemd does for them is not in it.
LOOP = f"""
i=0; while [ $i -lt {RUNS} ]; do SSH_CONNECTION='1 2 3 4' SHELL=/bin/bash sh {FILE} >/dev/null; i=$((i+1)); done; times
"""


def test_fragments(lab: Lab) -> None:
    """The whole script, each probe in a script of its own, and one that asks nothing."""
    host = next(iter(lab.hosts.values()))
    asked = standard.asked(lab.folder / "inventory.yml")
    texts = {
        "sh, nothing to do": ":\n",
        "no probe": script.script({}, standard.TOKEN),
        **{probe: script.script({probe: arguments}, standard.TOKEN) for probe, arguments in asked.items()},
        "all of them": script.script(asked, standard.TOKEN),
    }
    head = ("script of", "CPU ms of its processes", "CPU ms of PID 1 and services")
    race.say("CPU of one host", [head, *((name, *_cost(lab, host, text)) for name, text in texts.items())])


def _cost(lab: Lab, host: Host, text: str) -> tuple[str, str]:
    host.write(FILE, text)
    before = used(lab, host.name)
    own = sum(map(_seconds, host.run(LOOP).splitlines()[1].split()))
    return f"{own * 1000 / RUNS:.1f}", f"{(used(lab, host.name) - before) * 1000 / RUNS:.1f}"


def _seconds(word: str) -> float:
    """`0m1.25s` is how times(1) prints a time."""
    minutes, _, seconds = word.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds)
