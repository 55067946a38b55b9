"""Which hosts does `--limit` leave? Ansible's host patterns, as far as they are names and wildcards."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from whyrefused.inventory.levels import is_network
from whyrefused.inventory.plain.groups import ALL
from whyrefused.inventory.plain.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATTERN = re.compile(r"([!&]?)([A-Za-z0-9_.*?-]+)")
LOCAL = frozenset({"localhost", "127.0.0.1"})
WILD = (".", "?", "*")


def chosen(
    pattern: str, hosts: Mapping[str, object], members: Mapping[str, Sequence[str]]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Which hosts are left, and which parts of the pattern name nobody? `members` is of all groups. Raises Unsure."""
    parts = [_part(word) for word in _words(pattern)]
    unmatched: dict[str, None] = {}
    found: set[str] = set()
    for sign in ("", "&", "!"):
        same = [name for its, name in parts if its == sign]
        for name in same or ([ALL] if not sign else []):
            these = {name} if not sign and name in hosts else set(_matching(name, hosts, members))
            if not these and not _names_a_group(name, members):
                if name in LOCAL:
                    raise Unsure  # the host that Ansible makes up
                unmatched[name] = None
            found = found - these if sign == "!" else found & these if sign else found | these
    return frozenset(found), tuple(unmatched)


def _words(pattern: str) -> Iterator[str]:
    if "," in pattern:
        yield from filter(None, map(str.strip, pattern.split(",")))
        return
    last = pattern.rpartition(":")[2]
    if ":" in pattern and (is_network(pattern) or last.isdigit()):
        raise Unsure
    yield from filter(None, pattern.split(":"))


def _part(word: str) -> tuple[str, str]:
    found = PATTERN.fullmatch(word)
    if not found:
        raise Unsure
    return found[1], found[2]


def _names_a_group(name: str, members: Mapping[str, Sequence[str]]) -> bool:
    return name == ALL or any(map(_compiled(name).match, members))


def _compiled(name: str) -> re.Pattern[str]:
    return re.compile(translate(name))


def _matching(name: str, hosts: Mapping[str, object], members: Mapping[str, Sequence[str]]) -> Iterator[str]:
    pattern = _compiled(name)
    groups = [group for group in members if pattern.match(group)]
    for group in groups:
        yield from members[group]
    if not groups or any(sign in name for sign in WILD):
        yield from filter(pattern.match, hosts)
