"""Who is in which group, and which variables stand where, as one source after another says so?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from whyrefused.inventory.bounds import MOST_HOSTS
from whyrefused.inventory.plain.unsure import Unsure
from whyrefused.inventory.plain.values import printed

ALL, UNGROUPED = "all", "ungrouped"
PRIORITY = "ansible_group_priority"

OWN = frozenset({
    "ansible_async_path", "ansible_collection_name", "ansible_config_file", "ansible_dependent_role_names",
    "ansible_diff_mode", "ansible_facts", "ansible_forks", "ansible_inventory_sources", "ansible_limit",
    "ansible_play_batch", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_role_names",
    "ansible_playbook_python", "ansible_role_name", "ansible_role_names", "ansible_run_tags", "ansible_skip_tags",
    "ansible_verbosity", "ansible_version", "group_names", "groups", "hostvars", "inventory_dir", "inventory_file",
    "inventory_hostname", "inventory_hostname_short", "play_hosts", "playbook_dir", "role_name", "role_names",
    "role_path", "role_uuid",
})  # fmt: skip
"""Variables that are Ansible's own: whoever sets one does so in vain."""


@dataclass(slots=True)
class Group:
    """One group, while sources are read."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    variables: dict[str, Any] = field(default_factory=dict)
    priority: int = 1


@dataclass(slots=True)
class Members:
    """All groups and hosts that were named so far."""

    groups: dict[str, Group] = field(default_factory=lambda: {ALL: Group(), UNGROUPED: Group()})
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nest(ALL, UNGROUPED)

    def group(self, name: str) -> Group:
        """Which group is this? It is made where it was not known."""
        if name not in self.groups:
            self.groups[name] = Group()
        return self.groups[name]

    def nest(self, parent: str, child: str) -> None:
        """Put one group into another."""
        inside, outside = self.groups[child], self.groups[parent]
        if child in outside.children:
            return
        if child in {ALL, parent} or parent == UNGROUPED or (parent != ALL and child == UNGROUPED):
            raise Unsure
        if child in self._above(parent):
            raise Unsure  # within itself
        outside.children[child] = None
        inside.parents.add(parent)

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        pending = [name]
        while pending:
            fresh = self.groups[pending.pop()].parents - found
            found |= fresh
            pending.extend(fresh)
        return found

    def host(self, name: str, group: str, port: int | None) -> dict[str, Any]:
        """Put this host into a group. A port is that of the first word to name the host."""
        if name not in self.hosts:
            if len(self.hosts) >= MOST_HOSTS:
                raise Unsure
            self.hosts[name] = {"ansible_port": port} if port else {}
        self.groups[group].hosts[name] = None
        return self.hosts[name]

    def set(self, group: str, name: object, value: object) -> None:
        """Set a variable of a group."""
        if not isinstance(name, str):
            raise Unsure
        if name != PRIORITY:
            self.groups[group].variables[name] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            self.groups[group].priority = value
        else:
            raise Unsure

    def settle(self) -> None:
        """The last source was read: put into `all` what is in no other group, and into `ungrouped` likewise."""
        if not self.hosts.keys().isdisjoint(self.groups):
            raise Unsure  # one name for two things
        for name, group in self.groups.items():
            if name != ALL and not group.parents:
                self.nest(ALL, name)
        grouped = {host for name, group in self.groups.items() if name not in {ALL, UNGROUPED} for host in group.hosts}
        ungrouped = self.groups[UNGROUPED].hosts
        for host in self.hosts:
            if host in grouped:
                ungrouped.pop(host, None)
            else:
                ungrouped[host] = None


def foreign(variables: dict[str, Any]) -> dict[str, Any]:
    """Which of these variables does the command print, and in which order?"""
    if not all(isinstance(name, str) for name in variables):
        raise Unsure
    return {name: printed(variables[name]) for name in sorted(variables) if name not in OWN}
