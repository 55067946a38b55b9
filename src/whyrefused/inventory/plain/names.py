"""Which hosts does one word of an inventory stand for? `web[01:50].example.com` is fifty, `web1:2222` has a port."""

from __future__ import annotations

import re
from itertools import product
from string import ascii_letters

from whyrefused.inventory.bounds import MOST_HOSTS
from whyrefused.inventory.plain.unsure import Unsure

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names of hosts and groups that mean themselves, whoever reads them."""
WITH_PORT = re.compile(
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?):([0-9]{1,5})"
)
SPAN = re.compile(r"\[([0-9]{1,9}|[A-Za-z]):([0-9]{1,9}|[A-Za-z])(?::([1-9][0-9]{0,8}))?\]")
WITH_SPANS = re.compile(rf"[A-Za-z0-9_](?:[A-Za-z0-9_.-]|{SPAN.pattern})*")


def named(word: str) -> str:
    """Is this the name of a group as Ansible has it? Raises Unsure."""
    if not isinstance(word, str) or not NAME.fullmatch(word):
        raise Unsure
    return word


def hosts(word: str) -> tuple[tuple[str, ...], int | None]:
    """Which hosts are these, and on which port? Raises Unsure."""
    if not isinstance(word, str):
        raise Unsure
    if NAME.fullmatch(word):
        return (word,), None
    if found := WITH_PORT.fullmatch(word):
        return (found[1],), int(found[2])
    if WITH_SPANS.fullmatch(word):
        return _spread(word), None
    raise Unsure


def _spread(word: str) -> tuple[str, ...]:
    parts: list[tuple[str, ...]] = []
    end, total = 0, 1
    for found in SPAN.finditer(word):
        span = _span(*found.groups())
        total *= len(span)
        if total > MOST_HOSTS:
            raise Unsure
        parts += [(word[end : found.start()],), span]
        end = found.end()
    return tuple(map("".join, product(*parts, (word[end:],))))


def _span(first: str, last: str, step: str | None) -> tuple[str, ...]:
    stride = int(step or 1)
    if first.isdigit() and last.isdigit():
        width = len(first) if first[0] == "0" and len(first) > 1 else 0
        if (width and width != len(last)) or int(first) > int(last) or int(last) - int(first) > MOST_HOSTS:
            raise Unsure
        return tuple(str(number).zfill(width) for number in range(int(first), int(last) + 1, stride))
    if first.isdigit() or last.isdigit() or ascii_letters.index(first) > ascii_letters.index(last):
        raise Unsure
    return tuple(ascii_letters[ascii_letters.index(first) : ascii_letters.index(last) + 1 : stride])
