"""What does the script cost a host, and which fragment how much? In CPU time, which a busy machine spoils least."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from bench import race, standard, started
from bench.test_fleet import used

from whyrefused import script
from whyrefused.probes import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab import Host, Lab

    from whyrefused.script import Asked

pytestmark = pytest.mark.bench

RUNS = 40
AT_MOST = 40.0
"""CPU ms of the standard audit's own processes, whatever else the machine does; the goal is 30."""
FILE = "/tmp/bench.sh"  # noqa: S108 - on a host of the lab
# dash's `times` prints a second line for the children that were waited for; what systemd does for them is not in it.
LOOP = f"i=0; while [ $i -lt {RUNS} ]; do sh {FILE} >/dev/null; i=$((i+1)); done; times"


def test_fragments(lab: Lab) -> None:
    """The whole script, each probe in a script of its own with those that it looks at, and one that asks nothing."""
    host = next(iter(lab.hosts.values()))
    asked = standard.asked(lab.folder / "inventory.yml")
    texts = {"sh, nothing to do": ":\n", "no probe": script.script({}, standard.TOKEN)}
    texts |= {" + ".join((name, *_before(name, asked))): _one(name, asked) for name in asked}
    texts["all of them"] = script.script(asked, standard.TOKEN)
    costs = {name: _cost(lab, host, text) for name, text in texts.items()}
    head = ("script of", "processes started", "CPU ms of these", "CPU ms of PID 1, services and the login")
    race.say("CPU of one host", [head, *((name, *map(str, cost)) for name, cost in costs.items())])
    assert costs["all of them"][1] <= AT_MOST


def _before(name: str, asked: Mapping[str, Asked]) -> tuple[str, ...]:
    every = (each for one in registry()[name].AFTER for each in (*_before(one, asked), one))
    return tuple(dict.fromkeys(one for one in every if one in asked))


def _one(name: str, asked: Mapping[str, Asked]) -> str:
    return script.script({one: asked[one] for one in (name, *_before(name, asked))}, standard.TOKEN)


def _cost(lab: Lab, host: Host, text: str) -> tuple[int, float, float]:
    """Over SSH, since a visit's own connection counts among the sockets that it finds."""
    host.write(FILE, text)
    before = used(lab, host.name)
    own = sum(map(_seconds, lab.ssh(host.name, f"sh -c {shlex.quote(LOOP)}").splitlines()[1].split()))
    others = used(lab, host.name) - before - own
    return started.by(lab, host.name, FILE), round(own * 1000 / RUNS, 1), round(others * 1000 / RUNS, 1)


def _seconds(word: str) -> float:
    """`0m1.25s` is how times(1) prints a time."""
    minutes, _, seconds = word.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds)
