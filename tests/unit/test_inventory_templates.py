"""Templates of an inventory say what the variables hold, and run nothing."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from whyrefused.inventory import levels
from whyrefused.inventory.templates import Fleet, View

DATA = yaml.safe_load((Path(__file__).parent / "data/inventory/templates.yml").read_text())
HOST = "h1.example.com"


def view(variables: dict[str, Any]) -> View:
    """One host with these variables, in the group `web`."""
    text = json.dumps({"all": {"children": ["web"]}, "web": {"hosts": [HOST], "vars": variables}})
    return Fleet(levels.parse(text, lambda _: True)).view(HOST)


def reasons(value: object, variables: dict[str, Any]) -> list[str]:
    """Why can this not be rendered?"""
    return [flaw.message for flaw in view(variables).render(value, ())[1]]


@pytest.mark.parametrize("text", DATA["values"])
def test_value(text: str) -> None:
    """A template says this, and a whole expression keeps its type."""
    assert (DATA["values"][text], ()) == view(DATA["variables"]).render(text, ())


@pytest.mark.parametrize("text", DATA["reasons"])
def test_reason(text: str) -> None:
    """A template that cannot be rendered is one flaw, which names the template and the reason."""
    assert [f"template `{text}`: {DATA['reasons'][text]}"] == reasons(text, DATA["variables"])


def test_paths_of_flaws() -> None:
    """Every template of a tree that fails is named by its path; the others are rendered."""
    value, flaws = view({"a": 1}).render(
        {"x": ["{{ a }}", "{{ b }}"], "y": {"z": "{{ c }}"}, "{{ a }}": 1}, ("expect",)
    )
    assert [flaw.path for flaw in flaws] == [("expect", "{{ a }}"), ("expect", "x", 1), ("expect", "y", "z")]
    assert value["x"][0] == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"v0": "x" * 1000, **{f"v{i}": f"{{{{ v{i - 1} }}}}" * 10 for i in range(1, 15)}, "top": "{{ v14 }}"},
        {
            "v0": ["x"] * 100,
            **{f"v{i}": "{{ [" + f"v{i - 1}, " * 50 + "] }}" for i in range(1, 15)},
            "top": "{{ v14 }}",
        },
        {"v0": "x" * 1000, "top": "{{ v0" + " | replace('x', 'xxxxxxxxxx')" * 30 + " }}"},
        {"v0": ["x" * 1000] * 1000, "top": "{{ v0 | join(v0 | join) }}"},
        {**{f"v{i}": f"{{{{ v{i + 1} }}}}" for i in range(500)}, "top": "{{ v0 }}"},
        {"top": "{{" + "(" * 2000 + "1" + ")" * 2000 + "}}"},
        {"top": "{{" + "not " * 1000 + "1 }}"},
        {"top": "{{ 1 }}" + " " * 5000},
        {"top": "{{ " + "9" * 4000 + " * " + "9" * 50 + " }}"},
        {"top": "{% if 1 %}" * 200 + "{% endif %}" * 200},
        {"v0": "x" * 5_000_000, "top": "{{ v0 }}" * 400},
    ],
)
def test_bombs(variables: dict[str, Any]) -> None:
    """What grows without bound is refused before it has grown."""
    start = time.process_time()
    assert len(reasons("{{ top }}", variables)) == 1
    assert time.process_time() - start < 1


def test_a_product_is_no_bomb() -> None:
    """A product of numbers is a number like any other."""
    assert reasons("{{ 2147483647 * 2147483647 }}", {}) == []


WORDS = [
    *(
        "lookup",
        "query",
        "range",
        "'pipe'",
        "'touch canary'",
        "__class__",
        "__mro__",
        "__globals__",
        "cycler",
        "joiner",
    ),
    *("namespace", "self", "map", "attr", "if", "for", "in", "import", "format", "hostvars", "groups", "a", "x", "1"),
    *("(", ")", ",", "|", ".", "[", "]", "'", "~", "*", "%", "{{", "}}", "{%", "%}", " "),
]
EXPRESSION = st.lists(st.sampled_from(WORDS), max_size=15).map("".join)


@given(EXPRESSION | st.text(max_size=60))
@example("lookup('pipe', 'touch canary')")
@example("a.__class__.__mro__[1].__subclasses__()")
@example("cycler.__init__.__globals__.os.popen('touch canary').read()")
def test_templates_run_nothing(inner: str) -> None:
    """Whatever the template, it gives plain data or a reason, and nothing is run."""
    value, flaws = view({"a": "x", "x": [1]}).render("{{ " + inner + " }}", ())
    assert flaws or isinstance(json.loads(json.dumps(value)), (str, int, float, bool, list, dict, type(None)))
    assert not os.path.exists("canary")  # noqa: PTH110 - asked of the folder of the run


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_is_no_template_stays(value: object) -> None:
    """A value without a template in it is given back as it is."""
    if not any(map(levels.is_template, levels.texts(value))):
        assert view({}).render(value, ()) == (value, ())
