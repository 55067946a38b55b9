"""What is kept of an inventory is what comes of it now, or it is not used; and no secret is in it."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from whyrefused.inventory import cache, command, guards, plain, settings
from whyrefused.inventory.cache import disk, key
from whyrefused.inventory.cache.rows import read, written
from whyrefused.inventory.loading import load
from whyrefused.records import BadInput, Inventory

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = Path(__file__).parent / "data/inventory/cases"
HOSTS = """
all:
  children:
    web: {hosts: {h1: {ansible_port: 22}, h2: }, vars: {expect: {ports: {443/tcp: {allow: [any], clients: [db]}}}}}
    db: {hosts: {h3: {ansible_ssh_private_key_file: KEYFILE}}, vars: {expect: {services: {a: running}, proxy: none}}}
"""


class Asked(Exception):  # noqa: N818 - the command would be
    """The command is asked."""


@dataclass(kw_only=True)
class Place:
    """An inventory, and how it is loaded."""

    folder: Path
    cache: Path
    environ: dict[str, str]
    limit: tuple[str, ...] = ()
    vault: tuple[str, ...] = ()
    source: str = ""
    anew: int = 0  # how often it was read anew

    def load(self, *, fresh: bool = False) -> Inventory:
        """Load it, from what was kept or without looking there."""
        return load(
            [self.source], limit=self.limit, vault=self.vault, environ=self.environ, cache=None if fresh else self.cache
        )

    def kept(self) -> list[Path]:
        """Which files are kept?"""
        return sorted(self.cache.rglob("*.json"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give an inventory with variables in folders, that was loaded once."""
    folder = tmp_path / "inventory"
    for name, text in {
        "inventory/hosts.yml": HOSTS.replace("KEYFILE", "~/id"),
        "inventory/group_vars/all.yml": "ansible_user: admin\n",
        "inventory/host_vars/h1/a.yml": "ansible_host: 10.0.0.1\n",
        "home/id": "",
        "work/nothing": "",
        "other/nothing": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = Place(folder=folder, cache=tmp_path / "cache", environ={"HOME": os.environ["HOME"]}, source=str(folder))

    def asked(*_: object, **__: object) -> NoReturn:
        raise Asked

    monkeypatch.setattr(command, "export", asked)
    original = plain.read

    def counted(*arguments: object) -> plain.Printed:
        given.anew += 1
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(plain, "read", counted)
    given.load()
    assert (given.anew, len(given.kept())) == (1, 1)
    return given


def outcome(place: Place, *, fresh: bool = False) -> Inventory | str:
    """What comes of it, or what is wrong?"""
    try:
        return place.load(fresh=fresh)
    except BadInput as bad:
        return str(bad)
    except Asked:
        return "asked"


def test_unchanged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing changed nothing is read but the bytes of each file, once; the outcome is equal in all."""
    monkeypatch.setattr(guards, "problems", None)
    opened: list[str] = []
    sys.addaudithook(lambda event, it: opened.append(str(it[0])) if event == "open" else None)
    before = len(opened)
    kept = place.load()
    of_ours = [path for path in opened[before:] if path.startswith(str(place.folder))]
    assert place.anew == 1
    assert sorted(of_ours) == sorted(set(of_ours))
    assert len([path for path in of_ours if path.endswith(".yml")]) == 3
    monkeypatch.undo()
    monkeypatch.setenv("HOME", place.environ["HOME"])
    assert kept == place.load(fresh=True)
    assert list(kept.hosts) == list(place.load(fresh=True).hosts)


def rewritten(file: Path, old: str, new: str) -> None:
    """Change a file without a trace in its size and its time."""
    state = file.stat()
    text = file.read_text()
    assert old in text
    assert len(old) == len(new)
    file.write_text(text.replace(old, new))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)


def put(path: Path, text: str) -> None:
    """Write a file, wherever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def moved(place: Place) -> None:
    """Let the source be a link, and then another."""
    link = place.folder.parent / "link"
    link.symlink_to(place.folder)
    place.source = str(link)
    place.load()
    copy = place.folder.parent / "copy"
    put(copy / "hosts.yml", "all: {hosts: {other: }}")
    link.unlink()
    link.symlink_to(copy)


CHANGES: dict[str, Callable[[Place], object]] = {
    "same size and time": lambda it: rewritten(it.folder / "hosts.yml", "ansible_port: 22", "ansible_port: 24"),
    "of a host": lambda it: rewritten(it.folder / "host_vars/h1/a.yml", "10.0.0.1", "10.0.0.9"),
    "of a group": lambda it: rewritten(it.folder / "group_vars/all.yml", "admin", "mindy"),
    "a group more": lambda it: put(it.folder / "group_vars/web.yml", "ansible_user: web"),
    "a folder of a group": lambda it: put(it.folder / "group_vars/web/x", "ansible_user: web"),
    "a host more": lambda it: put(it.folder / "host_vars/h2", "ansible_host: 10.0.0.2"),
    "before another": lambda it: put(it.folder / "host_vars/h1/0.yml", "ansible_user: first"),
    "a group less": lambda it: (it.folder / "group_vars/all.yml").unlink(),
    "a host less": lambda it: (it.folder / "host_vars/h1/a.yml").rename(it.folder / "host_vars/h1/a.txt"),
    "a file more": lambda it: put(it.folder / "more.ini", "h4"),
    "a folder more": lambda it: put(it.folder / "sub/more.ini", "[web]\nh4"),
    "a program": lambda it: (it.folder / "hosts.yml").chmod(0o755),
    "not text": lambda it: (it.folder / "hosts.yml").write_bytes(b"\xff"),
    "gone": lambda it: (it.folder / "hosts.yml").unlink(),
    "a link": moved,
    "key file gone": lambda it: (it.folder.parent / "home/id").unlink(),
    "configuration here": lambda _: put(Path("ansible.cfg"), "[defaults]\nhash_behaviour = merge"),
    "configuration at home": lambda it: put(
        Path(it.environ["HOME"]) / ".ansible.cfg", "[inventory]\nenable_plugins=ini"
    ),
    "configuration told": lambda it: (
        put(it.folder.parent / "c/ansible.cfg", "[defaults]\nvault_password_file = x"),
        it.environ.update(ANSIBLE_CONFIG=str(it.folder.parent / "c")),
    ),
    "a plugin": lambda it: put(Path(it.environ["HOME"]) / ".ansible/plugins/vars/mine.py", ""),
    "user told": lambda it: it.environ.update(ANSIBLE_BECOME="1"),
    "way told": lambda it: it.environ.update(ANSIBLE_TRANSPORT="local"),
    "setting told": lambda it: it.environ.update(ANSIBLE_HASH_BEHAVIOUR="merge"),
    "program told": lambda it: it.environ.update({settings.OVERRIDE: "/bin/true"}),
    "limit": lambda it: setattr(it, "limit", ("web",)),
    "no limit": lambda it: setattr(it, "limit", ("nobody",)),
    "vault": lambda it: setattr(it, "vault", ("password",)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen(place: Place, change: str) -> None:
    """Whatever changes of what was read, or of what it is read by: the outcome is the new one."""
    before = place.load()
    CHANGES[change](place)
    after = outcome(place)
    assert after == outcome(place, fresh=True)
    assert after != before


def test_folder_here_and_home(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is of the folder where the run is, and `~` of whose home it is."""
    for name in ("work", "other"):
        put(place.folder.parent / name / "hosts", f"{name} ansible_ssh_private_key_file=~/id")
    place.source = "hosts"
    assert list(place.load().hosts) == ["work"]
    monkeypatch.chdir(place.folder.parent / "other")
    assert list(place.load().hosts) == ["other"]
    put(place.folder.parent / "elsewhere/id", "")
    monkeypatch.setenv("HOME", str(place.folder.parent / "elsewhere"))
    assert place.load().hosts["other"].connection.key_file == str(place.folder.parent / "elsewhere/id")


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (key.whyrefused, "__version__", "0.0.0"),
        (key, "_own", lambda: iter([("x", 1, 1)])),
        (key, "version", lambda name: name + "-9"),
        (key.sys, "version", "4.0"),
        (key.os, "geteuid", lambda: 12345),
    ],
)
def test_what_reads_it_has_changed(
    place: Place, monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object
) -> None:
    """Another version of this package or of what it stands on reads anew, and so does another user."""
    monkeypatch.setattr(module, name, value)
    place.load()
    assert place.anew == 2


def test_a_harmless_setting_is_no_hindrance(place: Place) -> None:
    """An ansible.cfg that sets nothing of inventories changes nothing."""
    put(Path("ansible.cfg"), "[defaults]\nforks = 50\nhost_key_checking = true\n[ssh_connection]\npipelining = true\n")
    place.environ["ANSIBLE_SSH_PIPELINING"] = "1"
    place.load()
    assert place.anew == 2
    place.load()
    assert place.anew == 2


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CASES.glob("*/expected.yml")))
def test_each_inventory_of_the_data(tmp_path: Path, name: str) -> None:
    """Whatever is kept is equal to what it was made of."""
    source = next((path for path in sorted((CASES / name).iterdir()) if path.name != "expected.yml"), None)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    if source is None or source.suffix == ".sh":
        return
    try:
        loaded = load([str(source)], environ=environ, cache=tmp_path)
    except BadInput:
        assert not list(tmp_path.iterdir())
        return
    assert read(written(loaded)) == loaded


def kept_in(file: Path, body: bytes) -> bytes:
    """The file with another body, its sum made good."""
    head = file.read_bytes().partition(b"\n")[0].split(b" ")
    return b" ".join([*head[:2], hashlib.sha256(body).hexdigest().encode()]) + b"\n" + body


def linked(file: Path) -> None:
    """Put a link in its place."""
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))


def folder_linked(file: Path) -> None:
    """Put a link in its folder's place."""
    file.parent.rename(file.parent.with_name("moved"))
    file.parent.symlink_to(file.parent.with_name("moved"))


def a_pipe(file: Path) -> None:
    """Put a pipe in its place, which would never end."""
    file.unlink()
    os.mkfifo(file, 0o600)


def a_folder(file: Path) -> None:
    """Put a folder in its place."""
    file.unlink()
    file.mkdir(0o700)


HARMS: dict[str, Callable[[Path], object]] = {
    "one byte": lambda it: it.write_bytes(it.read_bytes().replace(b"10.0.0.1", b"10.0.0.9")),
    "cut": lambda it: it.write_bytes(it.read_bytes()[:-1]),
    "empty": lambda it: it.write_bytes(b""),
    "only a head": lambda it: it.write_bytes(kept_in(it, b"")),
    "no map": lambda it: it.write_bytes(kept_in(it, b"[]")),
    "no hosts": lambda it: it.write_bytes(kept_in(it, b'{"tables": {}, "hosts": {"rows": 1, "columns": []}}')),
    "deep": lambda it: it.write_bytes(kept_in(it, b"[" * 100_000)),
    "not text": lambda it: it.write_bytes(kept_in(it, b"\xff\xfe")),
    "another schema": lambda it: it.write_bytes(it.read_bytes().replace(b"/inventory/2", b"/inventory/1")),
    "others may read": lambda it: it.chmod(0o640),
    "others may write": lambda it: it.chmod(0o602),
    "others may look": lambda it: it.parent.chmod(0o755),
    "a link": linked,
    "a second name": lambda it: it.with_suffix(".second").hardlink_to(it),
    "its folder a link": folder_linked,
    "a pipe": a_pipe,
    "a folder": a_folder,
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_harmed_is_not_used(place: Place, harm: str) -> None:
    """What is broken, or may not be ours, is as if it were not there: no error, and the right outcome."""
    before = place.load()
    HARMS[harm](place.kept()[0])
    assert place.load() == before
    assert place.anew == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_of_another_user_is_not_used(place: Place, *, whole: bool) -> None:
    """A file, or the folder, that somebody else owns could be his."""
    before = place.load()
    file = place.kept()[0]
    os.chown(file.parent if whole else file, 65534, 65534)
    assert place.load() == before
    assert place.anew == 2


def test_for_its_owner_alone(place: Place) -> None:
    """Whatever the umask is, nobody else may read or write what is kept."""
    old = os.umask(0)
    try:
        (place.folder / "more.ini").write_text("h9")
        place.cache = place.cache.with_name("new") / "whyrefused"
        place.load()
    finally:
        os.umask(old)
    assert place.cache.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in place.kept()] == [0o600]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "mkdir"])
def test_what_cannot_be_written_is_not_kept(place: Place, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A full disk, or a folder that nobody may write to, is no error; nothing is left half written."""
    real = getattr(os, call)

    def fails(*arguments: object, **named: object) -> object:
        writing = call != "open" or (len(arguments) > 1 and int(str(arguments[1])) & os.O_WRONLY)
        if writing:
            raise OSError(errno.ENOSPC, "no space left")
        return real(*arguments, **named)

    place.cache = place.cache.with_name("new")
    monkeypatch.setattr(os, call, fails)
    found = place.load()
    monkeypatch.undo()
    assert list(found.hosts) == ["h1", "h2", "h3"]
    assert not [path for path in place.cache.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be(place: Place) -> None:
    """A file stands where the folder would."""
    place.cache = place.folder / "hosts.yml/cache"
    assert list(place.load().hosts) == ["h1", "h2", "h3"]
    assert (place.folder / "hosts.yml").is_file()


def test_not_without_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many inventories the last ones are kept."""
    monkeypatch.setattr(disk, "MOST", 3)
    for number in range(5):
        place.limit = (f"h1,h{number}",)
        place.load()
    assert len(place.kept()) == 3
    before = place.anew
    place.load()
    assert place.anew == before


def test_a_new_outcome_takes_the_place_of_the_old(place: Place) -> None:
    """One inventory has one file."""
    for port in ("24", "26", "28"):
        (place.folder / "hosts.yml").write_text(HOSTS.replace("22", port).replace("KEYFILE", "~/id"))
        assert place.load().hosts["h1"].connection.port == int(port)
    assert len(place.kept()) == 1


CANARY = "hunter2canary"
SECRETS = {
    "login": ("group_vars/web.yml", f"ansible_password: {CANARY}"),
    "of another program": ("group_vars/web.yml", f"db_password: {CANARY}"),
    "nested": ("host_vars/h1/b.yml", f"db: {{conf: [{{Api-Token: {CANARY}}}]}}".replace("Api-Token", "apiToken")),
    "in a list of lines": ("more.ini", f"h9 smtp_passwd={CANARY}"),
    "quoted": ("group_vars/web.yml", f'{{"secret": "{CANARY}"}}'),
    "proxy": ("group_vars/web.yml", f"p: http://joe:{CANARY}@proxy:3128\nexpect: {{proxy: {{http: '{{{{ p }}}}'}}}}"),
    "rendered": (
        "group_vars/web.yml",
        f"a: {CANARY}\nvault_x: 1\nexpect: {{connects: [{{to: 'x:1', configured_in: '/etc/x#{{{{ a }}}}'}}]}}",
    ),
}


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_kept(place: Place, secret: str) -> None:
    """An inventory in which something may be a secret is not kept at all, not even without it."""
    place.cache = place.cache.with_name("new")
    name, text = SECRETS[secret]
    put(place.folder / name, text)
    (place.folder / "hosts.yml").write_text("all: {children: {web: {hosts: {h1: }}}}")
    assert isinstance(outcome(place), Inventory), outcome(place)
    assert not list(place.cache.rglob("*"))


@pytest.mark.parametrize(
    "text", ["$ANSIBLE_VAULT;1.1;AES256\n6162", "x: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162"]
)
def test_nothing_vaulted_is_kept(place: Place, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encrypted is the command's to read, and what it prints is not kept."""
    printed = '{"all": {"hosts": ["h1"]}, "_meta": {"hostvars": {"h1": {"x": "' + CANARY + '"}}}}'
    monkeypatch.setattr(command, "export", lambda *_, **__: command.Export(text=printed, unmatched=()))
    place.cache = place.cache.with_name("new")
    put(place.folder / "group_vars/web.yml", text)
    assert list(place.load().hosts) == ["h1"]
    assert not list(place.cache.rglob("*"))


def test_home_of_another(place: Place) -> None:
    """Where another user's home is may change without a word in the inventory."""
    place.cache = place.cache.with_name("new")
    put(place.folder / "host_vars/h2", "ansible_ssh_private_key_file: ~root/id")
    outcome(place)
    assert not place.kept()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, Path("/x/whyrefused")),
        ({"XDG_CACHE_HOME": "x", "HOME": "/h"}, Path("/h/.cache/whyrefused")),
        ({"HOME": "/h"}, Path("/h/.cache/whyrefused")),
        ({"HOME": "h"}, None),
        ({}, None),
    ],
)
def test_where_it_is_kept(environ: dict[str, str], expected: Path | None) -> None:
    """By the XDG specification; a relative path is as none."""
    assert cache.folder(environ) == expected


@pytest.mark.parametrize(
    ("words", "kept"), [((), 1), (("--no-inventory-cache",), 0), (("-o", "whyrefused_cache=false"), 0)]
)
def test_options(tmp_path: Path, words: tuple[str, ...], kept: int) -> None:
    """A run keeps it, unless it is told not to."""
    (tmp_path / "hosts").write_text("h1")
    (tmp_path / "test_it.py").write_text("def test_it(host): pass")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run = [
        sys.executable,
        "-m",
        "pytest",
        "--inventory=hosts",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        *words,
    ]
    done = subprocess.run(run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "cache").rglob("*.json"))) == kept


def test_a_folder_here_that_is_gone(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a working directory nobody knows which ansible.cfg counts: the command is asked."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert outcome(place) == "asked"


def test_nothing_wrong_is_kept(place: Place) -> None:
    """A wrong inventory is told of in each run."""
    place.cache = place.cache.with_name("new")
    put(place.folder / "group_vars/web.yml", "expect: {portz: {}}")
    first, second = outcome(place), outcome(place)
    assert isinstance(first, str)
    assert first == second
    assert not place.kept()


def test_records_that_the_rows_know() -> None:
    """A field that is added to a host must be kept too, or the outcome would differ: the round trip compares all."""
    plain_one = load(["h1,"], environ={})
    other = replace(plain_one, warnings=("x",))
    assert read(written(other)) == other
