"""Which level said what of each host, and what is wrong with it?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whyrefused.inventory.connection import NAME, VARIABLES, connection
from whyrefused.inventory.expect import Expect
from whyrefused.inventory.flaws import Flaw, misplaced, shown
from whyrefused.inventory.levels import EXPECT
from whyrefused.inventory.merge import merged, normalised
from whyrefused.inventory.templates import BROKEN, Fleet, is_static
from whyrefused.inventory.validate import LOCALHOST, judged, keys, mentions_localhost, names
from whyrefused.inventory.wanted import wanted
from whyrefused.records import Connection, Host, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from whyrefused.inventory.flaws import Path
    from whyrefused.inventory.levels import Level, Tree
    from whyrefused.inventory.locate import Locator, Who
    from whyrefused.inventory.templates import View
    from whyrefused.inventory.validate import Names

ENVIRONMENT = "environment"

Declared = tuple["Level", dict[str, Any]]
"""A level and its `expect`, rendered and normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A flaw and the level it stands at; the same of many hosts is one."""

    who: Who
    path: Path
    message: str


@dataclass(slots=True)
class Judging:
    """All hosts of one inventory. What is the same for many hosts is done once."""

    tree: Tree
    environ: Mapping[str, str]
    readable: Callable[[str], bool]
    complaints: dict[Complaint, dict[str, None]] = field(
        default_factory=dict
    )  # and the hosts where that depends on them
    fleet: Fleet = field(init=False)
    _static: dict[Level, tuple[dict[str, Any], tuple[Flaw, ...]]] = field(default_factory=dict)
    _merged: dict[tuple[Level, ...], str] = field(default_factory=dict)
    _judged: dict[str, tuple[Expect | None, tuple[Flaw, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.tree)

    def hosts(self) -> Mapping[str, Host]:
        """Every host, with what is declared of it; what is wrong is in `complaints` then."""
        self._names()
        connections = {host: self._connection(host) for host in self.tree.hosts}
        known = names(self.tree.hosts, self.tree.groups, (found.address for found in connections.values()))
        hosts: dict[str, Host] = {}
        for name, reached in connections.items():
            expect = self._expect(name, known) or Expect()
            groups = tuple(sorted(set(self.tree.lineage[name]) - {"all"}))
            hosts[name] = Host(name=name, connection=reached, groups=groups, expect=expect)
        if LOCALHOST not in hosts and any(
            map(mentions_localhost, {id(it.expect): it.expect for it in hosts.values()}.values())
        ):
            # Ansible's implicit localhost: in no group, reached without a login.
            local = Connection(kind="local", address="127.0.0.1")
            hosts[LOCALHOST] = Host(name=LOCALHOST, connection=local, groups=(), expect=Expect())
        return hosts

    def problems(self, locator: Locator, fallback: str) -> Iterator[Problem]:
        """All complaints, each with the file and the line it stands in."""
        for complaint, hosts in self.complaints.items():
            place = locator.find(complaint.who, complaint.path)
            of = f" ({_counted(tuple(hosts))})" if hosts and complaint.who[0] != "hosts" else ""
            yield Problem(
                message=complaint.message + of,
                file=place.file if place else "" if complaint.who[0] == ENVIRONMENT else fallback,
                line=place.line if place else None,
                key=".".join(map(str, (*filter(None, complaint.who), *complaint.path))),
            )

    def _complain(self, who: Who, path: Path, message: str, host: str = "") -> None:
        hosts = self.complaints.setdefault(Complaint(who=who, path=path, message=message), {})
        if host:
            hosts[host] = None

    def _names(self) -> None:
        for sort, found in (("groups", self.tree.groups), ("hosts", self.tree.hosts)):
            for name, level in found.items():
                if not NAME.fullmatch(name):
                    message = (
                        "a name is of letters, digits, `_`, `.`, `:` and `-`, and begins with a letter, digit or `_`"
                    )
                    self._complain((sort, name), (), message)
                for variable, value in level.variables.items():
                    if variable != EXPECT and _misspelt(variable, value):
                        message = f"unknown variable {shown(variable)}; did you mean `{EXPECT}`?"
                        self._complain((sort, name), (variable,), message)

    def _connection(self, host: str) -> Connection:
        found, flaws = connection(host, self.fleet.view(host), self.environ, self.readable)
        for flaw in flaws:
            level = next((it for it in reversed(self.tree.levels(host)) if flaw.path[0] in it.variables), None)
            who = (level.kind, level.name) if level else (ENVIRONMENT, "")
            self._complain(who, flaw.path, flaw.message, host)
        return found

    def _expect(self, host: str, known: Names) -> Expect | None:
        declaring = tuple(level for level in self.tree.levels(host) if EXPECT in level.variables)
        static = all(map(self._is_static, declaring))
        if static and declaring in self._merged:
            return self._judged[self._merged[declaring]][0]
        parts = [(level, self._declared(level, host)) for level in declaring]
        together = merged([part for _, part in parts])
        text = json.dumps(together, sort_keys=True, default=repr)
        if static:
            self._merged[declaring] = text
        if text not in self._judged:
            self._judged[text] = judged(together, known)
        expect, flaws = self._judged[text]
        for flaw in flaws:
            level, path = origin(parts, together, flaw.path)
            self._complain((level.kind, level.name), (EXPECT, *path), flaw.message)
        return expect

    def _is_static(self, level: Level) -> bool:
        if level not in self._static and is_static(level.variables[EXPECT]):
            self._static[level] = _normalised(level.variables[EXPECT])
            for flaw in self._static[level][1]:
                self._complain((level.kind, level.name), (EXPECT, *flaw.path), flaw.message)
        return level in self._static

    def _declared(self, level: Level, host: str) -> dict[str, Any]:
        if self._is_static(level):
            return self._static[level][0]
        view: View = self.fleet.view(host)
        value, flaws = view.render(level.variables[EXPECT], ())
        result, more = _normalised(value)
        for flaw in (*flaws, *more):
            self._complain((level.kind, level.name), (EXPECT, *flaw.path), flaw.message, host)
        return result


def _normalised(value: object) -> tuple[dict[str, Any], tuple[Flaw, ...]]:
    if isinstance(value, dict):
        return normalised(value)
    if value is None or value is BROKEN:
        return {}, ()
    return {}, (Flaw(path=(), message=f"a map of keys is wanted, not {misplaced(value)}"),)


def origin(parts: Sequence[Declared], together: object, path: Path) -> tuple[Level, Path]:
    """Which level said this part of what adds up, and under which path of its own? The most specific one that did."""
    found = [(_followed(declared, together, path), level) for level, declared in parts]
    deepest = max(depth for (depth, _), _ in found)
    return next((level, own) for (depth, own), level in reversed(found) if depth == deepest)


def _followed(declared: object, together: object, path: Path) -> tuple[int, Path]:
    """How far does this path lead within one level's `expect`, and how is it written there?"""
    own: list[str | int] = []
    for depth, part in enumerate(path):
        if isinstance(declared, dict) and isinstance(together, dict) and part in declared and part in together:
            declared, together = declared[part], together[part]
            own.append(part)
        elif isinstance(declared, list) and isinstance(together, list) and isinstance(part, int):
            index = next((place for place, entry in enumerate(declared) if entry is together[part]), None)
            if index is None:
                return depth, (*own, *path[depth:])
            declared, together = declared[index], together[part]
            own.append(index)
        elif not isinstance(declared, (dict, list)) and isinstance(part, int):
            return depth, tuple(own)  # a word that stands for a list of one
        else:
            return depth, (*own, *path[depth:])
    return len(path), tuple(own)


def _misspelt(name: str, value: object) -> bool:
    """Is this variable an `expect` under another name, to be ignored in silence otherwise?"""
    return (
        name not in VARIABLES
        and wanted(name)
        and isinstance(value, dict)
        and bool(value)
        and value.keys() <= keys(Expect).keys()
    )


def _counted(hosts: Sequence[str]) -> str:
    return hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"
