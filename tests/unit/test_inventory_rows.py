"""What is written down of an inventory is read again as it was, and what nobody could have declared is not read."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from whyrefused.inventory.cache.rows import KINDS, NAMES, read, written
from whyrefused.inventory.manual import EXAMPLES, parts
from whyrefused.inventory.shape import Fits
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.records import Connection, Host, Inventory, Secret

WRONG = (ValueError, TypeError, LookupError)
"""What reading raises, of which the cache makes that nothing was kept."""
PROXY = {"http": "http://proxy:3128", "no_proxy": ["a", ".b"]}
EVERYTHING = {
    "services": {"nginx": {"state": "running", "enabled": False}, "old": "absent"},
    "ports": {
        "443/tcp": {"bind": "10.0.0.1%eth0", "service": "nginx", "allow": ["any", "10.0.0.0/8"], "clients": "b"},
        "53/udp": {"state": "absent", "deny": "a"},
    },
    "resolves": {"db.example.com": ["10.0.0.2", "::1", "10.0.0.0/8"]},
    "authoritative": {"example.com": ["10.0.0.53", "::53"], "test": "127.0.0.1"},
    "connects": [
        {"to": "b:443", "as": "unit:app", "configured_in": "/etc/app#URL", "server": "b", "proxy": PROXY},
        "c:1",
    ],
    "proxy": PROXY,
    "browses": [{"url": "https://b/", "as": "user:kiosk", "profile": "/home/kiosk"}],
    "headroom": {"files": "20%"},
    "forwards": {"8443/tcp": "b:443"},
    "wide": "consistent",
}


def inventory(*expects: Any, ssh_arguments: tuple[str, ...] = ("-o", "X=y")) -> Inventory:  # noqa: ANN401 - as YAML gives it
    """Hosts that declare this, each in a group of its own."""
    names = [f"h{number}" for number in range(len(expects))]
    hosts = {
        name: Host(
            name=name,
            connection=Connection(kind="ssh", address=f"a{name}", port=22, ssh_arguments=ssh_arguments),
            groups=("g", f"g{name}"),
            expect=GRAMMAR.validate_python(expect),
        )
        for name, expect in zip(names, expects, strict=True)
    }
    groups = {"g": tuple(names), **{f"g{name}": (name,) for name in names}}
    return Inventory(
        sources=("x",), hosts=hosts, groups=groups, selected=tuple(names[1:]), warnings=("w",) * len(names)
    )


def test_every_part_has_a_table() -> None:
    """What is added to the grammar is added here."""
    assert {*parts(), Connection} == set(KINDS)


@pytest.mark.parametrize("many", range(4))
def test_as_it_was(many: int) -> None:
    """Of no host, one and several; with everything that can be declared, with nothing, and with much alike."""
    expects = [EVERYTHING, {}, {**EVERYTHING, "wide": None, "proxy": "none"}][:many]
    before = inventory(*expects)
    after = read(written(before))
    assert after == before
    assert list(after.hosts) == list(before.hosts)


WORDS = st.sampled_from(
    ["running", "none", "a:1", "::1", "any", "20%", "http://a/", "user:x", "/f#K", "x", "consistent"]
)
KEYS = st.sampled_from(["443/tcp", "nginx", "files", *EVERYTHING, *(key for part in EXAMPLES.values() for key in part)])
VALUES = st.recursive(
    WORDS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(list(EVERYTHING)), VALUES, max_size=2), min_size=1, max_size=3))
def test_whatever_may_be_declared(expects: list[dict[str, Any]]) -> None:
    """What the grammar takes of people is taken of the cache."""
    try:
        before = inventory(*expects)
    except ValidationError:
        before = inventory(EVERYTHING)
    assert read(written(before)) == before


def changed(kind: str, field: str, value: object) -> str:
    """An inventory that was written down, with another value in this column."""
    kept = json.loads(written(inventory(EVERYTHING)))
    names = next(NAMES[one] for one in KINDS if one.__name__ == kind)
    columns = kept["tables"][kind]["columns"]
    columns[names.index(field)] = [[value], None]
    return json.dumps(kept)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("Service", "state", "runing"),
        ("Service", "state", True),
        ("Service", "enabled", 1),
        ("Port", "state", "running"),
        ("Port", "bind", "10.0.0.300"),
        ("Port", "bind", None),
        ("Port", "service", "a; reboot"),
        ("Port", "allow", ["10.0.0.1/8"]),
        ("Port", "deny", {"a": 1}),
        ("Port", "clients", [7]),
        ("ProxySettings", "http", 1),
        ("ProxySettings", "no_proxy", [None]),
        ("Connect", "to", "nowhere"),
        ("Connect", "server", []),
        ("Connect", "as_", "root"),
        ("Connect", "as_", "user:a\n"),
        ("Connect", "configured_in", "relative"),
        ("Connect", "proxy", "any"),
        ("Connect", "proxy", False),
        ("Browse", "url", "file:///etc/passwd"),
        ("Browse", "profile", "home"),
        ("Expect", "services", {"a b": 0}),
        ("Expect", "services", {"a": 2}),
        ("Expect", "services", {"a": -1}),
        ("Expect", "services", {"a": True}),
        ("Expect", "services", {"a": "running"}),
        ("Expect", "services", []),
        ("Expect", "ports", {"0/tcp": 0}),
        ("Expect", "resolves", {"-a": ["::1"]}),
        ("Expect", "resolves", {"a": ["b"]}),
        ("Expect", "resolves", {"a": []}),
        ("Expect", "authoritative", {".a": ["::1"]}),
        ("Expect", "authoritative", {"a": ["ns1"]}),
        ("Expect", "authoritative", {"a": []}),
        ("Expect", "connects", [5]),
        ("Expect", "connects", 0),
        ("Expect", "browses", [None]),
        ("Expect", "headroom", {"memory": "20%"}),
        ("Expect", "headroom", {"files": "20"}),
        ("Expect", "forwards", {"1/tcp": "a"}),
        ("Expect", "wide", "open"),
        ("Connection", "kind", "telnet"),
        ("Connection", "address", 7),
        ("Connection", "port", "22"),
        ("Connection", "password", "a"),
        ("Connection", "ssh_arguments", "-oProxyCommand=x"),
        ("Connection", "ssh_arguments", [1]),
        ("Connection", "host_key_checking", 0),
    ],
)
def test_what_nobody_could_declare(kind: str, field: str, value: object) -> None:
    """Each value passes what it passed when it was declared."""
    with pytest.raises(WRONG):
        read(changed(kind, field, value))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows": 2', '"rows": 3'),
        ('"selected": [1]', '"selected": [2]'),
        ('"selected": [1]', '"selected": [-1]'),
        ('"g": [0, 1]', '"g": [0, 9]'),
        ('["x"]', "[1]"),
        ('"sources": ["x"]', '"sources": "x"'),
        ('"tables"', '"table"'),
        ('"Browse"', '"Brows"'),
    ],
)
def test_what_does_not_fit_together(old: str, new: str) -> None:
    """A table that is short of something, and a place where nothing stands."""
    text = written(inventory(EVERYTHING, {}))
    assert old in text
    with pytest.raises(WRONG):
        read(text.replace(old, new))


def test_a_password_is_neither_written_nor_read() -> None:
    """There is no form in which one could be kept."""
    login = Connection(kind="ssh", address="a", password=Secret("canary"))
    one = Host(name="h", connection=login, groups=(), expect=GRAMMAR.validate_python({}))
    with pytest.raises((KeyError, TypeError)):
        written(Inventory(sources=(), hosts={"h": one}, groups={}, selected=()))


def test_a_pattern_ends_where_the_text_does() -> None:
    """As pydantic reads it: `$` is the end of the text, not of its last line."""
    read_text = Fits("^user:[a-z]+$").around(str)
    assert read_text("user:x") == "user:x"
    assert re.search("^user:[a-z]+$", "user:x\n")
    with pytest.raises(ValueError, match="user:x"):
        read_text("user:x\n")


def called(hosts: int) -> int:
    """How many functions of Python are called to read hosts that each expect something of their own?"""
    own = ({**EVERYTHING, "resolves": {"db": [f"10.0.{number >> 8}.{number & 255}"]}} for number in range(hosts))
    text = written(inventory(*own))
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        read(text)
    finally:
        sys.setprofile(None)
    return calls


def test_what_hosts_have_in_common_is_judged_once() -> None:
    """One host more costs what is its own, a third of what the first costs or less: what others expect too is there."""
    assert called(400) - called(200) <= 200 * 80
