"""JSON that is written part by part is the JSON that Python writes as a whole."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whyrefused.escape import plain
from whyrefused.report import pieces

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def cleaned(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same without what no reader takes."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): cleaned(one) for key, one in value.items()}
    return [cleaned(one) for one in value] if isinstance(value, list) else value


@given(JSON)
def test_text(value: Any) -> None:  # noqa: ANN401 - as above
    """The same bytes as `json.dumps(value, indent=1)`."""
    assert json.dumps(cleaned(value), indent=1) == pieces.text(value)


@given(st.lists(JSON, max_size=4))
def test_listed(values: list[Any]) -> None:
    """A list, value by value, within an object."""
    assert json.dumps({"a": cleaned(values)}, indent=1) == '{\n "a": ' + "".join(pieces.listed(values, 1)) + "\n}"
