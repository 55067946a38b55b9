"""How long does the standard audit take where every round trip takes 100 ms, beside bare ssh on the same long way?"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING

import pytest
from bench import contestants, race, standard
from bench.contestants import FLOOR, OURS
from bench.test_fleet import used
from lab import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.standard import Fleet
    from lab import Lab

pytestmark = pytest.mark.bench

SECONDS, ROUNDS = 0.1, 3
TRIPS = 8
"""What the protocol takes: version, key exchange, its end and the service, key, session, command, script; the end."""
GOAL = 1.2
MANY = 100


@contextmanager
def far(lab: Lab, folder: Path, fleet: Fleet, seconds: float) -> Iterator[tuple[Fleet, Path]]:
    """Which fleet is the same one, far away, and with which ssh_config is it reached? The trips are counted."""
    places = {name: f"127.20.0.{number}" for number, name in enumerate(fleet.places, start=1)}
    keys = {address: host.key for host in lab.hosts.values() for address in host.addresses}
    known, config, routes = folder / "far_known_hosts", folder / "far_ssh_config", folder / "routes.json"
    known.write_text(sshd.known_hosts((name, (places[name],), keys[fleet.places[name]]) for name in places))
    config.write_text(sshd.config(lab.key, known, ()))
    routes.write_text(json.dumps([(places[name], fleet.places[name]) for name in places]))
    made = standard.fleet(lab, "far.yml", places, ansible_ssh_common_args=f"-F {config}")
    script = Path(__file__).with_name("relay.py")
    argv = (*lab.inside, sys.executable, str(script), str(seconds), str(routes), str(folder / "trips.json"))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdin and relay.stdout and relay.stdout.readline() == "ready\n"  # noqa: PT018 - its pipes
        yield made, config
        relay.stdin.close()
        assert relay.wait(60) == 0


def trips(folder: Path) -> list[int]:
    """How many round trips had each connection since the last one was counted?"""
    found: list[int] = json.loads((folder / "trips.json").read_text())
    return found


def test_no_needless_round_trip(lab: Lab, tmp_path: Path) -> None:
    """Each host costs what the protocol needs, and no more than it costs ssh."""
    counted = {}
    for name in (OURS, FLOOR):
        with far(lab, tmp_path, standard.twenty(lab), SECONDS) as (fleet, config):
            one = (
                contestants.ours(lab, tmp_path, fleet)
                if name == OURS
                else contestants.floor(lab, tmp_path, fleet, FLOOR, *contestants.CURVE, rounds=1, config=config)
            )
            assert race.lap(one, tmp_path / "output", lambda: used(lab)).status == 0, (tmp_path / "output").read_text()
        counted[name] = trips(tmp_path)
    rows = [(name, *(str(of(each)) for of in (min, median_low, max))) for name, each in counted.items()]
    race.say("Round trips", [("contestant", "fewest", "median", "most"), *rows])
    assert len(counted[OURS]) == len(lab.hosts)
    # A busy machine puts pauses between what belongs together; most connections are spared.
    assert median_low(counted[OURS]) <= TRIPS
    assert median_low(counted[OURS]) < median_low(counted[FLOOR])


def test_far_hosts(lab: Lab, tmp_path: Path) -> None:
    """A hundred hosts, 100 ms away, with as many at once as by default, and with all of them at once."""
    with far(lab, tmp_path, standard.hundred(lab), SECONDS) as (fleet, config):
        field = (
            contestants.ours(lab, tmp_path, fleet, rounds=ROUNDS),
            contestants.floor(lab, tmp_path, fleet, FLOOR, *contestants.CURVE, rounds=ROUNDS, config=config),
            contestants.ours(lab, tmp_path, fleet, "--forks=64", rounds=ROUNDS, name="whyrefused, --forks=64"),
            contestants.ours(
                lab, tmp_path, fleet, f"--forks={MANY}", rounds=ROUNDS, name=f"whyrefused, --forks={MANY}"
            ),
        )
        laps = race.race(field, tmp_path / "output", lambda: used(lab))
    assert {0} == {lap.status for runs in laps.values() for lap in runs}, (tmp_path / "output").read_text()
    race.say(f"Standard audit, {len(fleet.places)} hosts, {SECONDS * 1000:g} ms a round trip", race.rows(laps, FLOOR))
    goal = f"at most {GOAL:g}"
    race.say("Goals", [("x", "of", "goal", "is"), (OURS, FLOOR, goal, f"{race.ratio(laps[OURS], laps[FLOOR]):.2f}")])
