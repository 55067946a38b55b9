"""What cannot be is said in our own words, with what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory.merge import merged, normalised
from whyrefused.inventory.validate import GRAMMAR, Names, expectation, judged, mentions_localhost, names

CASES = yaml.safe_load((Path(__file__).parent / "data/inventory/validate.yml").read_text())
KNOWN = names(["web1", "db1"], ["all", "web", "app"], ["198.51.100.11"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["expect"])[:60])
def test_case(case: dict[str, Any]) -> None:
    """This expectation has exactly these flaws."""
    level, flaws = normalised(case["expect"])
    found = (*flaws, *judged(merged([level]), KNOWN)[1])
    assert case["flaws"] == {".".join(map(str, flaw.path)): flaw.message for flaw in found}


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        ({"ports": {"1/tcp": {"clients": ["localhost"]}}}, True),
        ({"ports": {"1/tcp": {"deny": ["localhost"]}}}, True),
        ({"connects": [{"to": "a:1", "server": "localhost"}]}, True),
        ({"connects": ["localhost:1"], "ports": {"1/tcp": {"clients": ["web"]}}}, False),
    ],
)
def test_localhost(expect: dict[str, Any], answer: bool) -> None:  # noqa: FBT001 - the case's answer
    """The machine that runs pytest is a host where it is named as one; a name that is dialled is not that."""
    assert mentions_localhost(GRAMMAR.validate_python(expect)) is answer


KEYS = [
    *(
        "services",
        "ports",
        "resolves",
        "authoritative",
        "connects",
        "proxy",
        "browses",
        "headroom",
        "forwards",
        "wide",
        "nginx",
        "443/tcp",
    ),
    *("state", "bind", "allow", "clients", "to", "url", "as", "http", "no_proxy", "backlog", "server"),
]
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*KEYS, "a:1", "20%", "none"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5))
def test_any_tree(tree: dict[str, Any]) -> None:
    """Whatever stands under `expect`: it is an expectation, or there is at least one flaw in plain words."""
    level, _ = normalised(tree)
    expect, flaws, _ = expectation(level)
    assert (expect is None) == bool(flaws)
    for flaw in flaws:
        assert flaw.path
        assert "Input should" not in flaw.message
    judged(level, Names(hosts=frozenset(), parties=frozenset(), sources=frozenset(), dialled=frozenset()))
