"""What is wrong with an inventory is told without a password, wherever somebody put one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from whyrefused.inventory import command, load
from whyrefused.inventory.flaws import attempt, veiled
from whyrefused.records import BadInput

SEALED = Path(__file__).parent / "data/inventory/sealed.yml"
CANARIES = (
    "hunter2",
    "P@ssw0rd!",
    "correct horse battery",
    "Tr0ub4dor&3",
    "s3cr3t-Canary_99",
    "dGhpc2lzYQ==",
    "4815162342",
)
PLACES = (
    "ansible_port: {}", "ansible_become: {}", "ansible_connection: {}",
    "ansible_become_method: {}\n ansible_become: yes",
    "ansible_ssh_private_key_file: {}", "ansible_user: [{}]", "ansible_user: 'x {} y z'", "ansible_host: '{}!'",
    "ansible_ssh_common_args: \"'{}\"", "ansible_password: [{}]",
    "expect: {}", "expect: {{proxy: {}}}", "expect: {{portz: {}}}", "expect: {{ports: {}}}", "expect: {{services: {}}}",
    "expect: {{services: {{nginx: {}}}}}", "expect: {{services: {{nginx: {{enabled: {}}}}}}}",
    "expect: {{services: {{nginx: {{password: {}}}}}}}", "expect: {{headroom: {{files: {}}}}}",
    "expect: {{ports: {{443/tcp: {{bind: {}}}}}}}", "expect: {{ports: {{443/tcp: {{bind: '{}!'}}}}}}",
    "expect: {{ports: {{443/tcp: {{clients: [{}]}}}}}}", "expect: {{ports: {{443/tcp: {{allow: [{}]}}}}}}",
    "expect: {{resolves: {{a.example.com: {}}}}}", "expect: {{connects: [{}]}}",
    "expect: {{connects: [{{to: 'a:1', server: {}}}]}}", "expect: {{connects: [{{to: 'a:1', as: {}}}]}}",
    "expect: {{browses: [{}]}}", "expect: {{wide: {}}}", "expect: {{forwards: {{80/tcp: {}}}}}",
    "expct: {{ports: {}}}",
)  # fmt: skip
"""Under each key: a value that is wrong there."""


def said(folder: Path, text: str, **options: object) -> str:
    """What is told of an inventory of one host with these variables?"""
    (folder / "hosts.yml").write_text(f"all:\n hosts: {{h1: }}\n vars:\n  {text.replace(chr(10), chr(10) + ' ')}\n")
    try:
        load([str(folder / "hosts.yml")], environ={}, **options)  # type: ignore[arg-type]
    except BadInput as bad:
        return str(bad)
    return ""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("canary", CANARIES)
def test_a_password_under_a_wrong_key(tmp_path: Path, place: str, canary: str) -> None:
    """The file, the line and the key are told, and never what stands there."""
    told = said(tmp_path, place.format(canary))
    assert canary not in told, told
    assert not told or f"{tmp_path}/hosts.yml:" in told


def test_most_of_the_places_are_wrong(tmp_path: Path) -> None:
    """The canaries above are told of at all."""
    assert sum(bool(said(tmp_path, place.format("hunter2"))) for place in PLACES) > 0.8 * len(PLACES)


@pytest.mark.parametrize("word", ["letmein", "nginx", "db.example.com"])
@pytest.mark.parametrize(
    "name", ["db_password", "api_token", "my_secret", "vault_x", "ansible_ssh_pass", "signing_key"]
)
def test_a_value_that_is_a_password_elsewhere(tmp_path: Path, name: str, word: str) -> None:
    """Whatever it looks like: what stands in a variable that tells of a secret is in no message."""
    secret = f"{name}: {{deep: [{word}x]}}"
    for place in ("ansible_host: '{} {}'", "expect: {{connects: ['{}:{}']}}", "expect: {{browses: ['ftp://{}/{}']}}"):
        told = said(tmp_path, place.format(f"{word}x", f"{word}x"))
        assert f"{word}x" in told
        told = said(tmp_path, f"{secret}\n {place.format(f'{word}x', f'{word}x')}")
        assert told
        assert f"{word}x" not in told


@pytest.mark.parametrize("place", ["group_vars/all/vault.yml", "group_vars/all.yml", "host_vars/h1"])
def test_a_value_of_an_encrypted_file(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command decrypts is in no message, under whichever name it stands."""
    printed = {
        "all": {"children": ["ungrouped"], "vars": {"color": "letmein"}},
        "ungrouped": {"hosts": ["h1"]},
        "_meta": {"hostvars": {"h1": {"shape": "letmein", "ansible_host": "letmein there"}}},
    }
    monkeypatch.setattr(command, "export", lambda *_, **__: command.Export(text=yaml.safe_dump(printed), unmatched=()))
    monkeypatch.setattr(command, "export", lambda *_, **__: command.Export(text=_json(printed), unmatched=()))
    assert "letmein there" in said(tmp_path, "x: !vault y")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    told = said(tmp_path, "x: 1")
    assert "hosts.h1.ansible_host" in told
    assert "letmein" not in told


def _json(value: object) -> str:
    import json  # noqa: PLC0415 - here alone

    return json.dumps(value)


@pytest.mark.parametrize(
    ("value", "known", "expected"),
    [
        ("runing", ["running", "stopped"], True),
        ("hunter2", ["running", "stopped"], False),
        ("443/tpc", [], True),
        ("10.0.0.300", [], True),
        ("fe80::1%eth0", [], True),
        ("http//web1/x", [], True),
        ("a.b.example.com:x", [], True),
        (70000, [], True),
        (4815162342, [], False),
        (True, ["no"], True),
        ({"a": "hunter2"}, [], True),
        ("hunter2", [], False),
        ("Hunter-22", [], False),
        ("Two Words 2", [], False),
        ("", ["x"], True),
    ],
)
def test_what_is_plainly_an_attempt(value: object, known: list[str], expected: bool) -> None:  # noqa: FBT001 - a table
    """What is near to a right word, or made as names and addresses are, is quoted."""
    assert attempt(value, known) is expected


def test_sealed_inline(tmp_path: Path) -> None:
    """Values that are vaulted inline are opened where they are used, by the passwords that Ansible has."""
    password = tmp_path / "password"
    password.write_text("pw\n")
    host = load([str(SEALED)], vault=[str(password)]).hosts["h1"]
    assert ("198.51.100.77", "deploy") == (host.connection.address, host.connection.user)
    assert host.expect.ports["443/tcp"].bind == "198.51.100.77"
    assert host.connection.password
    assert host.connection.password.reveal() == "hunter2-and-more"


def test_sealed_for_good(tmp_path: Path) -> None:
    """What no password opens is told; what another one says is in no message."""
    password = tmp_path / "password"
    password.write_text("pw\n")
    broken = tmp_path / "hosts.yml"
    broken.write_text(SEALED.read_text().replace("{bind: ", "{service: '{{ ansible_password }} x', bind: "))
    with pytest.raises(BadInput) as caught:
        load([str(broken)], vault=[str(password)])
    assert "hunter2" not in str(caught.value)
    password.write_text("wrong\n")
    with pytest.raises(BadInput) as caught:
        load([str(SEALED)], vault=[str(password)])
    (first, *_) = map(str, caught.value.problems)
    assert f"{SEALED}:5: hosts.h1.ansible_host: is vaulted inline, and none of the passwords opens it: give " in first


def test_veiled() -> None:
    """Every way in which the value could be quoted is struck out."""
    assert veiled("'Ab!2c' of `Ab!2c`: Ab!2c", "Ab!2c") == "`***` of `***`: `***`"
