"""What sudo permits is asked once, and what it would refuse is not tried; what a script began ends with its reader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from whyrefused import manual, probes, script
from whyrefused.probes import _rights
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]

HEAD = """Matching Defaults entries for auditor on web1:
    env_reset, secure_path=/usr/local/sbin\\:/usr/bin

User auditor may run the following commands on web1:
"""
SUDO = """#!/bin/sh
echo "$*" >>'{folder}/asked'
[ "$*" != '-n -k -l' ] || {{ cat '{folder}/list'; exit {listing}; }}
[ {permits} = yes ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}
"""

LISTS = {
    "everything": ("(ALL) NOPASSWD: ALL", "all"),
    "everything, for a group": ("(ALL : ALL) NOPASSWD: ALL", "all"),
    "everything as root": ("(root) NOPASSWD: ALL", "all"),
    "both": ("(ALL : ALL) NOPASSWD: ALL\n    (root) NOPASSWD: /bin/x -a b", "all"),
    "our list": ("(root) NOPASSWD: {bin}/x -a b, {bin}/y", "list"),
    "our list beside a password": ('(ALL : ALL) ALL\n    (root) NOPASSWD: {bin}/y "", {bin}/x -a b', "list"),
    "places that are not there": ("(root) NOPASSWD: /no/x -a b, {bin}/x -a b, {bin}/y", "list"),
    "more words": ("(root) NOPASSWD: {bin}/x -a b c", "none"),
    "another's": ("(root) NOPASSWD: {bin}/z", "none"),
    "with a password": ("(ALL : ALL) ALL", "none"),
    "everything as another": ("(postgres) NOPASSWD: ALL", "none"),
}


@pytest.fixture(params=SHELLS)
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for programs, with `sh` and two that say who runs them."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "sh").symlink_to(str(shutil.which(request.param)))
        for name in ("x", "y"):
            (Path(made) / name).write_text('#!/bin/sh\necho "${0##*/} $*"\n')
            (Path(made) / name).chmod(0o755)
        yield Path(made)


def sudo(folder: Path, rules: str, *, listing: int = 0, permits: bool = True) -> None:
    """Put a sudo there that lists these rules, and may run what it is asked for."""
    (folder / "list").write_text(f"{HEAD}    {rules.format(bin=folder)}\n" if rules else "")
    text = SUDO.format(folder=folder, listing=listing, permits="yes" if permits else "no")
    (folder / "sudo").write_text(text + '[ $2 != -k ] || shift; shift 4; echo "as root"; exec "$@"\n')
    (folder / "sudo").chmod(0o755)


def said(folder: Path, monkeypatch: pytest.MonkeyPatch, become: str = "root") -> tuple[str, list[str]]:
    """What does a fragment print that runs listed and other commands, and what was sudo asked for?"""
    runs = (_rights.listed("x -a b", "why"), _rights.listed("y", "why"))
    text = f'{_rights.ROOT}echo "$M"; root x -a b; root y; root x -a; $S x any'
    probe = SimpleNamespace(
        SECONDS=5, BYTES=1000, SIDE_BY_SIDE=False, AT_ONCE=True, AFTER=(), RUNS=runs, fragment=lambda _asked: text
    )
    monkeypatch.setattr(script, "registry", lambda: {"a": probe})
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": "/"}
    done = subprocess.run(
        [folder / "sh", "-c", script.script({"a": ()}, TOKEN, become=become)], env=environment, stdout=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    frame = script.split(done.stdout, TOKEN, {"a": ()})["a"]
    assert isinstance(frame, Frame)
    asked = (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []
    return frame.text, [one.replace(f"{folder}/", "./") for one in asked]


@pytest.mark.parametrize("name", LISTS)
def test_rights(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By a list just its commands run as root, by their paths; by everything, all; else none, and `true` is tried."""
    rules, rights = LISTS[name]
    sudo(folder, rules, permits=rights != "none")
    text, asked = said(folder, monkeypatch)
    words = ["x -a b", "y ", "x -a", "x any"]
    root = {"all": words, "list": words[:2], "none": []}[rights]
    told = [rights, *(line for word in words for line in (*(["as root"] if word in root else []), word))]
    assert told == text.splitlines()
    prefix = "-n -u root -- " + ("./" if rights == "list" else "")
    tried = {"all": [], "list": [], "none": ["-n -k -u root -- true"]}[rights]
    assert ["-n -k -l", *tried, *(prefix + word.rstrip() for word in root)] == asked


def test_no_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sudo that lists nothing is tried once, and does what it can."""
    sudo(folder, "", listing=1)
    text, asked = said(folder, monkeypatch)
    assert text.startswith("all\nas root\nx -a b\n")
    assert ["-n -k -l", "-n -k -u root -- true"] == asked[:2]


def test_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is root's; for the rights of another user one command is tried."""
    sudo(folder, "(root) NOPASSWD: {bin}/x -a b", permits=False)
    text, asked = said(folder, monkeypatch, "db-admin")
    assert ["none", "x -a b"] == text.splitlines()[:2]
    assert ["-n -k -u db-admin -- true"] == asked


def test_nothing_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the inventory asks for no rights, sudo is left alone."""
    sudo(folder, "(ALL) NOPASSWD: ALL")
    assert ("\nx -a b\ny \nx -a\nx any\n", []) == said(folder, monkeypatch, "")


def test_listed_commands_only_read() -> None:
    """No command that may be listed has a word that sudoers(5) reads as a pattern, runs a shell or takes a program."""
    listed = {run.command for probe in probes.registry().values() for run in probe.RUNS if run.rights == "listed"}
    assert listed
    for command in listed:
        program, *words = command.split()
        assert program in {"ss", "nft", "ps", "grep", "ipset", "iptables-save", "ip6tables-save",
                           "iptables-legacy-save", "ip6tables-legacy-save"}  # fmt: skip
        assert not set(command) & set("*?[]!\\\"',:=")
        assert not set(words) & {"-f", "--file", "-M", "--modprobe", "-i", "--input", "--interactive", "-K", "--kill"}


def test_no_fragment_gives_a_shell_to_sudo() -> None:
    """What follows $S, or `root`, is never a shell."""
    page = manual.of_commands()
    for word in ("sh", "bash", "env", "awk", "find", "xargs"):
        assert f"$S {word} " not in page
        assert f"root {word} " not in page


@pytest.mark.skipif(not shutil.which("visudo"), reason="sudo is not installed")
def test_sudoers_file() -> None:
    """Sudo itself reads the file."""
    argv = ["visudo", "-c", "-f", "-"]
    done = subprocess.run(argv, input=manual.of_sudoers(), text=True, capture_output=True, check=False)
    assert 0 == done.returncode, done


SLEEPERS = "sleep 97 & sleep 97 | sleep 97; wait"


def below(pid: int) -> set[int]:
    """Which processes has this one begun, and those?"""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found |= {child} | below(child)
    return found


def until(holds: object, seconds: float) -> bool:
    """Does it hold before so many seconds are over?"""
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_ends_with_its_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds after nobody reads any more, nothing that the script began is there."""
    probe = SimpleNamespace(
        SECONDS=60, BYTES=1000, SIDE_BY_SIDE=True, AT_ONCE=False, AFTER=(), RUNS=(), fragment=lambda _asked: SLEEPERS
    )
    monkeypatch.setattr(script, "registry", lambda: {"a": probe, "b": probe})
    text = script.script({"a": (), "b": ()}, TOKEN)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": "/"}
    with subprocess.Popen([folder / "sh", "-c", text], env=environment, stdout=subprocess.PIPE) as begun:

        def sleeping() -> bool:
            names = [Path(f"/proc/{pid}/cmdline") for pid in below(begun.pid)]
            return 6 <= sum(b"sleep\x0097" in name.read_bytes() for name in names if name.exists())

        assert until(sleeping, 20)
        time.sleep(2.5)  # while somebody reads, they go on
        assert sleeping()
        started = below(begun.pid)
        assert begun.stdout
        begun.stdout.close()
        gone = until(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in (*started, begun.pid)
                                     if not _zombie(pid)), 5)  # fmt: skip
        assert gone, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in started if Path(f"/proc/{pid}").exists()]


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def test_nothing_is_left_at_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that is done leaves no process: what waited for its reader ends too, and is not waited for.

    A sleep of two seconds that was begun in that very moment ends by itself.
    """
    probe = SimpleNamespace(
        SECONDS=9, BYTES=1000, SIDE_BY_SIDE=False, AT_ONCE=True, AFTER=(), RUNS=(), fragment=lambda _asked: "echo here"
    )
    monkeypatch.setattr(script, "registry", lambda: {"a": probe})
    mark = f"{TOKEN}{os.getpid()}"
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": "/", "MARK": mark}
    for _ in range(5):
        begun = time.monotonic()
        argv = [folder / "sh", "-c", script.script({"a": ()}, TOKEN)]
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, check=False)
        assert Frame(text="here\n", status=0) == script.split(done.stdout, TOKEN, {"a": ()})["a"]
        assert until(lambda: not _marked(mark), 6)
        assert time.monotonic() - begun < 30


def _marked(mark: str) -> list[Path]:
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in file.read_bytes():
                found.append(file)
        except OSError:
            continue
    return found
