"""A run that is ended at any moment has told of all that was finished, or its journal has it: nothing is lost.

Ten moments at each `make test`; WHYREFUSED_KILLS=100 takes so many. The seed is printed where one fails.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from whyrefused import report

from .fleet import PATIENCE, Fleet, in_journal, journals, until_it_listens

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = int(os.environ.get("WHYREFUSED_KILLS", "10"))
SEED = int(os.environ.get("WHYREFUSED_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
WITHIN = float(os.environ.get("WHYREFUSED_WITHIN", "15"))  # seconds from signal to end: 5, but here others work too
BEHIND = 3.0  # seconds after which what a host has said must be on the disk, on a busy machine too
WAYS: tuple[tuple[str, ...], ...] = ((), ("--items=host",))
"""With one item of pytest for each declared item, and with one for each host and check."""
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGHUP, signal.SIGKILL)
WRITTEN = ("--html=page.html", "--findings=found.json", "--junitxml=junit.xml")


def plan(number: int, hosts: Fleet) -> tuple[signal.Signals, float]:
    """Which signal comes when, and how long does each host take? One never ends."""
    chance = random.Random(SEED * 1000 + number)  # noqa: S311 - repeated by its seed
    delays = {host: chance.uniform(0, 4) for host in hosts.hosts}
    hosts.delays(delays | {chance.choice(hosts.hosts): 30.0})
    return SIGNALS[number % len(SIGNALS)], chance.uniform(0, 7)


def found(folder: Path) -> dict[str, Any]:
    """What do the findings say? They fit their schema, and page and JUnit file are whole too."""
    document: dict[str, Any] = json.loads((folder / "found.json").read_text())
    jsonschema.validate(document, report.schema())
    assert (folder / "page.html").read_text().rstrip().endswith("</html>")
    cases = ET.parse(folder / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    names = sorted(str(one.get("name")) for one in cases if one.get("name") != "test_it")
    assert sorted(one["id"].rpartition("::")[2] for one in document["results"]) == names
    return document


def judged(document: dict[str, Any]) -> set[str]:
    """Which hosts were judged? All others say that they were not run, and why."""
    ran = {one["host"] for one in document["results"] if one["outcome"] == "passed"}
    for one in document["results"]:
        if one["host"] not in ran:
            assert (one["outcome"], one["observed"].startswith("not run: interrupted")) == ("skipped", True), one
    return ran


@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_finished_is_lost(
    number: int, hosts: Fleet, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Ended at a random moment: all that was finished is told, the rest is not run, and the status says so."""
    which, moment = plan(number, hosts)
    way = WAYS[number // len(WAYS) % len(WAYS)]
    process = hosts.start(tmp_path, *WRITTEN, *way)
    until_it_listens(process)
    with pytest.raises(Exception, match="timed out"):
        process.wait(moment)
    on_disk, began, at = in_journal(tmp_path), time.monotonic(), time.time()
    process.send_signal(which)
    status, took = process.wait(PATIENCE), time.monotonic() - began
    record_property(which.name, f"{took:.2f} s, {len(on_disk)} on the disk")
    said = f"seed {SEED}, {which.name} after {moment:.2f} s\n{(tmp_path / 'said').read_text()}"
    on_disk |= {host for host, ended in hosts.ended().items() if ended < at - BEHIND}
    if which == signal.SIGKILL:
        lost = afterwards(hosts, tmp_path, said, *way) if journals(tmp_path) else on_disk
        assert set() == on_disk - lost if journals(tmp_path) else on_disk == set(), said
        return
    assert (2, True) == (status, took < WITHIN), f"{took:.1f} s, {said}"
    document = found(tmp_path)
    assert not document["run"]["complete"]
    assert on_disk <= judged(document), said
    assert len(document["results"]) in ({16} if on_disk else {0, 16}), said
    # What it kept is there for a run that resumes it.
    assert document["run"]["hosts"] == sorted(in_journal(tmp_path)), said
    assert bool(document["run"]["hosts"]) == bool(journals(tmp_path)), said


def afterwards(hosts: Fleet, folder: Path, said: str, *way: str) -> set[str]:
    """Which hosts does a killed run's journal tell of?"""
    (journal,) = journals(folder)
    assert (0o600, 0o700) == (journal.stat().st_mode & 0o777, journal.parent.stat().st_mode & 0o777)
    status = hosts.audit(folder, *WRITTEN, f"--evidence={journal}", *way)
    assert status == 2, said + (folder / "said").read_text()
    assert journals(folder) == [journal], said
    return judged(found(folder))


def test_workers_are_told(hosts: Fleet, tmp_path: Path) -> None:
    """With -n 2 the process that is told to end lets the others tell what they have."""
    hosts.delays({host: 0.0 if host in {"h1", "h2"} else 30.0 for host in hosts.hosts})
    process = hosts.start(tmp_path, *WRITTEN, "-n2")
    until = time.monotonic() + PATIENCE
    while len(in_journal(tmp_path)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 2, (tmp_path / "said").read_text()
    assert judged(found(tmp_path)) == {"h1", "h2"} == in_journal(tmp_path)
    assert [path.parent for path in journals(tmp_path)] == list(tmp_path.glob(".whyrefused-*"))
    assert [] == [path.name for path in tmp_path.glob(".whyrefused-*/*") if path.name != "journal.jsonl"]


def test_a_signal_that_is_ignored_stays_so(hosts: Fleet, tmp_path: Path) -> None:
    """Under nohup a hang-up ends nothing."""
    hosts.delays(dict.fromkeys(hosts.hosts, 0.5))
    process = hosts.start(tmp_path, *WRITTEN, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    until_it_listens(process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 0, (tmp_path / "said").read_text()
    assert judged(found(tmp_path)) == set(hosts.hosts)


def test_a_test_of_others_is_torn(hosts: Fleet, tmp_path: Path) -> None:
    """An operator's own test that never ends does not keep a run: all hosts were judged, and that is told."""
    hosts.delays(dict.fromkeys(hosts.hosts, 0.0))
    (tmp_path / "test_own.py").write_text(
        "import pathlib, time\n\ndef test_it():\n    pathlib.Path('begun').touch()\n    time.sleep(600)\n"
    )
    process = hosts.start(tmp_path, *WRITTEN, "test_own.py")
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "begun").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 2, (tmp_path / "said").read_text()
    assert judged(found(tmp_path)) == set(hosts.hosts)


def test_told_before_it_has_begun(hosts: Fleet, tmp_path: Path) -> None:
    """The earliest moment at which a run hears: its reports say that nothing was looked at."""
    process = hosts.start(tmp_path, *WRITTEN)
    until_it_listens(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 2, (tmp_path / "said").read_text()
    document = found(tmp_path)
    assert ([], False) == (document["run"]["hosts"], document["run"]["complete"])
    assert ["interrupted (SIGTERM): no host had been visited"] == document["run"]["notes"]


def test_an_inventory_that_never_comes(hosts: Fleet, tmp_path: Path) -> None:
    """Told to end while an inventory's script hangs: the run ends, and so does the script."""
    script = tmp_path / "hosts.sh"
    script.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o755)
    process = hosts.start(tmp_path, *WRITTEN, f"--inventory={script}")
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "pid").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 2, (tmp_path / "said").read_text()
    assert time.monotonic() - began < WITHIN
    assert not found(tmp_path)["run"]["complete"]
    script_of = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}")
    while script_of.exists():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)
