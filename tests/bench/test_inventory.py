"""What does an inventory of 10,000 hosts cost, and a known_hosts of 10,000 lines? CPU only, with the load beside it.

The bounds are those of the promises; what was seen is a small part of each, so that a busy machine does not reach them.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from bench import inventories, race

from whyrefused.inventory import cache, load, plain
from whyrefused.ssh import known_hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = (100, 1000, 10_000)
KINDS: dict[str, Callable[[Path, int], str]] = {
    "YAML, one file": inventories.yaml,
    "INI, one file": inventories.ini,
    "a folder, 1,200 files": inventories.folder,
    "YAML, a template a host": inventories.templates,
}
FIRST, AGAIN, KEYS = 4.0, 0.3, 0.1
"""Seconds of CPU: an inventory of 10,000 hosts that was not read before, one that was, and 100 hosts' known_hosts."""
RUNS, HOSTS = 3, 100
PROGRAM = """
import json, resource, sys
from pathlib import Path
from whyrefused.inventory import load
def cpu():
    return [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
start = cpu()
found = load([sys.argv[1]], cache=Path(sys.argv[2]) if sys.argv[2:] else None)
print(json.dumps([len(found.hosts), sum(cpu()) - sum(start), sum(cpu())]))
"""


def measured(*arguments: str, **environ: str) -> tuple[int, float, float]:
    """How many hosts, the CPU of the loading alone, and that of the whole process with all that it starts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    run = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(run, env={**kept, **environ}, capture_output=True, text=True, check=True)
    hosts, loading, whole = json.loads(done.stdout)
    return hosts, loading, whole


@pytest.mark.bench
def test_ten_thousand_hosts(tmp_path: Path) -> None:
    """Read for the first time, and when nothing has changed since; the whole process beside it."""
    table = [("inventory", "hosts", "first s", "again s", "again, whole process s", "kept MB")]
    slow = []
    for place, (name, write) in enumerate(KINDS.items()):
        for size in SIZES:
            folder = tmp_path / str(place) / str(size)
            source, kept = write(folder, size), folder / "kept"
            laps = []
            for number in range(RUNS):
                (_, first, _), (hosts, again, whole) = (measured(source, str(kept / str(number))) for _ in range(2))
                assert hosts == size
                laps.append((first, again, whole))
            first, again, whole = map(statistics.median, zip(*laps, strict=True))
            bytes_kept = sum(file.stat().st_size for file in (kept / "0").iterdir())
            table.append((name, f"{size:,}", f"{first:.2f}", f"{again:.2f}", f"{whole:.2f}", f"{bytes_kept / 1e6:.1f}"))
            if first > FIRST or again > AGAIN:
                slow.append(table[-1])
    race.say(f"Loading an inventory, CPU, median of {RUNS}", table)
    assert not slow


@pytest.mark.bench
def test_the_command(tmp_path: Path) -> None:
    """The same through `ansible-inventory`, which is asked where something else than plain files counts."""
    table = [("hosts", "s, the command included")]
    for size in SIZES:
        source = inventories.yaml(tmp_path / str(size), size)
        _, loading, _ = measured(source, ANSIBLE_HASH_BEHAVIOUR="replace")
        table.append((f"{size:,}", f"{loading:.2f}"))
    race.say("Asking the command, CPU, once", table)


@pytest.mark.bench
def test_ten_thousand_lines(tmp_path: Path) -> None:
    """A hundred hosts, each with its key: read the file, tell which type to ask for, judge the key."""
    table = [("lines", "types", "names", "read ms", "100 known hosts ms", "1 unknown host ms")]
    slow = []
    for hashed in (False, True):
        for kinds in (1, 3):
            file = tmp_path / f"{hashed}{kinds}"
            file.write_text(inventories.host_keys(10_000, hashed=hashed, kinds=kinds))
            laps = [_keys(file, kinds, number) for number in range(RUNS)]
            reading, known, unknown = (statistics.median(each) * 1000 for each in zip(*laps, strict=True))
            table.append(("10,000", str(kinds), "hashed" if hashed else "plain", f"{reading:.0f}", f"{known:.1f}",
                          f"{unknown:.1f}"))  # fmt: skip
            if reading + known > KEYS * 1000:
                slow.append(table[-1])
    race.say(f"known_hosts, CPU, median of {RUNS}", table)
    assert not slow


def _keys(file: Path, kinds: int, number: int) -> tuple[float, float, float]:
    os.utime(file, ns=(number, number))  # a process reads it once
    start = time.process_time()
    table = known_hosts.read(str(file))
    read = time.process_time()
    for host in range(HOSTS):
        name = f"h{host * 30}.example.com"
        known_hosts.key_types([table], name)
        assert known_hosts.judge([table], name, 22, inventories.key(host * 30 * kinds)).verdict == "known"
    known = time.process_time()
    known_hosts.judge([table], "nobody.example.com", 22, b"")
    return read - start, known - read, time.process_time() - known


@pytest.mark.parametrize("name", KINDS)
def test_counted(name: str, tmp_path: Path) -> None:
    """The first time each file is read once and no process is started; again nothing is parsed either."""
    source = KINDS[name](tmp_path, 1000)
    files = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    events: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and (event in {"subprocess.Popen", "os.posix_spawn", "os.fork"} or
                            (event == "open" and str(arguments[0]) in files)):  # fmt: skip
            events.append(str(arguments[0]) if event == "open" else event)

    sys.addaudithook(watch)
    kept = tmp_path / "kept"
    first = load([source], environ={}, cache=kept)
    assert sorted(events) == sorted(files)
    events.clear()
    patched = partial(_never, "parsed again")
    original, plain.read = plain.read, patched  # type: ignore[assignment]
    try:
        again = load([source], environ={}, cache=kept)
    finally:
        plain.read, watching[0] = original, False
    assert sorted(events) == sorted(files)
    assert again == first
    assert len(first.hosts) == 1000
    assert cache.folder({}) is None


def _never(what: str, *_: object) -> None:
    raise AssertionError(what)


def test_what_is_hashed_is_found_by_its_key() -> None:
    """Base64 of the keys above is as known_hosts has it."""
    line = inventories.host_keys(1, hashed=True, kinds=1).split()
    assert base64.b64decode(line[2]) == inventories.key(0)
