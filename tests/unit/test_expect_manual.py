"""What is generated from the grammar is fresh, and agrees with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from whyrefused.inventory import manual
from whyrefused.inventory.expect import Expect
from whyrefused.inventory.merge import LISTS, SHORT
from whyrefused.inventory.validate import GRAMMAR, keys

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "data/inventory/cases"
SCHEMA = manual.schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def wrapped(expect: object) -> dict[str, Any]:
    """An inventory with this `expect`."""
    return {"all": {"vars": {"expect": expect}}}


@pytest.mark.parametrize("name", manual.outputs())
def test_fresh(name: str) -> None:
    """The file in the repository is what the generator makes: else run `python -m whyrefused.inventory.manual`."""
    assert manual.outputs()[name] == (ROOT / name).read_text(encoding="utf-8")


def test_schema_is_one() -> None:
    """The schema is itself valid, and ships beside the grammar."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(manual.HERE.with_name("expect.schema.json").read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize(
    "path",
    [
        CASES / "spec-example/hosts.yml",
        *sorted((CASES / "folder").rglob("*.yml")),
        *sorted((ROOT / "inventories").rglob("*.y*ml")),
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_schema_accepts(path: Path) -> None:
    """Editors find nothing wrong in the examples, wherever `expect` stands."""
    assert [error.message for error in CHECK.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize(
    "document",
    [
        {"all": {"hosts": {"h": {"expect": {"prts": {}}}}}},
        {"all": {"children": {"a": {"children": {"b": {"vars": {"expect": {"proxy": "non"}}}}}}}},
        {"expect": {"services": {"nginx": "runing"}}},
        {"expect": {"ports": {"443/tcp": {"bnd": "::"}}}},
        {"expect": {"ports": {"443/tcpp": {}}}},
        {"expect": {"connects": [{"as": "user:x"}]}},
    ],
)
def test_schema_refuses(document: dict[str, Any]) -> None:
    """An editor marks a typo at every level."""
    assert not CHECK.is_valid(document)


@pytest.mark.parametrize("key", sorted(SHORT))
def test_short_forms(key: str) -> None:
    """A word alone is read by the grammar as the key that merging takes it for."""
    word = {"services": "stopped", "ports": "absent", "connects": "a:1", "browses": "http://a/"}[key]
    entry: Any = {SHORT[key]: word}
    short, long = ([word], [entry]) if key in LISTS else ({"1": word}, {"1": entry})
    assert GRAMMAR.validate_python({key: short}) == GRAMMAR.validate_python({key: long})


def test_every_key_has_an_example_that_works() -> None:
    """The manual's examples are read by the grammar, each in its part."""
    for part in manual.parts():
        required = {"Connect": {"to": "a:1"}, "Browse": {"url": "http://a/"}}.get(part.__name__, {})
        assert manual.EXAMPLES[part.__name__].keys() == keys(part).keys()
        for example in manual.EXAMPLES[part.__name__].values():
            TypeAdapter(part).validate_python({**required, **yaml.safe_load(example)})


def test_every_key_is_described() -> None:
    """No row of the table is without its meaning."""
    for part in manual.parts():
        assert [key for key, about in keys(part).items() if not about] == []


WORDS = st.sampled_from(
    ["running", "none", "a:1", "::1", "any", "20%", "http://a/", "consistent", "user:x", "/f#K", "x"]
)
LEAF = WORDS | st.booleans()
ENTRY = st.dictionaries(
    st.sampled_from(["state", "enabled", "bind", "allow", "to", "url", "as", "proxy", "http"]),
    LEAF | st.lists(WORDS),
    max_size=3,
)
EXPECTS = st.dictionaries(
    st.sampled_from(list(keys(Expect))),
    WORDS
    | st.lists(WORDS | ENTRY, max_size=2)
    | st.dictionaries(
        st.sampled_from(["443/tcp", "nginx", "files"]), WORDS | ENTRY | st.lists(WORDS, max_size=2), max_size=2
    ),
    max_size=2,
)


@given(EXPECTS)
def test_schema_is_never_stricter_than_the_grammar(expect: dict[str, Any]) -> None:
    """What the grammar takes as text, list or map, no editor may mark as wrong."""
    try:
        GRAMMAR.validate_python(expect)
    except ValidationError:
        return
    assert CHECK.is_valid(wrapped(expect))
