"""Does a terminal get any byte that acts on it and is not ours? Whole runs under a terminal, against hosts that try."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tty
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hostile import poison, servers
from hostile.support import keygen
from scenarios import replay

from whyrefused.collect import saved

if TYPE_CHECKING:
    from collections.abc import Iterator

    import paramiko

ROOT = Path(__file__).parents[2]
OURS = re.compile(
    r"\x1b\[(?:0|1|2|4|5|7|22|24|3[0-9]|39|4[0-7]|49|9[0-7]|39;49;00|[01];3[0-7])?(?:;[01])?m"  # pytest's colours
    r"|\r\x1b\[K|\rvisited \d+ of \d+ hosts"  # our line of progress
    r"|\rcollecting \d+ items?[^\r\n\x1b]*|\r(?=\x1b\[1mcollected )|\r(?=collected \d+ items?)"  # pytest's
)
ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
HARM = (
    "\x1b]0;owned\x07", "\x1b[2J\x1b[H", "\x1b[38;5;196mPASSED\x1b[0;38m", "\r1 passed", "\x1b]52;c;b3duZWQ=\x07",
    "\x9b31m", "\x08\x08\x08", "\x7f", "\u202eDESSAP\u202c", "\u2066x\u2069", "\x00", "\x1bP+q\x1b\\", "\x0e\x0f",
    "\x05", "\u200b\ufeff", "\x85\u2028", "\udc9b31m\udcff",
)  # fmt: skip
LOUD = ("-vv", "-rA", "--showlocals", "--tb=long", "--color=yes", "-p", "no:cacheprovider", "--log-cli-level=DEBUG")


def shown(folder: Path, *options: str) -> tuple[int, str]:
    """What does a terminal get of such a run? Its status, and every byte, those that are not UTF-8 as escapes."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)  # else the line discipline adds its own \\r
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ANSIBLE_", "SSH_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *LOUD, *options],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=folder, env=kept | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    said = bytearray()
    while True:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:  # EIO: nobody has the other end open
                break
        elif process.poll() is not None:
            break
    os.close(ours)
    return process.wait(), said.decode("utf-8", "surrogateescape")


def acting(said: str) -> list[str]:
    """Which characters act on a terminal and are not ours, each with what stands around it?"""
    rest = OURS.sub("", said)
    return [rest[max(0, found.start() - 60) : found.end() + 30] for found in ACTS.finditer(rest)]


def test_it_would_be_seen() -> None:
    """What is looked for is found, whatever stands beside it; pytest's colours and our progress are not."""
    assert [] == [harm for harm in HARM if not acting(f"\x1b[31mE   {harm}\x1b[0m")]
    assert [] == acting("\x1b[1m\x1b[31mFAILED\x1b[0m\n\rvisited 1 of 2 hosts\r\x1b[Kvisited 2 hosts in 0.1 s\n")


STORIES = ("bad-configuration", "browser-flag-proxy", "backlog-nearly-full", "answers-kept-back")


@pytest.mark.parametrize("story", STORIES)
def test_what_hosts_say(tmp_path: Path, story: str) -> None:
    """Saved words of real hosts with escapes all over them are judged and told, and none reaches the terminal."""
    _, kept, _ = replay.read(story)
    (tmp_path / "said.json").write_text(saved.dumps(poison.replies(kept, HARM, 9, 4).values()))
    inventory = replay.HERE / story / "inventory.yml"
    status, said = shown(tmp_path, f"--inventory={inventory}", f"--evidence={tmp_path}/said.json", str(ROOT / "checks"))
    assert status == 1
    assert "\\x1b]0;owned" in said or "\\x1b[2J" in said, "no word of a host was shown"
    assert [] == acting(said)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key that every server takes."""
    return keygen(tmp_path_factory.mktemp("key") / "id")


def harm(_: servers.Interface, channel: paramiko.Channel) -> None:
    """Answer each question by its rules, whole and in time, with what acts on a terminal."""
    script = b""
    while part := channel.recv(65536):
        script += part
    token = re.findall(rb"; T=(\w+)", script)[0].decode()
    asked = [name.decode() for name in re.findall(rb"owed (\w+) [|]", script)]
    words = "".join(HARM).encode("utf-8", "surrogateescape")
    parts = [words + b"\n"]
    for name in asked:
        body = words + b" permission denied\n" + words + f"\n1 {token}".encode()
        parts.append(f"BEGIN {token} {name} {len(body)}\n".encode() + body + f"\nEND {token} {name}\n".encode())
    channel.sendall(b"".join(parts) + f"DONE {token} {len(asked)}\n".encode())
    channel.send_exit_status(0)
    channel.close()


def test_every_hostile_server(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run over every server that misbehaves, each in its way, while it logs in and after."""
    monkeypatch.setitem(servers.ACTS, "harm", harm)
    faults = sorted({*servers.RAW, *servers.SPOKEN, *servers.ACTS})
    with ExitStack() as stack:
        started = {fault: stack.enter_context(servers.Server(fault)) for fault in faults}
        (tmp_path / "known").write_text(
            "".join(
                f"[127.0.0.1]:{it.port} {servers.KEY.get_name()} {servers.KEY.get_base64()}\n"
                for it in started.values()
            )
        )
        (tmp_path / "config").write_text(
            f"UserKnownHostsFile {tmp_path}/known\nGlobalKnownHostsFile none\nIdentityAgent none\n"
        )
        hosts = {f"h-{fault}": {"ansible_host": "127.0.0.1", "ansible_port": it.port} for fault, it in started.items()}
        way = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-F {tmp_path}/config",
            "expect": {"proxy": "none", "services": {"x": "running"}},
        }
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": way, "hosts": hosts}}))
        status, said = shown(tmp_path, f"--inventory={tmp_path}/hosts.yml", "--host-timeout=4", "--forks=64",
                             str(ROOT / "checks"))  # fmt: skip
    assert status == 1
    assert f"{len(faults)} hosts" in said
    assert "\\x1b]0;owned" in said, "no host was heard"
    assert [] == acting(said)


TEMPLATES = {
    "host": "all: {hosts: {HARM: {expect: {proxy: none}}}}",
    "group": "HARM: {hosts: {h1: {ansible_connection: local}}, vars: {expect: {wide: consistent}}}",
    "key": "all: {hosts: {h1: {expect: {HARM: none}}}}",
    "value": "all: {hosts: {h1: {expect: {resolves: {a.example: HARM}, services: {x: HARM}}}}}",
    "path": "all: {hosts: {h1: {ansible_connection: local, expect: {connects: [{to: 'a:1', configured_in: HARM}]}}}}",
    "address": "all: {hosts: {h1: {ansible_host: HARM, expect: {proxy: none}}}}",
}


def names() -> Iterator[tuple[str, str]]:
    """Inventories that somebody else wrote: what is in each, and its text. Each form of harm in one place."""
    for at, harm in enumerate(HARM):
        kind = list(TEMPLATES)[at % len(TEMPLATES)]
        slash = "/etc/" if kind == "path" else ""
        # In double quotes YAML takes these escapes of JSON.
        yield (
            f"{kind}-{at}",
            TEMPLATES[kind].replace("HARM", json.dumps(f"{slash}{harm}#{harm}" if slash else f"a{harm}")),
        )
    yield "not-yaml", "all: [" + "".join(HARM)


@pytest.mark.parametrize("text", [text for _, text in names()], ids=[name for name, _ in names()])
def test_hostile_inventory(tmp_path: Path, text: str) -> None:
    """Names, keys and values of an inventory are told without acting, whether it is taken or refused."""
    folder = tmp_path / "in\x1b]0;owned\x07\u202e"
    folder.mkdir()
    (folder / "hosts.yml").write_text(text, encoding="utf-8", errors="replace")
    status, said = shown(tmp_path, f"--inventory={folder}/hosts.yml", "--host-timeout=4", str(ROOT / "checks"))
    assert status in {1, 4, 5}
    assert [] == acting(said)


OWN = r"""
import logging
import pytest
SAID = "\x1b]0;owned\x07 \x1b[2J \u202e \x9b31m"
def test_logged():
    try:
        raise ValueError(SAID)
    except ValueError:
        logging.getLogger("own").exception("logged %s", SAID)
def test_own(host_says=SAID):
    print(SAID)
    assert False, SAID
@pytest.mark.parametrize("name", [SAID])
def test_named(name):
    pytest.skip(name)
@pytest.fixture
def broken():
    raise RuntimeError(SAID)
def test_broken(broken):
    pass
"""


def test_tests_of_others(tmp_path: Path) -> None:
    """What an operator's own test in the same run prints of a host does not act either."""
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {h1: {ansible_connection: local, expect: {resolves: {localhost: 127.0.0.1/8}}}}}\n".replace(
            "127.0.0.1/8", "127.0.0.0/8"
        )
    )
    (tmp_path / "test_own.py").write_text(OWN)
    status, said = shown(
        tmp_path, f"--inventory={tmp_path}/hosts.yml", str(ROOT / "checks"), str(tmp_path / "test_own.py")
    )
    assert status == 1
    assert "\\x1b]0;owned" in said
    assert ("logged \\x1b]0;owned" in said, "ValueError: \\x1b]0;owned" in said) == (True, True)
    assert [] == acting(said)
