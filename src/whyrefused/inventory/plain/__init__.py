"""What would `ansible-inventory` say of plain files? Read here where that is certain, tens of times faster.

Certain is: files of YAML, JSON and INI, lists of hosts, `group_vars` and `host_vars`, and nothing in them or in how
Ansible is set up that only Ansible itself could read. All else raises Unsure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.inventory.bounds import VAULT
from whyrefused.inventory.plain import variables
from whyrefused.inventory.plain.files import add_file, add_list
from whyrefused.inventory.plain.groups import ALL, PRIORITY, Group, Members, foreign
from whyrefused.inventory.plain.limit import chosen
from whyrefused.inventory.plain.unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whyrefused.inventory.plain.variables import Folders
    from whyrefused.inventory.sources import Found, Source

__all__ = ["Printed", "Unsure", "chosen", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What the command would print."""

    groups: dict[str, dict[str, Any]]
    hostvars: dict[str, dict[str, Any]]
    named: tuple[str, ...]  # all groups, also those that are empty and so not printed


def read(given: Sequence[str], found: Found, files: Sequence[Source]) -> Printed:
    """What stands in these files, as the command would print it? Raises Unsure."""
    if len(files) != len(found.files) or any(file.text.startswith(VAULT) for file in files):
        raise Unsure
    if any(file.data.startswith(b"\xef\xbb\xbf") for file in found.files):
        raise Unsure
    if not all(
        any(folder in Path(it.path).parents for it in files if it.kind == "inventory") for folder in found.folders
    ):
        raise Unsure  # a folder with nothing in it
    members = Members()
    for source in given:
        if "," in source:
            add_list(members, source)
        for file in files if "," not in source else ():
            if file.kind == "inventory" and file.given == source:
                add_file(members, file.path, file.text)
    members.settle()
    beside = [variables.folders(base, files, found.listed) for base in variables.bases(given)]
    groups = {name: _group(name, group, beside) for name, group in sorted(members.groups.items())}
    hostvars = {name: foreign(own | _beside(beside, "hosts", name)) for name, own in sorted(members.hosts.items())}
    return Printed(
        groups={name: told for name, told in groups.items() if told},
        hostvars={name: told for name, told in hostvars.items() if told},
        named=tuple(members.groups),
    )


def _beside(folders: Sequence[Folders], kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in folders:
        found |= folder.of(kind, name)
    return found


def _group(name: str, group: Group, folders: Sequence[Folders]) -> dict[str, Any]:
    told = group.variables | _beside(folders, "groups", name)
    if group.priority != 1:
        told[PRIORITY] = group.priority
    parts = {
        "children": list(group.children),
        "hosts": list(group.hosts) if name != ALL else [],
        "vars": foreign(told),
    }
    return {part: held for part, held in parts.items() if held}
