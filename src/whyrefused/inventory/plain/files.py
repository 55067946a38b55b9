"""Who and what stands in one file, or in one list of hosts, of an inventory?"""

from __future__ import annotations

import re
import shlex
from os.path import splitext
from typing import TYPE_CHECKING, Any

from whyrefused.inventory.bounds import SUFFIXES
from whyrefused.inventory.plain import names
from whyrefused.inventory.plain.groups import UNGROUPED, Members
from whyrefused.inventory.plain.unsure import Unreadable, Unsure
from whyrefused.inventory.plain.values import document, ini_value

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDINGS = ("", *SUFFIXES)
"""Of files that Ansible tries as YAML first."""
SECTION = re.compile(r"\[([^:\]\s]+)(?::(hosts|children|vars))?\]\s*(?:#.*)?")
CHILD = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
LONGEST_LINE = 16384
"""Characters of a host's line of INI; shlex takes the square of its words for time."""


def add_list(members: Members, source: str) -> None:
    """Add the hosts of a list with commas."""
    for word in filter(None, map(str.strip, source.split(","))):
        found, port = names.hosts(word)
        if found[0] not in members.hosts:
            if len(found) > 1 or "[" in word:
                raise Unsure
            members.host(found[0], UNGROUPED, port)


def add_file(members: Members, path: str, text: str) -> None:
    """Add what stands in a file: YAML by its ending, INI by any other; by its content where it has no ending."""
    ending = splitext(path)[1]  # noqa: PTH122 - for `x.` it is `.`, as for Ansible
    if ending == ".toml" or text.startswith(("#!", "\ufeff")):
        raise Unsure
    data = None
    if ending in ENDINGS:
        try:
            data = document(text)
        except Unreadable:
            if ending:
                raise
    if isinstance(data, dict) and data:
        _add_map(members, data)
    elif ending in SUFFIXES:
        raise Unsure
    else:
        _Ini(members).add(text)


def _add_map(members: Members, data: dict[Any, Any]) -> None:
    if "plugin" in data:
        raise Unsure
    for name, group in data.items():
        _add_group(members, name, group)


def _add_group(members: Members, name: str, data: object) -> None:
    members.group(names.named(name))
    if data is None:
        return
    if not isinstance(data, dict):
        raise Unsure
    for part in data:  # in the order in which they stand there
        if part == "vars":
            for variable, value in _entries(data[part]):
                members.set(name, variable, value)
        elif part == "children":
            for child, inner in _entries(data[part]):
                _add_group(members, child, inner)
                members.nest(name, child)
        elif part == "hosts":
            for word, variables in _entries(data[part]):
                _add_hosts(members, word, name, variables or {})


def _entries(part: object) -> Iterator[tuple[Any, Any]]:
    if isinstance(part, str):
        part = {part: None}
    if part is not None and not isinstance(part, dict):
        raise Unsure
    yield from (part or {}).items()


def _add_hosts(members: Members, word: str, group: str, variables: dict[str, Any]) -> None:
    if not isinstance(variables, dict):
        raise Unsure
    found, port = names.hosts(word)
    for host in found:
        members.host(host, group, port).update(variables)


class _Ini:
    """One file of INI, line by line."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.group, self.kind = UNGROUPED, "hosts"
        self.waiting: dict[str, list[str]] = {}  # groups that are not there yet -> the groups that they are to be in
        self.claimed: set[str] = set()  # groups of which only variables were told so far

    def add(self, text: str) -> None:
        """Take each line in."""
        for written in text.splitlines():
            line = written.strip()
            if not line or line[0] in "#;":
                continue
            if section := SECTION.fullmatch(line):
                self._begin(names.named(section[1]), section[2] or "hosts")
            elif line[0] == "[":
                raise Unsure
            elif self.kind == "hosts":
                self._hosts(line)
            elif self.kind == "vars":
                self._variable(line)
            else:
                self._child(line)
        if self.waiting or self.claimed:
            raise Unsure  # a group that nobody declares

    def _begin(self, group: str, kind: str) -> None:
        self.group, self.kind = group, kind
        if group not in self.members.groups:
            if kind == "vars":
                if group in self.waiting:
                    raise Unsure
                self.claimed.add(group)
            self.members.group(group)
        if kind != "vars":
            self.claimed.discard(group)
            self._arrived(group)

    def _arrived(self, group: str) -> None:
        for parent in self.waiting.pop(group, ()):
            self.members.nest(parent, group)

    def _child(self, line: str) -> None:
        found = CHILD.fullmatch(line)
        child = names.named(found[1]) if found else ""
        if not found or child in self.claimed:
            raise Unsure
        if child in self.members.groups:
            self.members.nest(self.group, child)
        else:
            self.waiting.setdefault(child, []).append(self.group)

    def _variable(self, line: str) -> None:
        name, equals, value = line.partition("=")
        if not equals:
            raise Unsure
        self.members.set(self.group, name.strip(), ini_value(value.strip()))

    def _hosts(self, line: str) -> None:
        if len(line) > LONGEST_LINE:
            raise Unsure
        try:
            word, *pairs = shlex.split(line, comments=True)
        except ValueError:
            raise Unsure from None
        variables: dict[str, Any] = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise Unsure
            variables[name] = ini_value(value)
        _add_hosts(self.members, word, self.group, variables)
