"""A run that was cut short at any moment and is resumed finds what one that nobody ended finds, and asks nobody twice.

Two runs at each `make test`; WHYREFUSED_RESUMES=50 takes so many, as `make torture` does. The seed is printed where
one fails.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from whyrefused import moments, report

from .fleet import EXPECT, PATIENCE, Fleet, fleet, in_journal, journals, until_it_listens

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

RESUMES = int(os.environ.get("WHYREFUSED_RESUMES", "2"))
SEED = int(os.environ.get("WHYREFUSED_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
WRITTEN = ("--html=page.html", "--findings=found.json", "--junitxml=junit.xml")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
WAYS: tuple[tuple[str, ...], ...] = ((), ("--items=host",), ("-n2",))
BEHIND = 3.0  # seconds after which what a host has said must be on the disk, on a busy machine too
UNTOUCHED = dict.fromkeys([f"h{number}" for number in range(1, 9)], 0.0)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Eight hosts of which two are not as declared. Of nothing is asked that changes while others are at work here."""
    with fleet(tmp_path_factory.mktemp("faulty"), 8) as made:
        document = yaml.safe_load(made.inventory.read_text())
        document["all"]["vars"]["expect"] = {"resolves": EXPECT["resolves"], "proxy": "none"}
        document["all"]["hosts"]["h3"]["expect"] = {"proxy": {"http": "http://192.0.2.1:3128"}}
        document["all"]["hosts"]["h6"]["expect"] = {"resolves": {"localhost": ["192.0.2.1"]}}
        made.inventory.write_text(yaml.safe_dump(document))
        yield made


@pytest.fixture(scope="module")
def whole(hosts: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run finds that nobody ends."""
    hosts.delays(UNTOUCHED)
    folder = tmp_path_factory.mktemp("whole")
    assert hosts.audit(folder, *WRITTEN) == 1, (folder / "said").read_text()
    found = told(folder)
    assert {"dns", "proxy"} == {one["cause"] for one in found["findings"]}
    return found


def told(folder: Path) -> dict[str, Any]:
    """What do the findings say? They fit their schema."""
    document: dict[str, Any] = json.loads((folder / "found.json").read_text())
    jsonschema.validate(document, report.schema())
    assert (folder / "page.html").read_text().rstrip().endswith("</html>")
    return document


def union(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Results and findings, without what differs between any two looks: numbers of processes, ports and times."""
    text = json.dumps([document["results"], document["findings"]], sort_keys=True)
    kept: list[dict[str, Any]] = json.loads(re.sub(r"\d{4,}", "N", text))
    return kept


def ended(process: subprocess.Popen[str], moment: float, which: signal.Signals, said: str = "") -> int:
    """End it then, its workers too, unless it has ended by then: with which status did it?"""
    until = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, which) if which == signal.SIGKILL else process.send_signal(which)
    try:
        status = process.wait(PATIENCE)
    except TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # pytest tells what each thread does
        raise AssertionError(f"{said}\n{which.name} after {moment:.2f} s was not obeyed; see its last words") from None
    with suppress(ProcessLookupError):
        while time.monotonic() < until + PATIENCE:
            os.killpg(process.pid, 0)  # raises once nobody of it is left
            time.sleep(0.02)
    return status


def cut_short(
    hosts: Fleet,
    folder: Path,
    names: set[str],
    *options: str,
    by: signal.Signals = signal.SIGKILL,
    asked: frozenset[str] = frozenset(UNTOUCHED),
) -> Path:
    """A run that is ended when just these of those that are asked have answered: which journal did it leave?"""
    hosts.delays({host: 0.0 if host in names else 60.0 for host in hosts.hosts})
    process = hosts.start(folder, *WRITTEN, *options, start_new_session=True)
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        # What has begun there belongs to this run, and not to the next.
        if names <= in_journal(folder) and asked <= hosts.begun():
            break
        time.sleep(0.05)
    ended(process, 0, by)
    assert names == in_journal(folder), (folder / "said").read_text()
    hosts.delays(UNTOUCHED)
    return max(journals(folder), key=lambda one: one.stat().st_mtime)


def resumed(hosts: Fleet, folder: Path, *options: str) -> tuple[dict[str, Any], set[str]]:
    """What does a run find that resumes, and whom does it visit?"""
    status = hosts.audit(folder, *WRITTEN, "--resume", *options)
    assert status == 1, (folder / "said").read_text()
    return told(folder), set(hosts.ended())


@pytest.mark.parametrize("number", range(RESUMES))
def test_the_union_is_one_run(number: int, hosts: Fleet, whole: dict[str, Any], tmp_path: Path) -> None:
    """Ended at random moments, again and again: in the end the same results and findings, and nobody asked twice."""
    chance = random.Random(SEED * 1000 + number)  # noqa: S311 - repeated by its seed
    way = chance.choice(WAYS)
    said = [f"seed {SEED}"]
    answered: set[str] = set()
    for turn in range(chance.randint(1, 3)):
        hosts.delays({host: chance.uniform(0, 3) for host in hosts.hosts})
        which, moment = chance.choice(SIGNALS), chance.uniform(0.3, 5)
        process = hosts.start(tmp_path, *WRITTEN, *way, *(("--resume",) if turn else ()), start_new_session=True)
        until_it_listens(process)
        status = ended(process, moment, which, "\n".join(said))
        now = in_journal(tmp_path)
        words = (tmp_path / "said").read_text()
        said.append(f"{which.name} after {moment:.2f} s: {status}, {sorted(now)}\n{words}")
        assert answered <= now or told(tmp_path)["run"]["complete"], "\n".join(said)
        assert not set(hosts.ended()) & answered, "\n".join(said)
        answered = now
    hosts.delays(UNTOUCHED)
    found, visited = resumed(hosts, tmp_path, *way)
    said.append((tmp_path / "said").read_text())
    assert union(whole) == union(found), "\n".join(said)
    assert found["run"]["complete"]
    assert (set(hosts.hosts), set()) == (visited | answered, visited & answered), "\n".join(said)
    assert answered == set(found["run"].get("asked", {})), "\n".join(said)
    assert [] == journals(tmp_path)


@pytest.mark.parametrize(
    "two_runs",
    [
        ((), (), signal.SIGKILL),
        ((), ("-n2",), signal.SIGTERM),
        (("-n2",), ("--items=host",), signal.SIGKILL),
    ],
)  # fmt: skip
def test_who_had_answered(
    two_runs: tuple[tuple[str, ...], tuple[str, ...], signal.Signals],
    hosts: Fleet,
    whole: dict[str, Any],
    tmp_path: Path,
) -> None:
    """They are not visited again, whichever way the two runs go; both moments are told, in the JSON and on the page."""
    first, then, by = two_runs
    cut_short(hosts, tmp_path, {"h1", "h3"}, *first, by=by)
    said = (tmp_path / "said").read_text()
    assert (by == signal.SIGKILL) != ("what the hosts said is kept: --resume goes on from here" in said)
    found, visited = resumed(hosts, tmp_path, *then)
    assert (set(hosts.hosts) - {"h1", "h3"}, union(whole)) == (visited, union(found))
    run, page = found["run"], (tmp_path / "page.html").read_text()
    assert ({"h1", "h3"}, min(run["asked"].values())) == (set(run["asked"]), run["started"])
    assert run["started"] <= run["resumed"] <= run["finished"]
    assert "<dt>Resumed</dt>" in page
    assert run["notes"][0].startswith(
        "--resume: the answers of 2 of 8 hosts are those of an earlier run, asked between"
    )
    assert "killed run" not in (tmp_path / "said").read_text()
    assert [] == journals(tmp_path)


def test_fewer_items_and_hosts(hosts: Fleet, tmp_path: Path) -> None:
    """With --limit those of it whose questions are the same; with -k nobody, for fewer are asked. Nothing is lost."""
    journal = cut_short(
        hosts, tmp_path, {"h1", "h2", "h3"}, "--limit=h1,h2,h3,h8", asked=frozenset({"h1", "h2", "h3", "h8"})
    )
    found, visited = resumed(hosts, tmp_path, "--limit=h3,h4")
    assert ({"h4"}, {"h3"}, ["h3", "h4"]) == (visited, set(found["run"]["asked"]), found["run"]["hosts"])
    assert [journal] == journals(tmp_path)  # h1 and h2 are in it alone
    hosts.delays(UNTOUCHED)
    found, visited = resumed(hosts, tmp_path, "-k", "resolves")
    assert (set(hosts.hosts), False) == (visited, "asked" in found["run"])
    assert "--resume: visited again, asked something else then, or elsewhere: 3" in found["run"]["notes"]
    assert [] == journals(tmp_path)  # all of its hosts are in the reports


def aged(journal: Path, moment: str, host: str) -> None:
    """Let this host have been asked then."""
    head, *lines = journal.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    for one in entries:
        if one.get("host") == host:
            one["asked"] = moment
    journal.write_text("".join(f"{line}\n" for line in (head, *map(json.dumps, entries))))


def test_what_is_too_old(hosts: Fleet, whole: dict[str, Any], tmp_path: Path) -> None:
    """It is asked for again, an hour later where nothing else is said; the note tells how many."""
    journal = cut_short(hosts, tmp_path, {"h1", "h2"})
    for host, minutes in (("h1", 61), ("h2", 45)):
        aged(journal, moments.told(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)), host)
    found, visited = resumed(hosts, tmp_path)
    assert ({"h2"}, {"h2"}) == (set(hosts.hosts) - visited, set(found["run"]["asked"]))
    assert "--resume: visited again, older than 3600 s (--resume-age): 1" in found["run"]["notes"]
    assert union(whole) == union(found)


@pytest.mark.parametrize("kind", ["garbage", "link"])
def test_a_journal_that_cannot_be_used(kind: str, hosts: Fleet, whole: dict[str, Any], tmp_path: Path) -> None:
    """Everybody is visited, and a note says why; what is not understood is left where it is."""
    journal, moved = cut_short(hosts, tmp_path, {"h1", "h2"}), tmp_path / "moved.jsonl"
    if kind == "garbage":
        journal.write_text(journal.read_text().replace("\n", '\n{"host": "h9"}\n', 1))
    else:
        journal.rename(moved)
        journal.symlink_to(moved)
    hosts.delays(UNTOUCHED)
    found, visited = resumed(hosts, tmp_path)
    assert (set(hosts.hosts), union(whole)) == (visited, union(found))
    words = {
        "garbage": f"{journal} is not used: it is damaged",
        "link": f"{journal} is not used: Too many levels of symbolic links",
    }
    told_of = [one for one in found["run"]["notes"] if one.startswith(f"--resume: {words[kind]}")]
    assert (1, "--resume: no run that was cut short had left an answer here") == (
        len(told_of),
        found["run"]["notes"][-1],
    )
    assert journal.exists()
    note = f"note: a killed run left what its hosts had said: --evidence={journal}, or go on: --resume"
    assert (kind == "garbage") == (note in (tmp_path / "said").read_text())


def test_what_was_told_goes(hosts: Fleet, tmp_path: Path) -> None:
    """The journal of a run that told what it had stays for a run that resumes it, and goes with its reports."""
    journal = cut_short(hosts, tmp_path, {"h1"}, by=signal.SIGTERM)
    assert hosts.audit(tmp_path, "--findings=other.json", "--limit=h1") == 0
    assert ([journal], False) == (journals(tmp_path), "killed run" in (tmp_path / "said").read_text())
    assert hosts.audit(tmp_path, *WRITTEN, "--limit=h1") == 0
    assert [] == journals(tmp_path)


def test_reports_that_could_not_be_written(hosts: Fleet, whole: dict[str, Any], tmp_path: Path) -> None:
    """Resumed once there is room, nobody is visited; with -n too the journal is where the last line says."""
    (tmp_path / "page.html").mkdir()
    hosts.delays(UNTOUCHED)
    assert hosts.audit(tmp_path, *WRITTEN, "-n2") == 1
    (journal,) = journals(tmp_path)
    assert f"what the hosts said is kept: --evidence={journal}" in (tmp_path / "said").read_text()
    (tmp_path / "page.html").rmdir()
    hosts.delays(UNTOUCHED)
    found, visited = resumed(hosts, tmp_path)
    assert (set(), union(whole), []) == (visited, union(found), journals(tmp_path))


def test_a_resumed_run_that_is_killed_tells_both_moments(hosts: Fleet, tmp_path: Path) -> None:
    """The reports of its journal say who had been asked before it began, and by when."""
    cut_short(hosts, tmp_path, {"h1"})
    journal = cut_short(hosts, tmp_path, {"h1", "h2"}, "--resume", asked=frozenset(UNTOUCHED) - {"h1"})
    assert hosts.audit(tmp_path, *WRITTEN, f"--evidence={journal}") == 2
    run = told(tmp_path)["run"]
    assert (["h1", "h2"], ["h1"]) == (run["hosts"], list(run["asked"]))
    assert run["asked"]["h1"] == run["started"] <= run["resumed"]


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_with_saved_evidence(workers: tuple[str, ...], hosts: Fleet, tmp_path: Path) -> None:
    """Two contradicting wishes are a wrong command line."""
    assert hosts.audit(tmp_path, *WRITTEN, "--resume", "--evidence=x.json", *workers) == 4
    words = "--resume: and --evidence are given: saved evidence is judged, and nobody is visited; give one of them"
    assert words in (tmp_path / "said").read_text()
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize("age", ["0", "nan"])
def test_no_age(age: str, hosts: Fleet, tmp_path: Path) -> None:
    """What is no number of seconds is a wrong command line."""
    assert hosts.audit(tmp_path, "--resume", f"--resume-age={age}") == 4
