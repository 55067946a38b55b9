"""What do the folders `group_vars` and `host_vars` beside an inventory say of one group or host?"""

from __future__ import annotations

from dataclasses import dataclass, field
from os.path import splitext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.inventory.bounds import SUFFIXES
from whyrefused.inventory.plain.unsure import Unsure
from whyrefused.inventory.plain.values import document
from whyrefused.inventory.sources import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from whyrefused.inventory.sources import Source

ENDINGS = ("", *SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The two folders beside one source."""

    entries: Mapping[str, Mapping[str, Sequence[Source]]]  # `groups` or `hosts` -> entry of the folder -> its files
    listed: Mapping[str, frozenset[str]]  # the same -> all that is in the folder
    read: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path

    def of(self, kind: str, name: str) -> dict[str, Any]:
        """Which variables has this group or host here? Raises Unsure."""
        found: dict[str, Any] = {}
        listed, entries = self.listed[kind], self.entries[kind]
        if not listed:
            return found
        entry = next((name + ending for ending in ENDINGS if name + ending in listed), None)
        if entry is None:
            return found
        if entry not in entries:
            raise Unsure  # something that we did not read
        for source in entries[entry]:
            if source.path not in self.read:
                self.read[source.path] = _variables(source)
            found |= self.read[source.path]
        return found


def _variables(source: Source) -> dict[str, Any]:
    found = document(source.text) or {}
    if not isinstance(found, dict):
        raise Unsure
    return found


def folders(base: Path, files: Iterable[Source], listed: Mapping[str, Sequence[str]]) -> Folders:
    """What is in the two folders within this one? `listed` has the names in each folder that was walked."""
    entries: dict[str, dict[str, list[Source]]] = {kind: {} for kind in FOLDERS.values()}
    for source in files:
        for folder, kind in FOLDERS.items():
            if source.kind == kind and (parts := _within(base / folder, source.path)):
                into = entries[kind].setdefault(parts[0], [])
                if _taken(parts):
                    into.append(source)
    return Folders(
        entries=entries,
        listed={kind: frozenset(listed.get(str(base / folder), ())) for folder, kind in FOLDERS.items()},
    )


def _within(folder: Path, path: str) -> tuple[str, ...]:
    try:
        return Path(path).relative_to(folder).parts
    except ValueError:
        return ()


def _taken(parts: Sequence[str]) -> bool:
    """Is a file so deep in a folder read? Folders within have no ending, and files one of YAML's or none."""
    *folders, file = (splitext(part)[1] for part in parts)  # noqa: PTH122 - for `x.` it is `.`, as for Ansible
    return len(parts) == 1 or (not any(folders[1:]) and file in ENDINGS)


def bases(sources: Sequence[str]) -> Iterator[Path]:
    """Beside which folders are variables looked for, source by source? A list of hosts has none."""
    for source in sources:
        if "," not in source:
            path = Path(source).expanduser()
            yield path if path.is_dir() else path.parent
