"""Which files make up an inventory, and what stands in them? Only plain text is read; scripts are left to Ansible."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whyrefused.inventory import guards
from whyrefused.inventory.flaws import shown
from whyrefused.records import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
"""Files that Ansible leaves out of a folder (its default INVENTORY_IGNORE_EXTS); hidden ones too."""

FOLDERS: dict[str, Literal["groups", "hosts"]] = {"group_vars": "groups", "host_vars": "hosts"}
MOST_FILES = 5000
DEEPEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of an inventory."""

    path: str  # as the operator would write it
    text: str
    kind: Literal["inventory", "groups", "hosts"]  # `groups` and `hosts`: variables of one of them
    name: str = ""  # of that group or host


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    path: Path
    kind: Literal["inventory", "groups", "hosts"]
    name: str = ""


def read(sources: Sequence[str]) -> tuple[tuple[Source, ...], tuple[Problem, ...]]:
    """What stands in the plain files of these sources, and what must not reach Ansible?"""
    found: list[Source] = []
    problems: list[Problem] = []
    for place in _places(sources, problems):
        source = _source(place, problems)
        if source:
            found.append(source)
            yaml_only = source.kind != "inventory" or source.path.endswith(guards.SUFFIXES)
            problems.extend(guards.problems(source.text, source.path, must_be_yaml=yaml_only))
        if len(found) > MOST_FILES:
            problems.append(Problem(message=f"more than {MOST_FILES} files", file=str(place.path)))
            break
    return tuple(found), tuple(problems)


def readable(path: str) -> bool:
    """Is this a file that we may read?"""
    return Path(path).is_file() and os.access(path, os.R_OK)


def _places(sources: Sequence[str], problems: list[Problem]) -> Iterator[_Place]:
    seen: set[Path] = set()
    for source in sources:
        if "," in source:  # Ansible's own rule: a list of hosts, not a path
            if any(map(guards.too_many_hosts, source.split(","))):
                problems.append(Problem(message=f"{shown(source)} stands for too many hosts"))
            continue
        path = Path(source).expanduser()
        if not source or "\0" in source or not path.exists():
            problems.append(Problem(message=f"there is no inventory at {shown(source, 200)}", file=source))
            continue
        base = path if path.is_dir() else path.parent
        yield from _walk(_Place(path=path, kind="inventory"))
        if base not in seen:
            yield from _variables(base)
        seen.add(base)


def _walk(place: _Place, depth: int = 0) -> Iterator[_Place]:
    """Which files are in this folder and those within it, or is it a file itself?"""
    if not place.path.is_dir():
        yield place
        return
    if depth > DEEPEST:
        return
    for path in sorted(place.path.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if place.kind == "inventory" and (path.name.endswith(IGNORED) or path.name in {*FOLDERS, "vars_plugins"}):
            continue
        if place.kind != "inventory" and path.is_file() and path.suffix not in {"", *guards.SUFFIXES}:
            continue
        yield from _walk(_Place(path=path, kind=place.kind, name=place.name), depth + 1)


def _variables(base: Path) -> Iterator[_Place]:
    """Which files beside the inventory hold variables of its groups and hosts?"""
    for folder, kind in FOLDERS.items():
        parent = base / folder
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            plain = path.suffix in guards.SUFFIXES and not path.is_dir()
            name = path.stem if plain else path.name
            if (
                not path.name.startswith(".")
                and not path.name.endswith("~")
                and (plain or path.is_dir() or _bare(path))
            ):
                yield from _walk(_Place(path=path, kind=kind, name=name))


def _bare(path: Path) -> bool:
    """Could this be a variables file without an ending? A host's name may have dots."""
    return not path.name.endswith(IGNORED)


def _source(place: _Place, problems: list[Problem]) -> Source | None:
    file = str(place.path)
    try:
        mode = place.path.stat()
        if not stat.S_ISREG(mode.st_mode):
            problems.append(Problem(message="this is neither a file nor a folder", file=file))
            return None
        if mode.st_mode & 0o111 and place.kind == "inventory" and not file.endswith(guards.SUFFIXES):
            return None  # a script
        if mode.st_size > guards.LARGEST:
            problems.append(Problem(message=f"this file is larger than {guards.LARGEST // 1024**2} MiB", file=file))
            return None
        text = place.path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(message="this file is not UTF-8 text", file=file))
        return None
    except OSError as error:
        problems.append(Problem(message=f"this file cannot be read: {error.strerror}", file=file))
        return None
    return Source(path=file, text=text, kind=place.kind, name=place.name)
