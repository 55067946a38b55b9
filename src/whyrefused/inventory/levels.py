"""What stands at which level of the inventory: all, each group, each host.

Read from the output of `ansible-inventory --list --export`, which keeps the levels apart. Nothing but connection
variables, `expect` and what their templates may name is kept: whole vaulted files are in that output in clear.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from whyrefused.inventory.flaws import SECRET_NAME, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

EXPECT = "expect"
SECRET = re.compile(SECRET_NAME, re.IGNORECASE)
DEEPEST = 50
WORD = re.compile(r"[A-Za-z_]\w*")
VAULTED = "__ansible_vault"
LITERAL = "__ansible_unsafe"
"""Ansible's marks in JSON for an inline `!vault` value and for an `!unsafe` one, which is never a template."""

Variables = dict[str, Any]
Opened = Callable[[Sequence[str]], Mapping[str, str]]
"""What values say that are vaulted inline, by their sealed texts; those that nobody could open are not in it."""


class NotAnExport(ValueError):  # noqa: N818 - names what was given
    """The command printed something else than an inventory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One place where variables stand."""

    kind: Literal["groups", "hosts"]
    name: str
    variables: Variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Every level, and which of them each host stands under."""

    groups: Mapping[str, Level]
    hosts: Mapping[str, Level]  # in inventory order: a group's own hosts, then its children's
    lineage: Mapping[str, tuple[str, ...]]  # host -> its groups, the most general (`all`) first
    members: Mapping[str, tuple[str, ...]]  # group -> its hosts, nested groups included, in inventory order
    names: frozenset[str]  # of every variable, also of those not kept
    secrets: frozenset[str] = frozenset()  # values that no message may show, whichever variable they are of

    def levels(self, host: str) -> tuple[Level, ...]:
        """Which levels hold for this host, the most general first?"""
        return (*(self.groups[name] for name in self.lineage[host]), self.hosts[host])


def is_template(text: str) -> bool:
    """Would Ansible take this text for a template?"""
    return "{{" in text or "{%" in text or "{#" in text


def texts(value: object) -> Iterator[str]:
    """Which texts stand anywhere within this value?"""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


def parse(
    text: str,
    keep: Callable[[str], bool],
    vaulted: Collection[tuple[str, str]] = (),
    opened: Opened | None = None,
) -> Tree:
    """Which levels are in this output, with only the variables to `keep` and what their templates may name?"""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotAnExport("the output is not JSON") from error
    if not isinstance(data, dict):
        raise NotAnExport("the output is not a JSON object")
    meta = _mapping(data.pop("_meta", None))
    groups = {name: _mapping(group) for name, group in data.items()}
    return tree(groups, _mapping(meta.get("hostvars")), keep, vaulted, opened)


def tree(
    groups: dict[str, Variables],
    hostvars: Variables,
    keep: Callable[[str], bool],
    vaulted: Collection[tuple[str, str]] = (),
    opened: Opened | None = None,
) -> Tree:
    """The same, of what such an output holds: each group's hosts, children and vars, and each host's variables."""
    groups = {"all": {}, **groups}
    parents, depths = _ancestry(groups)
    hosts = _hosts(groups)
    plain = {name: _mapping(group.get("vars")) for name, group in groups.items()}
    own = {host: _mapping(hostvars.get(host)) for host in hosts}
    names = frozenset(name for variables in (*plain.values(), *own.values()) for name in variables)
    kept = needed((*plain.values(), *own.values()), keep)
    sealed = {text for level in (*plain.values(), *own.values()) for text in _sealed(level, kept)} if opened else None
    told = opened(sorted(sealed)) if opened and sealed else {}
    if told:
        plain, own = (
            {name: {**level, **_unsealed(_kept(level, kept), told)} for name, level in found.items()}
            for found in (plain, own)
        )
        kept = needed((*plain.values(), *own.values()), keep)
    order = {name: (depths[name], _priority(plain[name]), name) for name in groups}
    lineage = _lineage(groups, hosts, parents, order)
    members: dict[str, list[str]] = {name: [] for name in groups}
    for host in hosts:
        for name in lineage[host]:
            members[name].append(host)
    return Tree(
        groups={
            name: Level(kind="groups", name=name, variables=_only(f"groups.{name}", plain[name], kept))
            for name in groups
        },
        hosts={
            host: Level(kind="hosts", name=host, variables=_only(f"hosts.{host}", own[host], kept)) for host in hosts
        },
        lineage=lineage,
        members={name: tuple(found) for name, found in members.items()},
        names=names,
        secrets=frozenset(
            (
                *_secrets({"groups": plain, "hosts": own}, names, vaulted),
                *(text for text in told.values() if len(text) >= SHORTEST),
            )
        ),
    )


def _kept(variables: Variables, names: Collection[str]) -> Variables:
    return {name: value for name, value in variables.items() if name in names and shallow(value)}


def _sealed(variables: Variables, names: Collection[str]) -> Iterator[str]:
    """Which values in these variables are vaulted inline?"""
    pending: list[object] = [_kept(variables, names)]
    while pending:
        found = pending.pop()
        if isinstance(found, dict) and isinstance(found.get(VAULTED), str):
            yield found[VAULTED]
        elif isinstance(found, (dict, list)):
            pending.extend(found.values() if isinstance(found, dict) else found)


def _unsealed(value: Any, told: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever the variables hold
    """The same value, with what its vaulted parts say in their places."""
    if isinstance(value, dict) and isinstance(value.get(VAULTED), str):
        return told.get(value[VAULTED], value)
    if isinstance(value, dict):
        return {key: _unsealed(inner, told) for key, inner in value.items()}
    return [_unsealed(inner, told) for inner in value] if isinstance(value, list) else value


def _secrets(
    levels: Mapping[str, Mapping[str, Variables]], names: frozenset[str], vaulted: Collection[tuple[str, str]]
) -> Iterator[str]:
    """Which texts stand under a name that tells of a secret, or at a level (kind, name) that has an encrypted file?

    An encrypted file of no level, ("inventory", ""), is one of every level.
    """
    telling = frozenset(filter(SECRET.search, names))
    everywhere = ("inventory", "") in vaulted
    for kind, found in levels.items():
        for level, variables in found.items():
            all_of_it = everywhere or (kind, level) in vaulted
            for name in variables if all_of_it else variables.keys() & telling:
                yield from (text for text in texts(variables[name]) if len(text) >= SHORTEST)


def needed(levels: Sequence[Variables], keep: Callable[[str], bool]) -> frozenset[str]:
    """Which variables are named in the templates of those to keep, however far away? A superset, found by words."""
    known = {name for variables in levels for name in variables}
    wanted: set[str] = set()
    fresh = set(filter(keep, known))
    while fresh:
        wanted |= fresh
        words = {
            word
            for variables in levels
            for name in fresh & variables.keys()
            for text in texts(variables[name])
            if is_template(text)
            for word in WORD.findall(text)
        }
        fresh = (words & known) - wanted
    return frozenset(wanted)


def _mapping(value: object) -> Variables:
    return value if isinstance(value, dict) else {}


def _words(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, value))) if isinstance(value, list) else ()


def _only(place: str, variables: Variables, names: frozenset[str]) -> Variables:
    kept = {name: value for name, value in variables.items() if name in names}
    for name, value in kept.items():
        if not shallow(value):
            raise NotAnExport(f"{place}.{name} is nested deeper than {DEEPEST}")
    return kept


def shallow(value: object) -> bool:
    """Is this value nested no deeper than anyone would write it?"""
    layer = [value]
    for _ in range(DEEPEST):
        if not layer:
            return True
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return not layer


def _priority(variables: Variables) -> int:
    try:
        return int(variables.get("ansible_group_priority", 1))
    except (TypeError, ValueError):
        return 1


def _hosts(groups: dict[str, Variables]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    seen: set[str] = set()
    pending = [*reversed(groups), "all"]
    while pending:
        name = pending.pop()
        if name in seen or name not in groups:
            continue
        seen.add(name)
        found.update(dict.fromkeys(_words(groups[name].get("hosts"))))
        pending.extend(reversed(_words(groups[name].get("children"))))
    return tuple(found)


def _ancestry(groups: dict[str, Variables]) -> tuple[dict[str, frozenset[str]], dict[str, int]]:
    """Which groups is each group in, and how deep by the longest way? A loop is cut where it closes."""
    children = {name: [child for child in _words(group.get("children")) if child in groups and child != "all"]
                for name, group in groups.items()}  # fmt: skip
    order = _outermost_first(children)
    rank = {name: place for place, name in enumerate(order)}
    above = {name: frozenset({"all"} - {name}) for name in groups}
    depths = {name: int(name != "all") for name in groups}
    for name in order:
        for child in children[name]:
            if rank[child] > rank[name]:
                above[child] |= above[name] | {name}
                depths[child] = max(depths[child], depths[name] + 1)
    return above, depths


def _outermost_first(children: dict[str, list[str]]) -> list[str]:
    """In which order does every group come before those within it?"""
    finished: list[str] = []
    seen: set[str] = set()
    pending = [(name, False) for name in reversed(children)]
    while pending:
        name, left = pending.pop()
        if left:
            finished.append(name)
        elif name not in seen:
            seen.add(name)
            pending.append((name, True))
            pending.extend((child, False) for child in children[name] if child not in seen)
    return finished[::-1]


def _lineage(
    groups: dict[str, Variables],
    hosts: tuple[str, ...],
    parents: dict[str, frozenset[str]],
    order: dict[str, tuple[int, int, str]],
) -> dict[str, tuple[str, ...]]:
    """Which groups is each host in, in Ansible's order: depth, then ansible_group_priority, then name?"""
    direct: dict[str, list[str]] = {host: [] for host in hosts}
    for name, group in groups.items():
        for host in _words(group.get("hosts")):
            direct[host].append(name)
    sorted_by_group: dict[tuple[str, ...], tuple[str, ...]] = {}
    for names in map(tuple, direct.values()):
        if names not in sorted_by_group:
            every = {"all", *names}.union(*(parents[name] for name in names))
            sorted_by_group[names] = tuple(sorted(every, key=order.__getitem__))
    return {host: sorted_by_group[tuple(names)] for host, names in direct.items()}


def is_network(word: str) -> bool:
    """Is this an address or a CIDR?"""
    try:
        ipaddress.ip_network(word, strict=False)
    except ValueError:
        return False
    return True
