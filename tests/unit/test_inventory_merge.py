"""Expectations add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory.merge import merged, normalised

CASES = yaml.safe_load((Path(__file__).parent / "data/inventory/merge.yml").read_text())

SHARES = st.dictionaries(st.sampled_from(["backlog", "files"]), st.sampled_from(["10%", "20%"]))
SERVICE = st.sampled_from(["running", "stopped"]) | st.fixed_dictionaries({}, optional={"enabled": st.booleans()})
PORT = st.fixed_dictionaries(
    {}, optional={"bind": st.sampled_from(["::", "127.0.0.1"]), "allow": st.lists(st.sampled_from("ab"), max_size=2)}
)
CONNECT = st.sampled_from(["a:1", "b:2"]) | st.fixed_dictionaries(
    {"to": st.sampled_from(["a:1", "b:2"])}, optional={"server": st.sampled_from("ab")}
)
LEVEL = st.fixed_dictionaries(
    {},
    optional={
        "services": st.dictionaries(st.sampled_from(["x", "x.service", "y"]), SERVICE),
        "ports": st.dictionaries(st.sampled_from(["1/tcp", "1", "01", "2/udp"]), PORT),
        "connects": st.lists(CONNECT, max_size=3),
        "headroom": SHARES,
    },
).map(lambda level: normalised(level)[0])


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    """These levels, the most general first, add up to exactly this."""
    case = CASES[name]
    assert case["together"] == merged([normalised(level)[0] for level in case["levels"]])


def test_declared_twice() -> None:
    """Two spellings of one key on one level, and equal entries of a list, are named."""
    level = {
        "services": {"nginx": "running", "nginx.service": "stopped"},
        "ports": {"443": {}, "443/tcp": {}, "443/udp": {}},
        "connects": ["a:1", {"to": "a:1"}, {"to": "a:1", "as": "user:x"}],
    }
    assert [(flaw.path, flaw.message) for flaw in normalised(level)[1]] == [
        (("services", "nginx.service"), "`nginx` is declared twice here"),
        (("ports", "443/tcp"), "`443/tcp` is declared twice here"),
        (("connects", 1), "`a:1` is declared twice here"),
    ]


@given(LEVEL)
def test_identity(level: dict[str, Any]) -> None:
    """Nothing adds nothing, and a level added to itself is itself."""
    assert merged([{}, level]) == merged([level, {}]) == merged([level, level]) == level


@given(LEVEL, LEVEL, LEVEL)
def test_grouping_does_not_matter(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]) -> None:
    """Only the order of the levels counts, not how they are taken together."""
    assert merged([merged([first, second]), third]) == merged([first, merged([second, third])])


@given(LEVEL, LEVEL)
def test_the_specific_level_stands(general: dict[str, Any], specific: dict[str, Any]) -> None:
    """Every single thing that the more specific level says is in the sum, and every key comes from one of them."""
    together = merged([general, specific])
    assert together.keys() == general.keys() | specific.keys()
    assert together == merged([together, specific])
    for entry in specific.get("connects", ()):
        assert entry in together["connects"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text("ab/1", max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["services", "ports", "connects", "to", "1", "1/tcp"]), inner)
        ),
        max_leaves=15,
    )
)
def test_any_shape(value: object) -> None:
    """What is no expectation at all passes through, for the grammar to judge."""
    level = normalised({"services": value, "ports": value, "connects": value})[0]
    assert merged([level, level]) == level
