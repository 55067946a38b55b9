"""Is this text safe to hand to Ansible? Asked of every file of an inventory before the command reads it.

Ansible's own reader expands aliases without bound, keeps the last of two equal keys without a word, and expands
`web[1:99999999]` to that many hosts.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from whyrefused.inventory.bounds import MOST_HOSTS, RANGE, VAULT, too_many_hosts
from whyrefused.inventory.flaws import shown
from whyrefused.inventory.levels import EXPECT
from whyrefused.records import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 50
MOST_NODES = 500_000
MOST_ALIASED = 100_000
MOST_PROBLEMS = 100

SEXAGESIMAL = re.compile(r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+")
OCTAL = re.compile(r"[-+]?0[0-7]+")
"""What YAML 1.1, and so Ansible, reads as another number than it looks like."""

LOOKUP = re.compile(r"\b(?:lookup|query|q)\b\s*(?:(\()\s*(?:([\"'])([\w.]{1,100})\2\s*[,)])?)?")
INCLUDED = re.compile(r"\{%-?\s*(?:include|import|from|extends)\b")
RUNNING = frozenset({"pipe", "lines", "template"})
"""Lookups of Ansible that run a program here, or a template that may."""

PLAIN_TAGS = ("tag:yaml.org,2002:", "!vault", "!unsafe")
CODE_TAGS = ("tag:yaml.org,2002:python/", "tag:yaml.org,2002:binary")

PARTS = ("hosts", "vars", "children")
"""The keys of a group."""
OTHERS = {"group_vars": "vars", "groups": "children", "hostvars": "vars", "members": "hosts", "variables": "vars"}
"""What else is written for one of them."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's reader where PyYAML was built with it: ten times faster, and its events come without recursion."""


class Stop(Exception):  # noqa: N818 - not an error: nothing after this line is read
    """What was found makes reading on pointless or unsafe."""


@dataclass(slots=True)
class Frame:
    """A map or a list whose end has not come yet."""

    mapping: bool
    anchor: str | None
    size: int = 1
    key: str | None = None  # of the value that comes next, None when a key comes next
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Walk:
    """One pass over a file's events, in bounded memory and without building anything."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    nodes: int = 0
    aliased: int = 0
    plugin: bool = False  # whether it configures an inventory plugin, whose templates Ansible renders here
    lookups: list[Problem] = field(default_factory=list)
    tree: bool = False  # whether groups stand in it, and not the variables of one
    strays: list[Problem] = field(default_factory=list)

    def say(self, message: str, event: yaml.Event, key: str = "") -> None:
        """Note a problem at this event's line."""
        self.problems.append(self._problem(message, event, key))
        if len(self.problems) >= MOST_PROBLEMS:
            raise Stop

    def _problem(self, message: str, event: yaml.Event, key: str = "") -> Problem:
        path = [frame.key for frame in self.frames if frame.key is not None]
        place = ".".join([*path, key] if key else path)
        line = event.start_mark.line + 1 if event.start_mark else None
        return Problem(message=message, file=self.file, line=line, key=place)

    def take(self, event: yaml.Event) -> None:
        """What does the next event add?"""
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self.frames.pop()
            self._placed(frame.size, frame.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)

    def _node(self, event: yaml.NodeEvent) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.say(f"more than {MOST_NODES} values stand in one file", event)
            raise Stop
        tag = getattr(event, "tag", None)
        if tag and tag != "!" and (not tag.startswith(PLAIN_TAGS) or tag.startswith(CODE_TAGS)):
            self.say(f"the tag {shown(tag)} is not for inventories", event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
            return
        if self.tree and isinstance(event, yaml.SequenceStartEvent) and len(self.frames) % 2 == 0:
            self._listed(event)
        self.frames.append(Frame(isinstance(event, yaml.MappingStartEvent), event.anchor))
        if event.anchor:
            self.anchors[event.anchor] = 0  # open: an alias to it would be within itself
        if len(self.frames) > DEEPEST:
            self.say(f"it is nested deeper than {DEEPEST}", event)
            raise Stop

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        frame = self.frames[-1] if self.frames else None
        if event.implicit[0] and self._ambiguous(event.value):
            self.say(f"YAML 1.1 reads {shown(event.value)} as another number; quote it, or write it out", event)
        if frame and frame.mapping and frame.key is None:
            if event.value in frame.keys and event.value != "<<":
                self.say("this key stands twice in one map; Ansible would keep only the last", event, event.value)
            frame.keys.add(event.value)
            outside = len(self.frames) == 2 or (len(self.frames) > 2 and self.frames[1].key == "children")  # noqa: PLR2004 - the root's, and a group's
            if self.tree and (outside or event.value == EXPECT) and len(self.strays) < MOST_PROBLEMS:
                self._stray(event)
            self.plugin = self.plugin or (event.value == "plugin" and len(self.frames) == 1)
        elif runs_something(event.value) and len(self.lookups) < MOST_PROBLEMS:
            self.lookups.append(self._problem("a lookup of a plugin's configuration may run nothing here", event))
        self._placed(1, event.anchor, event.value)

    def _stray(self, event: yaml.ScalarEvent) -> None:
        """Note a key of a group that Ansible drops with a warning, where expectations or hosts would go with it."""
        path = [*(frame.key for frame in self.frames[:-1]), event.value]
        at = _part(path)
        # What has an anchor is written once, to be used in other places.
        if at is None or path[at] in {*PARTS, "<<"} or any(frame.anchor for frame in self.frames[1 : at + 1]):
            return
        key = str(path[at])
        meant = difflib.get_close_matches(key, [*PARTS, *OTHERS], n=1, cutoff=0.75)
        if event.value == EXPECT or (meant and at + 1 == len(path)):
            hint = f"; did you mean `{OTHERS.get(meant[0], meant[0])}`?" if meant else ""
            hint = "; write it under `vars`" if key == EXPECT else hint
            self._strayed(f"unknown key {shown(key)}{hint}", event, path[: at + 1])

    def _listed(self, event: yaml.Event) -> None:
        """Note a list where Ansible wants a map, and reads nothing of the file else."""
        path = [frame.key for frame in self.frames]
        if path and _part(path[:-1]) is None and path[-1] in PARTS:
            self._strayed("a map of keys is wanted, not a list", event, path)

    def _strayed(self, message: str, event: yaml.Event, path: list[str | None]) -> None:
        line = event.start_mark.line + 1 if event.start_mark else None
        told = f"{message}; a group has `hosts`, `vars` and `children`, each a map"
        key = ".".join(map(str, path))
        if all(stray.key != key for stray in self.strays):
            self.strays.append(Problem(message=told, file=self.file, line=line, key=key))

    def _ambiguous(self, text: str) -> bool:
        """Does it matter here that this plain text is no decimal number?"""
        if not text[:2].strip("+-_")[:1].isdigit():
            return False
        keys = [frame.key for frame in self.frames]
        if "expect" in keys:
            return bool(SEXAGESIMAL.fullmatch(text))
        return keys[-1:] == ["ansible_port"] and bool(SEXAGESIMAL.fullmatch(text) or OCTAL.fullmatch(text))

    def _alias(self, event: yaml.AliasEvent) -> None:
        size = self.anchors.get(event.anchor or "")
        if not size:
            self.say(f"the alias {shown(event.anchor)} stands within itself or for nothing", event)
            raise Stop
        self.aliased += size
        if self.aliased > MOST_ALIASED:
            self.say(f"its aliases expand to more than {MOST_ALIASED} values", event)
            raise Stop
        self._placed(size, None)

    def _placed(self, size: int, anchor: str | None, text: str = "") -> None:
        """A whole value has come: it is a key, or the value of the key before it."""
        if anchor:
            self.anchors[anchor] = size
        if self.frames:
            frame = self.frames[-1]
            frame.size += size
            if frame.mapping:
                frame.key = (text or "?") if frame.key is None else None


def _part(path: list[str | None]) -> int | None:
    """Where on the way through groups within groups does another key than `children` stand?"""
    return next((at for at in range(1, len(path), 2) if path[at] != "children"), None)


def problems(text: str, file: str, *, must_be_yaml: bool, tree: bool = False) -> tuple[Problem, ...]:
    """What in this file must not reach Ansible? A text that is no YAML is INI, unless it must be YAML.

    In a `tree` stand groups, else the variables of one.
    """
    ranges = tuple(_ranges(text, file))
    if ranges or text.startswith(VAULT):
        return ranges
    walk = Walk(file, tree=tree)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            walk.take(event)
    except Stop:
        return tuple(walk.problems)
    except (yaml.YAMLError, ValueError) as error:
        if not must_be_yaml or _is_json(text):
            return ()
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "characters that YAML does not know"
        return (Problem(message=f"this is not YAML: {reason}", file=file, line=mark.line + 1 if mark else None),)
    # An INI file can be read as one YAML text, never as a map or a list of its own.
    return (*walk.problems, *(walk.lookups if walk.plugin else walk.strays))


def runs_something(text: str) -> bool:
    """Does this template look up by running a program, or something that only shows when it is rendered?"""
    if INCLUDED.search(text):
        return True
    for found in LOOKUP.finditer(text):
        called, _, name = found.groups()
        if name.rpartition(".")[2] in RUNNING if name else called or "{{" in text or "{%" in text:
            return True
    return False


def _is_json(text: str) -> bool:
    """Is this JSON that is no YAML (tabs)? Ansible reads it."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _ranges(text: str, file: str) -> Iterator[Problem]:
    if not RANGE.search(text):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if "[" in line and too_many_hosts(line):
            yield Problem(message=f"its ranges expand to more than {MOST_HOSTS} hosts", file=file, line=number)
