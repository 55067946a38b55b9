"""What a run writes is for those alone who started it, goes through no link, and is written by one run at a time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from whyrefused.claim import claim
from whyrefused.records import BadInput

from .fleet import PATIENCE, ROOT, Fleet, in_journal, journals

if TYPE_CHECKING:
    from pathlib import Path

OUTPUTS = {
    "page.html": "--html", "found.json": "--findings", "junit.xml": "--junitxml", "kept.json": "--save-evidence",
}  # fmt: skip
WRITTEN = tuple(f"{option}=out/deep/{name}" for name, option in OUTPUTS.items())
HERE = """
all: {hosts: {here: {ansible_connection: local}}, vars: {expect: {resolves: {localhost: [127.0.0.0/8, '::1/128']}}}}
"""
WATCH = """
import os, sys
def write(line):
    descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)
def watch(event, arguments):
    made = {"open": 0, "os.mkdir": 0, "os.rename": 1, "os.symlink": 1, "os.link": 1}
    if event in made and (event != "open" or (arguments[2] or 0) & os.O_CREAT):
        write(f"{event} {arguments[made[event]]}\\n")
sys.addaudithook(watch)
"""


def here(folder: Path, *options: str, before: str = "", **how: object) -> subprocess.CompletedProcess[str]:
    """Audit this machine from that folder; `before` is what a shell does first."""
    (folder / "hosts.yml").write_text(HERE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / "checks/test_resolves.py"),
               "--inventory=hosts.yml", *options]  # fmt: skip
    shell = ["sh", "-c", f'{before or ":"}; exec "$@"', "sh"]
    return subprocess.run(
        [*shell, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **how,  # type: ignore[call-overload]
    )


def mode(path: Path) -> int:
    """Who may read it?"""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("first", [0, 1])
def test_modes(first: int, tmp_path: Path) -> None:
    """Whatever the umask: each file 0600, each folder that was made 0700, and nothing else is left."""
    done = here(tmp_path, *WRITTEN[first:], before="umask 000")
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    assert {0o700} == {mode(out), mode(out / "deep")}
    assert dict.fromkeys(list(OUTPUTS)[first:], 0o600) == {path.name: mode(path) for path in (out / "deep").iterdir()}


@pytest.mark.parametrize("name", [*OUTPUTS, "assets"])
def test_links_are_not_followed(name: str, tmp_path: Path) -> None:
    """A link planted where a file is to be: what it leads to is not touched, and the run is not green."""
    target = tmp_path / "mine"
    target.mkdir() if name == "assets" else target.write_text("mine")
    out = tmp_path / "out" / "deep"
    out.mkdir(parents=True)
    (out / name).symlink_to(target)
    done = here(tmp_path, *WRITTEN)
    assert (out / name).is_symlink()
    if name == "assets":
        assert (0, []) == (done.returncode, list(target.iterdir()))
        return
    assert "mine" == target.read_text()
    assert (1, True) == (done.returncode, f"{name}: not a regular file, left as it is" in done.stdout), done.stdout
    assert set(OUTPUTS) <= {path.name for path in out.iterdir()}


def test_nothing_has_a_guessable_name(tmp_path: Path) -> None:
    """All that a run makes, anywhere: the reports, and what has a random name or stands in a folder of its own."""
    log = tmp_path / "made"
    log.touch()
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WATCH.replace("LOG", repr(str(log))))
    (tmp_path / "run").mkdir()
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    done = here(tmp_path / "run", *WRITTEN, "-n2", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {line.partition(" ")[2] for line in log.read_text().splitlines()}
    shared = sorted(path for path in made if path.startswith(("/tmp/", "/var/tmp/", "/dev/shm/"))  # noqa: S108 - asked for
                    and not path.startswith(str(tmp_path)))  # fmt: skip
    # A name of tempfile's has eight characters, and now and then all of them are letters.
    plain = [
        path
        for path in shared
        if not any(len(part) == 8 or (len(part) > 8 and not part.isalpha()) for part in path.split("/"))
    ]
    assert [] == plain
    assert any("whyrefused-" in path for path in made)


WAITS = """
import time
from pathlib import Path
import pytest
@pytest.mark.parametrize("number", [1, 2])
def test_it(number):
    Path("begun", NAME).touch()
    until = time.monotonic() + PATIENCE
    while not Path("go").exists() and time.monotonic() < until:
        time.sleep(0.02)
"""


def test_workers_that_visit_nobody_claim_nothing(tmp_path: Path) -> None:
    """Tests of others run with -n in one folder, twice at once, and an audit beside them: none refuses another."""
    (tmp_path / "hosts.yml").write_text(HERE)
    (tmp_path / "begun").mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--inventory=hosts.yml", "-n2"]
    runs = []
    for name in ("a", "b"):
        test = tmp_path / f"test_{name}.py"
        test.write_text(WAITS.replace("NAME", repr(name)).replace("PATIENCE", str(PATIENCE)))
        runs.append(subprocess.Popen([*command, str(test)], cwd=tmp_path, stdout=subprocess.PIPE, text=True))
    until = time.monotonic() + PATIENCE
    while len(list((tmp_path / "begun").iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    beside = here(tmp_path, "-n2")
    (tmp_path / "go").touch()
    for one in runs:
        said, _ = one.communicate(timeout=PATIENCE)
        assert one.returncode == 0, said
        assert "2 passed" in said
    assert beside.returncode == 0, beside.stdout + beside.stderr
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["latest.html", "latest.json"]


@pytest.mark.parametrize(
    "second",
    [("--findings=found.json",), ("--html=other.html", "--junitxml=found.json"), ("--findings=found.json", "-n2")],
)
def test_two_at_once(second: tuple[str, ...], hosts: Fleet, tmp_path: Path) -> None:
    """The second run refuses before any connection, naming the first and the file; the first is not disturbed."""
    hosts.delays({host: 0.0 if host == "h1" else 8.0 for host in hosts.hosts})
    first = hosts.start(tmp_path, "--findings=found.json", *(["-n2"] if "-n2" in second else []))
    until = time.monotonic() + PATIENCE
    while not in_journal(tmp_path) and first.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    done = here(tmp_path, *second)
    words = f"found.json: in use: process {first.pid} of another run"
    assert (4, True) == (done.returncode, words in done.stderr), done.stdout + done.stderr
    assert not (tmp_path / "other.html").exists()
    assert 0 == first.wait(PATIENCE), (tmp_path / "said").read_text()
    assert 16 == len(json.loads((tmp_path / "found.json").read_text())["results"])
    assert 0 == here(tmp_path, *second).returncode


def test_one_of_many_gets_it(tmp_path: Path) -> None:
    """Of twenty that want the same file at the same moment one gets it, and those that want others get theirs."""
    script = (
        "import sys, time; from pathlib import Path; from whyrefused.claim import claim\n"
        "sys.stdin.read(1)\n"
        "claim([Path(sys.argv[1])], 'now'); print('mine', flush=True); time.sleep(60)"
    )
    names = [*["same"] * 10, "one", "two"]
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / name)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for name in names
    ]  # fmt: skip
    for one in running:
        assert one.stdin is not None
        one.stdin.write("x")
        one.stdin.close()
    got = []
    for name, one in zip(names, running, strict=True):
        assert one.stdout is not None
        if one.stdout.readline() == "mine\n":
            got.append(name)
    for one in running:
        one.kill()
        one.wait()
    assert ["one", "same", "two"] == sorted(got)


def test_what_others_left(tmp_path: Path) -> None:
    """A killed run's journal is told of, if a host had answered; what others own or planted is not even read."""
    files = [tmp_path / "found.json"]
    taken = claim(files, "now")
    assert taken.journal is not None
    with pytest.raises(BadInput, match="in use"):
        claim(files, "now")
    for lock in taken.locks:
        os.close(lock)  # as the kernel does it for a process that is killed
    again = claim(files, "now")
    assert ((), False) == (again.abandoned, taken.journal.exists())
    assert again.journal is not None
    with again.journal.open("a") as file:
        file.write('{"host": "h1"}\n')
    for lock in again.locks:
        os.close(lock)
    (tmp_path / ".whyrefused-link").mkdir()
    (tmp_path / ".whyrefused-link" / "journal.jsonl").symlink_to("/etc/passwd")
    last = claim(files, "now")
    assert (again.journal,) == last.abandoned
    last.release()
    assert sorted([again.journal, tmp_path / ".whyrefused-link" / "journal.jsonl"]) == journals(tmp_path)
