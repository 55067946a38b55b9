"""An inventory is data: whatever stands in one, nothing in it runs, it costs little, and what is wrong is named.

`tests/unit/data/hostile-inventories/expected.yml` says of each file what is said of it. `@CANARY@` stands for a file
that its text tries to make, `@PORT@` for a port on which somebody counts who comes.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from whyrefused.collect.visit import Options, visit
from whyrefused.inventory import judging, load
from whyrefused.records import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile.support import Known

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/unit/data/hostile-inventories"
EXPECTED: dict[str, list[str]] = yaml.safe_load((DATA / "expected.yml").read_text())
ACCEPTED = sorted(name for name, said in EXPECTED.items() if not said)
REFUSED = sorted(name for name, said in EXPECTED.items() if said)
SECONDS, MEMORY = 5.0, 200 * 1024
LEAST = 42
LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a hostile inventory is tried."""

    folder: Path
    listener: socket.socket

    @property
    def canary(self) -> Path:
        """Give the file that nobody may make."""
        return self.folder / "canary"

    def put(self, name: str) -> Path:
        """Write this inventory, aimed at the canary and the port."""
        port = str(self.listener.getsockname()[1])
        text = (DATA / name).read_bytes()
        text = text.replace(b"@CANARY@", str(self.canary).encode()).replace(b"@PORT@", port.encode())
        path = self.folder / name
        path.write_bytes(text)
        return path

    def visitors(self) -> int:
        """Count who came to the port."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                self.listener.accept()[0].close()
                count += 1
        return count


@pytest.fixture
def place() -> Iterator[Place]:
    """Give an empty folder, and a port. Its name is so short that messages show it whole, and never without a digit.

    A value that it stands in might else, seldom, be shown: one with three kinds of characters could be a password.
    """
    with tempfile.TemporaryDirectory(prefix="t1") as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield Place(folder=Path(folder), listener=listener)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What became of reading an inventory, and what it cost, the programs that were run for it included."""

    said: list[str] | None  # None: it is taken
    seconds: float
    memory: int  # KiB


def read(path: Path) -> Read:
    """Read it in a process of its own, which is all that is measured."""
    assert judging  # loaded before, as in a run
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            try:
                load([str(path)], environ={"HOME": str(path.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"})
                said = "taken"
            except BadInput as bad:
                said = "\n".join(map(str, bad.problems))
            except BaseException as error:  # noqa: BLE001 - told as what it is
                said = f"{type(error).__name__}: {error}"
            os.write(into, said.encode("utf-8", "backslashreplace")[:60000])
        os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:  # noqa: PTH123 - a descriptor
        said = pipe.read().decode()
    used: resource.struct_rusage
    _, _, used = os.wait4(pid, 0)
    problems = [
        line.replace(f"{path.parent}/canary", "@CANARY@").replace(f"{path.parent}/", "") for line in said.split("\n")
    ]
    return Read(
        said=None if said == "taken" else problems, seconds=used.ru_utime + used.ru_stime, memory=used.ru_maxrss
    )


def test_every_file_is_expected() -> None:
    """There are as many as promised, and of each it stands what is said."""
    assert sorted(EXPECTED) == sorted(path.name for path in DATA.iterdir() if path.name != "expected.yml")
    assert len(REFUSED) >= LEAST


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_data(place: Place, name: str) -> None:
    """Nothing of it runs, nobody is dialled, it costs little, and file and line or key of what is wrong are named."""
    found = read(place.put(name))
    assert EXPECTED[name] == [line[:LONGEST] for line in found.said or []]
    assert all(line.startswith(name) for line in found.said or [])
    assert not place.canary.exists()
    assert place.visitors() == 0
    # Above what this process has in memory anyway, of which the fork is a copy.
    assert found.seconds <= SECONDS
    assert found.memory <= max(MEMORY, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_taken_runs_nothing(place: Place, known: Known, name: str) -> None:
    """Settings that another client would run as a program are not run by a visit either, which says so or goes on."""
    path = place.put(name)
    inventory = load([str(path)], environ={"HOME": str(path.parent), "PATH": os.environ["PATH"]})
    for host in inventory.hosts.values():
        reply, _ = visit(host, {"identity": ()}, Options(host_timeout=3, ssh=known.settings))
        assert reply.unreached
    assert not place.canary.exists()


@pytest.mark.parametrize("name", ["name-option.yml", "bomb-lists.yml", "plugin-generator.yml", "empty.yml"])
def test_exit_status(place: Place, name: str) -> None:
    """A run with such an inventory ends with 4, names the file, and leaves no report that could look green."""
    path = place.put(name)
    command = [sys.executable, "-m", "pytest", str(ROOT / "checks"), f"--inventory={path}", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, name in done.stderr + done.stdout) == (4, True), done.stdout + done.stderr
    assert not (place.folder / "reports").exists()
    assert not place.canary.exists()
    assert place.visitors() == 0


def test_scripts_and_links(tmp_path: Path) -> None:
    """A script is a program by its nature, and runs only where its owner made it one; a link to nowhere is said so."""
    script = tmp_path / "hosts"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho '{{}}'\n")
    found = read(script)
    assert not (tmp_path / "ran").exists()
    assert found.said
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere.yml")
    (tmp_path / "circle.yml").symlink_to(tmp_path / "circle.yml")
    (tmp_path / "zero.yml").symlink_to("/dev/zero")
    for name in ("gone.yml", "circle.yml", "zero.yml"):
        said = read(tmp_path / name).said
        assert said
        assert said[0].startswith(name)


def test_nothing_beside_the_inventory_is_imported(tmp_path: Path) -> None:
    """No conftest.py and no plug-in of pytest or Ansible beside the inventory, or in the working directory of a run."""
    beside, here = tmp_path / "inventory", tmp_path / "here"
    here.mkdir()
    (beside / "group_vars").mkdir(parents=True)
    expect = "{resolves: {localhost: [127.0.0.0/8, '::1/128']}}"
    (beside / "hosts.yml").write_text(
        f"all: {{hosts: {{here: {{ansible_connection: local}}}}, vars: {{expect: {expect}}}}}"
    )
    evil = f"import pathlib\npathlib.Path({str(tmp_path / 'canary')!r}).touch()\n"
    folders = ("vars_plugins", "inventory_plugins", "filter_plugins", "library", "lookup_plugins", "callback_plugins")
    for path in (*(beside / name / "evil.py" for name in folders), beside / "conftest.py", beside / "test_evil.py",
                 beside / "sitecustomize.py", here / "whyrefused.py", here / "evil.py"):  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        path.write_text(evil)
    command = [str(Path(sys.executable).parent / "pytest"), str(ROOT / "checks"), "-p", "no:cacheprovider"]
    for how in (["--inventory", str(beside / "hosts.yml")], [f"--inventory={beside / 'hosts.yml'}"]):
        done = subprocess.run([*command, *how], cwd=here, capture_output=True, text=True, check=False)
        assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
        assert not (tmp_path / "canary").exists(), how


def test_configuration_beside_the_inventory(tmp_path: Path) -> None:
    """Written with `=`, the inventory's folder is no place where pytest looks for its configuration."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text("all: {hosts: {}}")
    (tmp_path / "inventory/pytest.ini").write_text("[pytest]\naddopts = -p evil\npythonpath = .\n")
    (tmp_path / "inventory/evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    command = [sys.executable, "-m", "pytest", str(ROOT / "checks"), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--inventory={tmp_path / 'inventory/hosts.yml'}"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 4
    assert not (tmp_path / "canary").exists()
