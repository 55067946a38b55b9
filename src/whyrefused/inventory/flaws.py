"""What is said of a thing that is wrong, before it is known in which file it stands."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Keys and indexes from a level's variables inwards: ("expect", "ports", "443/tcp", "bind")."""

LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is wrong with the variables of one level."""

    path: Path
    message: str


def inert(text: str) -> str:
    """How is text from outside shown so that no terminal acts on it?"""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def discreet(text: str) -> str:
    """How is text shown without the passwords in it?"""
    return redact(text)


def shown(value: object, longest: int = LONGEST) -> str:
    """How is a value from outside quoted in a message: inert, short, in backquotes?"""
    if not isinstance(value, (str, int, float, type(None))):
        return f"a {kind(value)}"
    text = value if isinstance(value, str) else json.dumps(value)
    text = inert(discreet(text)[: longest + 1])
    return f"`{text[:longest]}…`" if len(text) > longest else f"`{text}`"


def kind(value: object) -> str:
    """What would someone who writes YAML call this kind of value?"""
    if isinstance(value, dict):
        return "map"
    if isinstance(value, (list, tuple)):
        return "list"
    return "word" if isinstance(value, str) else "value"


def nearest(word: object, words: Iterable[str]) -> str:
    """Which of these words was probably meant? A clause for a message, or nothing."""
    found = difflib.get_close_matches(str(word)[:LONGEST], list(words), n=1, cutoff=0.5)
    return f"; did you mean `{inert(found[0])}`?" if found else ""
