"""Reports are written whole or not at all: every call that concerns a file fails once, and the disk is of every size.

One step in four at each `make test`; WHYREFUSED_TORTURE=1 takes all of them with all errors.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .torture import LEFT, OUTPUTS

ALL = "WHYREFUSED_TORTURE" in os.environ
PROGRAM = Path(__file__).parent / "torture.py"
ERRORS = "ENOSPC,EIO,EROFS,EDQUOT"
HARMLESS = {"mkdir", "unlink", "rmdir", "close"}
"""Calls whose failure may leave a whole run: the folder is there, an empty one stays, a lock is gone all the same."""
SUMMARY = "1 host, 1 item: 1 passed, 0 failed, 0 errors, 0 skipped; 0 findings."
INVENTORY = """
all: {hosts: {here: {ansible_connection: local}}, vars: {expect: {resolves: {localhost: [127.0.0.0/8, '::1/128']}}}}
"""


def tortured(folder: Path, every: int, *more: str) -> list[dict[str, Any]]:
    """What became of each step? The first has none that fails."""
    (folder / "hosts.yml").write_text(INVENTORY)
    command = [sys.executable, str(PROGRAM), str(folder), str(every), ERRORS, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    return [json.loads(line) for line in done.stdout.splitlines()]


def whole(name: str, text: str) -> bool:
    """Is this file the new one, to its end?"""
    ends = {"page.html": "</html>", "junit.xml": "</testsuites>", "found.json": "}", "kept.json": "}"}
    if name.endswith(".json"):
        json.loads(text)
    return text.rstrip().endswith(ends[name])


def judge(end: dict[str, Any], words: str) -> None:
    """Each file is the old one or the new one; if anything is amiss, it is said and the status is 1."""
    assert set(end["files"]) == set(OUTPUTS), words
    new = {name for name, text in end["files"].items() if text != "old" and whole(name, text)}
    assert all(text == "old" for name, text in end["files"].items() if name not in new), words
    assert SUMMARY in end["said"], words
    assert not [name for name in end["left"] if name.endswith(".tmp")] or "unlink" in words
    if end["status"] == 0:
        assert new == set(OUTPUTS), words
    else:
        assert (1, True) == (end["status"], "could not write" in end["said"]), words


def test_every_call_fails_once(tmp_path: Path) -> None:
    """Open, write, fsync, rename, close: old or new, never half, the reason is told and so is the result."""
    first, *ends = tortured(tmp_path, 1 if ALL else 4)
    assert 0 == first["status"]
    assert {"open", "write", "fsync", "rename", "close"} <= set(first["calls"])
    for end in ends:
        call = first["calls"][end["step"] - 1]
        words = f"{call} (call {end['step']}) fails with {end['errno']}: {end['status']}\n{end['said']}"
        judge(end, words)
        assert end["status"] == 1 or call in HARMLESS, words
    assert len(ends) >= (len(first["calls"]) * 4 if ALL else len(first["calls"]) // 4)


def test_every_call_fails_once_in_a_resumed_run(tmp_path: Path) -> None:
    """What cannot be read of the run before is asked for again, what cannot be kept is told, and nothing is lost."""
    first, *ends = tortured(tmp_path, 1 if ALL else 4, "--resume")
    assert (0, True) == (first["status"], "visited 0 hosts" in first["said"])
    assert not [name for name in first["left"] if ".whyrefused" in name]
    for end in ends:
        call = first["calls"][end["step"] - 1]
        words = f"{call} (call {end['step']}) fails with {end['errno']}: {end['status']}\n{end['said']}"
        judge(end, words)
        kept = f"{LEFT}/journal.jsonl" in end["left"]
        assert kept or end["status"] == 0, words  # it goes only where the reports have all of it
    assert {True, False} == {"visited 0 hosts" in end["said"] for end in ends}


@cache
def private_mounts() -> bool:
    """Can this user mount anything where nobody else sees it?"""
    unshare = shutil.which("unshare")
    probe = "mount -t tmpfs none /mnt"
    return (
        bool(unshare)
        and not subprocess.run([str(unshare), "-m", "sh", "-c", probe], check=False, capture_output=True).returncode
    )


def on_disk_of(size: int, folder: Path) -> dict[str, Any]:
    """What becomes of a run that writes to a disk of so many KiB, in a mount namespace of its own?"""
    folder.mkdir()
    (folder / "disk").mkdir()
    script = (
        f"mount -t tmpfs -o size={size}k none {shlex.quote(str(folder / 'disk'))} && "
        f'cd {shlex.quote(str(folder))} && exec "$@"'
    )
    program = (
        "import sys, torture; torture.prepare(torture.Path('hosts.yml').absolute()); "
        "print(torture.json.dumps(torture.one(torture.Path('disk').absolute(), 0, 5)))"
    )
    (folder / "hosts.yml").write_text(INVENTORY)
    command = ["unshare", "-m", "sh", "-ec", script, "sh", sys.executable, "-c", program]
    kept = os.environ | {"PYTHONPATH": str(PROGRAM.parent)}
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    end: dict[str, Any] = json.loads(done.stdout)
    return end


@pytest.mark.parametrize("size", range(16, 100, 4) if ALL else (16, 28, 44, 64))
def test_disks_of_every_size(size: int, tmp_path: Path) -> None:
    """A disk that is full after so many KiB: old or new, and the run says which could not be written."""
    if not private_mounts():
        pytest.skip("may not mount here: needs root")
    end = on_disk_of(size, tmp_path / "run")
    judge(end, f"{size} KiB: {end['status']}, {sorted(end['files'])}\n{end['said']}")
