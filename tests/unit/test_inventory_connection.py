"""Connection variables mean what they mean to Ansible."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory import levels
from whyrefused.inventory.connection import VARIABLES, connection
from whyrefused.inventory.templates import Fleet

if TYPE_CHECKING:
    from whyrefused.inventory.flaws import Flaw
    from whyrefused.records import Connection

CASES = yaml.safe_load((Path(__file__).parent / "data/inventory/connection.yml").read_text())


def read(variables: dict[str, Any], host: str = "h1", **environ: str) -> tuple[Connection, tuple[Flaw, ...]]:
    """How is this host reached? Key files are there if their name begins with `/keys`."""
    text = json.dumps({"all": {"hosts": [host]}, "_meta": {"hostvars": {host: variables}}})
    view = Fleet(levels.parse(text, lambda _: True)).view(host)
    return connection(host, view, environ, lambda path: path.startswith("/keys"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["variables"])[:60])
def test_case(case: dict[str, Any]) -> None:
    """These variables and this environment give this connection, or these flaws."""
    found, flaws = read(case["variables"], case.get("host", "h1"), **case.get("environment", {}))
    assert case.get("flaws", {}) == {str(flaw.path[0]): flaw.message for flaw in flaws}
    values = {**asdict(found), "ssh_arguments": list(found.ssh_arguments)}
    assert case.get("connection", {}).items() <= values.items()


def test_password_is_hidden() -> None:
    """The password reaches the connection and no text of it."""
    found, _ = read({"ansible_password": "hunter2"})
    assert found.password is not None
    assert found.password.reveal() == "hunter2"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "value", ["hunter2{{ nowhere }}", {"__ansible_vault": "hunter2"}, ["hunter2"], {"hunter2": 1}, 1.5, True]
)
def test_no_flaw_shows_a_password(value: object) -> None:
    """A password that cannot be used is one flaw, without any part of it."""
    _, flaws = read({"ansible_password": value})
    assert len(flaws) == 1
    assert "hunter2" not in flaws[0].message


def test_home_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in a key file is the home of who runs pytest."""
    monkeypatch.setenv("HOME", "/keys")
    assert read({"ansible_ssh_private_key_file": "~/id"})[0].key_file == "/keys/id"


@given(
    st.dictionaries(
        st.sampled_from(sorted(VARIABLES)),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.text(max_size=3)),
        max_size=4,
    )
)
def test_any_value(variables: dict[str, Any]) -> None:
    """Whatever stands there: nothing that reaches `ssh` begins with a dash or holds a control character."""
    found, _ = read(variables)
    for text in (found.address, found.user or "", found.become_user):
        assert not text.startswith("-")
        assert text.isprintable()
        assert " " not in text
    assert found.port is None or isinstance(found.port, int)
