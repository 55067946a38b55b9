"""The command is run with closed ears and an eye on the clock."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from whyrefused.inventory import command, settings
from whyrefused.inventory.loading import load
from whyrefused.records import BadInput


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Where a stand-in for the command is written: a real program that misbehaves."""
    return tmp_path / "ansible-inventory"


def written(program: Path, text: str) -> dict[str, str]:
    """The environment in which this script is the command."""
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return {settings.OVERRIDE: str(program), "PATH": os.environ["PATH"]}


def problem(environ: dict[str, str]) -> str:
    """What is said when this command is run?"""
    with pytest.raises(BadInput) as caught:
        load(["web1,"], environ=environ)
    return str(caught.value)


def test_environment_and_arguments(program: Path) -> None:
    """Silence, strictness and no log are set; options cannot be smuggled in; a UTF-8 locale is seen to."""
    environ = written(
        program, f'{sys.executable} -c "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))" "$@"'
    )
    given = {"LC_ALL": "C", "ANSIBLE_FORCE_COLOR": "1", "ANSIBLE_LOG_PATH": "/tmp/log", "ANSIBLE_VERBOSITY": "3"}  # noqa: S108 - never written
    said = command.export(
        ["-x", "b"], limit=["web:!db", "::1", "a[1:2],c"], vault=["v@f"], environ={**environ, **given}
    )
    arguments, seen = json.loads(said.text)
    assert arguments == [
        "--list",
        "--export",
        "--inventory=-x",
        "--inventory=b",
        "--vault-id=v@f",
        "--limit=web,!db,::1,a[1:2],c",
    ]
    assert settings.SETTINGS.items() <= seen.items()
    assert seen["LC_ALL"] == "C.UTF-8"
    assert "ANSIBLE_FORCE_COLOR" not in seen


def test_no_input_and_no_terminal(program: Path) -> None:
    """The command can ask nobody anything."""
    environ = written(program, 'cat; if (: < /dev/tty) 2>/dev/null; then echo tty; fi; echo "{}"')
    assert command.export(["a,"], environ=environ).text == "{}\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo nonsense", "web1,: the output is not JSON"),
        ("echo '[]'", "web1,: the output is not a JSON object"),
        ("exit 7", "web1,: ansible-inventory cannot read the inventory: it ended with status 7"),
        (
            "echo '[ERROR]: odd thing, got: hunter2' >&2; exit 1",
            "web1,: ansible-inventory cannot read the inventory: odd thing, got …",
        ),
        ("echo 'hunter2' >&2; exit 1", "web1,: ansible-inventory cannot read the inventory: it ended with status 1"),
        ("echo '[ERROR]: Decryption failed (x)' >&2; exit 4",
         "web1,: a vaulted file cannot be decrypted with the passwords given"),
        ("printf '[ERROR]: \\033[31mred' >&2; exit 1",
         "web1,: ansible-inventory cannot read the inventory: \\x1b[31mred"),
    ],
)  # fmt: skip
def test_misbehaviour(program: Path, script: str, message: str) -> None:
    """Whatever the command does, one problem says it, without what it quotes."""
    assert problem(written(program, script)) == message


def test_it_never_answers(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the command and all that it started are ended."""
    monkeypatch.setattr(command, "TIMEOUT", 0.5)
    child = program.with_name("child")
    start = time.monotonic()
    assert problem(written(program, f"sleep 60 & echo $! > {child}; wait")) == "ansible-inventory gave no answer in 0 s"
    assert time.monotonic() - start < 5
    status = Path(f"/proc/{child.read_text().strip()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_it_never_ends(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output without end is cut off, on stderr too."""
    monkeypatch.setattr(command, "LARGEST", 1024 * 1024)
    message = "ansible-inventory printed more than 1 MiB"
    assert problem(written(program, "yes >&2 & yes")) == message


def test_much_stderr_is_drained(program: Path) -> None:
    """A pipe full of warnings does not stop the answer."""
    environ = written(program, 'yes | head -c 2000000 >&2; echo \'{"all": {"hosts": ["h"]}}\'')
    assert list(load(["h,"], environ=environ).hosts) == ["h"]


def test_no_program(tmp_path: Path) -> None:
    """What is no program is said so."""
    (tmp_path / "x").write_text("not a program")
    (tmp_path / "x").chmod(0o755)
    assert "cannot be run" in problem({settings.OVERRIDE: str(tmp_path / "x")})


def test_found_beside_the_interpreter() -> None:
    """Without any PATH the command of our own environment is found."""
    assert Path(command.find({})).parent == Path(sys.executable).parent


def test_nobody_is_asked() -> None:
    """A vault identity that would prompt is refused; so is a run without an inventory."""
    with pytest.raises(BadInput) as caught:
        load([], vault=["dev@prompt", "prompt", "dev@file"])
    assert [str(found) for found in caught.value.problems] == [
        "no inventory is given",
        "--vault-id `dev@prompt`: nobody is asked for a password; name a file",
        "--vault-id `prompt`: nobody is asked for a password; name a file",
    ]


def test_no_password_of_a_url_is_shown(program: Path) -> None:
    """A destination that cannot be is shown without its login."""
    expect = {
        "connects": ["odd://app:hunter2@db"],
        "proxy": {"http": 1},
        "browses": ["ftp://u:" + "hunter2" * 30 + "@x/"],
    }
    answer = json.dumps({"all": {"hosts": ["h"], "vars": {"expect": expect}}})
    said = problem(written(program, f"echo '{answer}'"))
    assert "odd://***@db" in said
    assert "hunter2" not in said


def test_warnings(program: Path) -> None:
    """What the reader of the report must know is said once for the fleet."""
    variables = {"ansible_host_key_checking": "no", "ansible_become_pass": "hunter2", "ansible_group_priority": "high"}
    answer = json.dumps({"all": {"hosts": ["h1", "h2"], "vars": variables}})
    environ = written(program, f"echo 'Could not match supplied host pattern, ignoring: nobody' >&2; echo '{answer}'")
    assert list(load(["h,"], limit=["h1", "nobody"], environ=environ).warnings) == [
        "--limit: `nobody` names nobody",
        "host keys are not checked for 2 hosts (h1, …)",
        "ansible_become_pass is not used: `sudo -n` runs without a password or not at all",
    ]
