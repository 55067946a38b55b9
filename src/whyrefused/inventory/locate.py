"""In which file and line does a key stand? Best effort, for messages only: the inventory is as Ansible reads it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from whyrefused.inventory.bounds import VAULT
from whyrefused.inventory.merge import SHORT, alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whyrefused.inventory.flaws import Path
    from whyrefused.inventory.sources import Source

SECTION = re.compile(r"\[([^\]:]+)(?::(vars|children))?\]")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*[=:]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Who = tuple[str, str]
"""A level: ("groups" or "hosts", its name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line, and how much of the path was found there."""

    file: str
    line: int
    depth: int


@dataclass(slots=True)
class Locator:
    """Where each level's variables stand, in every plain file of the inventory."""

    maps: dict[Who, list[tuple[str, yaml.MappingNode]]] = field(default_factory=dict)
    lines: dict[tuple[Who, str], list[tuple[str, int]]] = field(default_factory=dict)
    named: dict[Who, Place] = field(default_factory=dict)  # where a group or host is first called by its name

    def find(self, who: Who, path: Path) -> Place | None:
        """Where does this key of this level stand, or at least the level itself?"""
        return max(self.all(who, path), key=lambda place: place.depth, default=self.named.get(who))

    def all(self, who: Who, path: Path) -> Iterator[Place]:
        """In which places does this level name the first key of the path, and how far can each be followed?"""
        for file, node in self.maps.get(who, ()):
            line, depth = _follow(node, path)
            if depth:
                yield Place(file=file, line=line, depth=depth)
        for file, line in self.lines.get((who, str(path[0])), ()) if path else ():
            yield Place(file=file, line=line, depth=1)


def locator(sources: Sequence[Source]) -> Locator:
    """Where does everything stand in these files? They have passed the guards."""
    found = Locator()
    for source in sources:
        if source.text.startswith(VAULT):
            continue
        try:
            node = yaml.compose(source.text, Loader=_LOADER)
        except (yaml.YAMLError, ValueError):
            node = None
        if isinstance(node, yaml.MappingNode):
            _add_yaml(found, source, node)
        elif source.kind == "inventory":
            _add_ini(found, source)
    return found


def _add_yaml(found: Locator, source: Source, node: yaml.MappingNode) -> None:
    if source.kind != "inventory":
        found.maps.setdefault((source.kind, source.name), []).append((source.path, node))
        return
    pending = list(_pairs(node))
    seen: set[int] = set()
    while pending:
        name, group = pending.pop()
        _name(found, source, "groups", name)
        # By an alias a group may stand in many places; once is enough, and ends.
        if id(group) in seen:
            continue
        seen.add(id(group))
        for key, value in _pairs(group):
            if key.value == "vars" and isinstance(value, yaml.MappingNode):
                found.maps.setdefault(("groups", name.value), []).append((source.path, value))
            elif key.value == "hosts":
                _add_hosts(found, source, value)
            elif key.value == "children":
                pending.extend(_pairs(value))


def _add_hosts(found: Locator, source: Source, node: yaml.Node) -> None:
    for host, variables in _pairs(node):
        _name(found, source, "hosts", host)
        if isinstance(variables, yaml.MappingNode):
            found.maps.setdefault(("hosts", host.value), []).append((source.path, variables))


def _name(found: Locator, source: Source, kind: str, name: yaml.ScalarNode) -> None:
    place = Place(file=source.path, line=name.start_mark.line + 1, depth=0)
    found.named.setdefault((kind, name.value), place)


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value


def _follow(node: yaml.Node, path: Path) -> tuple[int, int]:
    """How far can this path be followed from here, and on which line does it end?"""
    line, depth = node.start_mark.line + 1, 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            step = next(
                ((key, value) for key, value in node.value
                 if isinstance(key, yaml.ScalarNode) and alike(key.value, str(part))),
                None,
            )  # fmt: skip
            if step is None:
                break
            line, node = step[0].start_mark.line + 1, step[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif not (isinstance(node, yaml.ScalarNode) and part in SHORT.values()):
            break
        depth += 1
    return line, depth


def _add_ini(found: Locator, source: Source) -> None:
    group, kind = "ungrouped", ""
    for number, written in enumerate(source.text.splitlines(), 1):
        line = written.strip()
        section = SECTION.fullmatch(line)
        if section:
            group, kind = section[1], section[2] or ""
            found.named.setdefault(("groups", group), Place(file=source.path, line=number, depth=0))
        elif kind == "vars":
            assignment = ASSIGNMENT.match(line)
            if assignment:
                found.lines.setdefault((("groups", group), assignment[1]), []).append((source.path, number))
        elif not kind and line and line[0] not in "#;":
            host, keys = _host_line(line)
            found.named.setdefault(("hosts", host), Place(file=source.path, line=number, depth=0))
            for key in keys:
                found.lines.setdefault((("hosts", host), key), []).append((source.path, number))


def _host_line(line: str) -> tuple[str, tuple[str, ...]]:
    """Which host does this line of an INI file name, and which of its variables?"""
    try:
        host, *words = shlex.split(line, comments=True)
    except ValueError:
        return line.split(maxsplit=1)[0], ()
    return host, tuple(word.partition("=")[0] for word in words if "=" in word)
