"""What must not reach Ansible is refused before it is run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory import bounds, guards, load
from whyrefused.records import BadInput

REFUSED = Path(__file__).parent / "data/inventory/refused"
EXPECTED = yaml.safe_load((REFUSED / "expected.yml").read_text())
NO_COMMAND = {"WHYREFUSED_ANSIBLE_INVENTORY": "/nonexistent"}


def refusal(*sources: Path | str) -> list[str]:
    """What is said of these sources, where Ansible could not be run at all?"""
    with pytest.raises(BadInput) as caught:
        load([str(source) for source in sources], environ=NO_COMMAND)
    return [str(problem).replace(f"{REFUSED}/", "") for problem in caught.value.problems]


def test_every_file_is_expected() -> None:
    """Each hostile file has its words in expected.yml."""
    assert sorted(EXPECTED) == sorted(path.name for path in REFUSED.iterdir() if path.name != "expected.yml")


@pytest.mark.parametrize("name", EXPECTED)
def test_refused(name: str) -> None:
    """A hostile file is refused quickly, in these words, without running Ansible."""
    start = time.process_time()
    assert EXPECTED[name] == refusal(REFUSED / name)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {h1: {host: x, var: [expect], expects: 1, expect: {proxy: none}}}, vars: {hosts: [a], child: 1}}",
        "all: {children: {vars: {hosts: {expect: }}, child: }, hosts: {vars: , host: }}",
        "x-common: &common {expect: {proxy: none}, var: 1}\nall: {vars: {<<: *common}, hosts: {h1: }}",
        "all: {hosts: {h1: }, note: checked by hand, roles: [web]}",
        "plugin: constructed\ngroups: {web: [1]}\ncompose: {host: x, expect: y}\nhosts: [a]",
        "[web]\nh1 ansible_host=198.51.100.1\n",
    ],
)
def test_not_refused(text: str) -> None:
    """What is no group of Ansible's, or is told elsewhere, or says nothing that could be missed, may stand there."""
    assert guards.problems(text, "hosts", must_be_yaml=False, tree=True) == ()


def test_a_group_without_hosts(tmp_path: Path) -> None:
    """Ansible drops a group in which nobody is; who names it is told that, and not that there is none."""
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {h1: {expect: {ports: {80/tcp: {clients: [spare]}}}}}, children: {spare: }}")
    with pytest.raises(BadInput, match="no host, and no group that has hosts, is called `spare`; right are hosts and"):
        load([str(path)])


def test_missing_command() -> None:
    """Without the command one clear problem says how to get it."""
    message = "WHYREFUSED_ANSIBLE_INVENTORY names `/nonexistent`, which is no program; inventories are read by it: "
    assert refusal("web1,") == [message + "pip install 'whyrefused[ansible]'"]


def test_too_large(tmp_path: Path) -> None:
    """A file above the limit is not read at all."""
    path = tmp_path / "hosts.yml"
    with path.open("wb") as file:
        file.truncate(bounds.LARGEST + 1)
    assert refusal(path) == [f"{path}: this file is larger than 5 MiB"]


def test_too_many_values(tmp_path: Path) -> None:
    """A flat file with more values than a fleet needs is refused."""
    path = tmp_path / "hosts.yml"
    path.write_text("[" + "1," * (guards.MOST_NODES + 1) + "]")
    assert refusal(path) == [f"{path}:1: more than {guards.MOST_NODES} values stand in one file"]


def test_pipe(tmp_path: Path) -> None:
    """A pipe, on which reading would wait for ever, is refused."""
    path = tmp_path / "hosts.yml"
    os.mkfifo(path)
    assert refusal(path) == [f"{path}: this is neither a file nor a folder"]


def test_folder_and_variables(tmp_path: Path) -> None:
    """Every file of a folder is looked at, with its group_vars, but for those that Ansible leaves out."""
    for name in ("hosts.yml", "group_vars/web.yml", "host_vars/w.example.com/a.json", "sub/more.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{a: 1, a: 2}")
    for name in (".hidden.yml", "notes.txt", "hosts.yml~", "group_vars/web.txt"):
        (tmp_path / name).write_text("{a: 1, a: 2}")
    message = "a: this key stands twice in one map; Ansible would keep only the last"
    found = refusal(tmp_path)
    assert sorted(found) == [
        f"{tmp_path}/{name}:1: {message}"
        for name in ("group_vars/web.yml", "host_vars/w.example.com/a.json", "hosts.yml", "sub/more.yaml")
    ]


def test_all_sources_at_once(tmp_path: Path) -> None:
    """Problems of every source come together."""
    assert refusal("", "no/such", "web[1:999999999],", tmp_path / "none") == [
        "there is no inventory at ``",
        "no/such: there is no inventory at `no/such`",
        "`web[1:999999999],` stands for too many hosts",
        f"{tmp_path}/none: there is no inventory at `{tmp_path}/none`",
    ]


@pytest.mark.parametrize("text", ["$ANSIBLE_VAULT;1.1;AES256\n{a: 1, a: 2}", "[web]\nw1 a=1 b=[[[\n", "", "\t- x"])
def test_left_to_ansible(text: str) -> None:
    """A vaulted file and an INI file are no YAML, and not judged as such."""
    assert guards.problems(text, "hosts", must_be_yaml=False) == ()


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!?|<> \n\"'#\t%@0[1:9]"), max_size=200) | st.text(max_size=100))
def test_survives_any_text(text: str) -> None:
    """Whatever the text, there is an answer, and every problem names the file."""
    for must in (True, False):
        found = guards.problems(text, "f", must_be_yaml=must)
        assert all(problem.file == "f" for problem in found)


@given(st.lists(st.sampled_from("ab"), max_size=4))
def test_duplicates_and_only_those(keys: list[str]) -> None:
    """A flat map is refused exactly for the keys that stand twice."""
    text = "{" + ", ".join(f"{key}: 1" for key in keys) + "}"
    assert len(guards.problems(text, "f", must_be_yaml=True)) == len(keys) - len(set(keys))


@pytest.mark.parametrize(
    ("template", "runs"),
    [
        ("{{ lookup('env', 'HOME') }}", False),
        ("{{ lookup('community.hashi_vault.vault_kv2_get', 'x') }}", False),
        ("a query of q letters", False),
        ("{{ a.query_string }}", False),
        ("lookup('pipe', 'id')", True),
        ('{{ lookup( "ansible.builtin.pipe" , "id") }}', True),
        ("{{ q('lines', 'id') }}", True),
        ("{{ query('template', 'x.j2') }}", True),
        ("{{ lookup('pi' ~ 'pe', 'id') }}", True),
        ("{{ lookup(name, 'id') }}", True),
        ("{% set l = lookup %}{{ l(name) }}", True),
        ("{%- import 'x.j2' as x %}", True),
    ],
)
def test_what_a_plugin_may_look_up(template: str, *, runs: bool) -> None:
    """In the configuration of an inventory plugin nothing runs; in a file of hosts it is text, which nobody renders."""
    text = f"plugin: x\nhosts: {json.dumps(template)}\n"
    told = [str(one) for one in guards.problems(text, "f", must_be_yaml=True)]
    assert (["f:2: hosts: a lookup of a plugin's configuration may run nothing here"] if runs else []) == told
    assert guards.problems(text.replace("plugin", "all"), "f", must_be_yaml=True) == ()
