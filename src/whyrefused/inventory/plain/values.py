"""What does a text say, as Ansible's readers of YAML, JSON and INI values have it?"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from contextlib import suppress
from functools import lru_cache
from typing import Any, ClassVar

import yaml

from whyrefused.inventory.plain.unsure import Unreadable, Unsure

TAG = "tag:yaml.org,2002:"
KNOWN = ("null", "bool", "int", "float", "str", "seq", "map")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*|/[A-Za-z0-9_/.-]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
"""What Python's own reader takes for no value of Python, told without asking it: a name, a path, an address."""
PYTHON = frozenset({"True", "False", "None"})
LONGEST = 4096
MARK = "__ansible"
"""How the keys begin by which Ansible marks values in JSON."""


def document(text: str) -> Any:  # noqa: ANN401 - whatever YAML can hold
    """What does this file of YAML or JSON say? Raises Unreadable where it is neither, and Unsure."""
    if not yaml.__with_libyaml__ or text.startswith("\ufeff"):
        raise Unsure
    if text.lstrip()[:1] in {"{", "["}:
        # Ansible tries every text as JSON first; of what begins otherwise no map can come.
        with suppress(ValueError, RecursionError):
            return json.loads(text, parse_constant=_never)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, with less in it
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unreadable from None


def ini_value(text: str) -> Any:  # noqa: ANN401 - whatever Python can hold
    """What is the value after `=` in a line of INI? A literal of Python, or the text itself. Raises Unsure."""
    if text.isdigit() and text.isascii() and text[:1] != "0" and len(text) < 19:  # noqa: PLR2004 - what any reader holds
        return int(text)
    if WORD.fullmatch(text) and text not in PYTHON:
        return text
    return _literal(text)


@lru_cache(maxsize=4096)
def _literal(text: str) -> Any:  # noqa: ANN401 - as above
    if len(text) > LONGEST:
        raise Unsure
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    except (RecursionError, MemoryError, TypeError):
        raise Unsure from None
    if not isinstance(value, (str, int, float, list, dict, tuple, type(None))):
        raise Unsure
    return value


def printed(value: Any) -> Any:  # noqa: ANN401 - whatever was read
    """What would the command print for this value, maps in their keys' order? Raises Unsure."""
    if isinstance(value, str):
        if "\ud800" <= max(value, default="") <= "\udfff":
            raise Unsure
        return value
    if isinstance(value, dict):
        return _map(value)
    if isinstance(value, (list, tuple)):
        return [printed(inner) for inner in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise Unsure


def _map(value: dict[Any, Any]) -> dict[str, Any]:
    kinds = set(map(type, value))
    if any(str(key).startswith(MARK) for key in value):
        raise Unsure
    if kinds <= {str}:
        return {key: printed(value[key]) for key in sorted(value)}
    if kinds == {int}:
        return {str(key): printed(value[key]) for key in sorted(value)}
    raise Unsure


def _never(_: str) -> None:
    raise Unsure


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # one of two
    """YAML's plainest values; all else is left to Ansible."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        TAG + name: getattr(yaml.SafeLoader, f"construct_yaml_{name}") for name in KNOWN
    }
    yaml_multi_constructors: ClassVar[dict[Any, Any]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - its own
        """Take no two keys that are equal when they are read: `1` and `yes`."""
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise Unsure
        return mapping

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take no merge key (`<<`): what it does beside an equal key is Ansible's to say."""
        if any(key.tag in {TAG + "merge", TAG + "value"} for key, _ in node.value):
            raise Unsure


def _other(_: yaml.Loader, __: yaml.Node) -> None:
    raise Unsure


_Loader.yaml_constructors[None] = _other
