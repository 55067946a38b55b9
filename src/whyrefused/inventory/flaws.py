"""What is said of a thing that is wrong, before it is known in which file it stands."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.redact import STRUCK, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Path = tuple[str | int, ...]
"""Keys and indexes from a level's variables inwards: ("expect", "ports", "443/tcp", "bind")."""

LONGEST = 80
NEAR = 0.65  # as difflib counts it: below, a password may be near to a word by chance

NO_OTHERS: Mapping[str, str] = {}
SECRETIVE = 6  # characters of a word with letters and digits in it, from which on it may be a password
SHORTEST = 4  # characters that a value has which does not stand in a sentence by chance, and a password at least

_WORDS = r"pass(?:word|wd|phrase|code)?|pwd"
SECRET_NAME = rf"(?:{_WORDS}|secret|token|credential|vault|(?:api|access|account|private|signing)_?key(?!_file))"
"""What is in the name of a variable that holds a secret."""

NUMBERS = re.compile(
    r"[0-9]{1,5}(?:/[A-Za-z]{1,8})?|[0-9A-Fa-f]{0,4}(?:[.:/%][0-9A-Fa-f]{0,4}){1,9}|-?[0-9]{1,4}\.[0-9]{1,3}"
)
"""Ports, shares, addresses, and what is meant to be one."""
SEPARATORS = frozenset("._-:/@% =,*[]")
NAMELIKE = re.compile(r"[\w.:/@%=,*\[\]{}-]+(?: [\w.:/@%=,*\[\]{}-]+)?")
"""What names, files, destinations and options are made of: one word, or two."""


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


def discreet(text: str, known: Iterable[str] = ()) -> str:
    """How is text shown without the passwords in it, and without those that the inventory is known to hold?"""
    return redact(text, known)


def shown(value: object, longest: int = LONGEST) -> str:
    """How is a value from outside quoted in a message: inert, short, in backquotes?"""
    if not isinstance(value, (str, int, float, type(None))):
        return f"a {kind(value)}"
    text = value if isinstance(value, str) else json.dumps(value)
    text = inert(discreet(text)[: longest + 1])
    return f"`{text[:longest]}…`" if len(text) > longest else f"`{text}`"


def attempt(value: object, known: Iterable[str] = ()) -> bool:
    """Is this plainly meant to be what is right there, so that a message may quote it? Else it could be a password.

    With `known` words it must be near to one of them. Without, it is made as names, addresses and numbers are.

    >>> [attempt(it) for it in ("10.0.0.300", "nginx service", "hunter2", "P@ss!", "correct horse battery")]
    [True, True, False, False, False]
    """
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return True  # only its kind is told
    text, words = str(value), tuple(known)
    if (
        len(text) < SHORTEST
        or NUMBERS.fullmatch(text)
        or difflib.get_close_matches(text[:LONGEST], words, n=1, cutoff=NEAR)
    ):
        return True
    mixed = any(map(str.islower, text)) + any(map(str.isupper, text)) + any(map(str.isdigit, text))
    alone = len(text) >= SECRETIVE and not any(sign in SEPARATORS for sign in text)
    if words or text.isdigit() or not NAMELIKE.fullmatch(text):
        return False
    return mixed <= (1 if alone else 2)


def veiled(message: str, value: object, known: Iterable[str] = ()) -> str:
    """The message without the wrong value in it, unless that is plainly an attempt at a right one."""
    if attempt(value, known):
        return message
    text = str(value)
    for form in (shown(value), shown(value, 200), repr(value), repr(text), text):
        message = message.replace(form, f"`{STRUCK}`")
    return message


def misplaced(value: object) -> str:
    """How is said that something else is wanted here than one value? A word or a number is not quoted."""
    quoted = NUMBERS.fullmatch(str(value)) if kind(value) == "number" else not isinstance(value, str)
    return shown(value) if quoted else f"a {kind(value)}"


def kind(value: object) -> str:
    """What would someone who writes YAML call this kind of value?"""
    if isinstance(value, dict):
        return "map"
    if isinstance(value, (list, tuple)):
        return "list"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return "word" if isinstance(value, str) else "value"


def nearest(word: object, words: Iterable[str], others: Mapping[str, str] = NO_OTHERS) -> str:
    """Which of these words was probably meant? A clause for a message, or nothing.

    `others` are words that are not right, each with the one that is meant by it.
    """
    found = difflib.get_close_matches(str(word)[:LONGEST], [*words, *others], n=1, cutoff=0.5)
    return f"; did you mean `{inert(others.get(found[0], found[0]))}`?" if found else ""
