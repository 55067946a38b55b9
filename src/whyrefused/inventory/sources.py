"""Which files make up an inventory, and what stands in them? Only plain text is read; scripts are left to Ansible.

Each file is read once, and all that is said of it, whether it is fit for Ansible, what it declares, and whether it is
still what it was at the last run, is said of the very bytes that were read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whyrefused.inventory import bounds
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
    given: str = ""  # by which source of the command line


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file as it was read, whatever it holds."""

    path: str
    kind: Literal["inventory", "groups", "hosts"]
    name: str
    given: str
    data: bytes
    executable: bool


@dataclass(slots=True)
class Found:
    """All that was read of an inventory, before anything is made of it."""

    files: list[File] = field(default_factory=list)
    listed: dict[str, tuple[str, ...]] = field(default_factory=dict)  # folder -> the names in it
    folders: list[Path] = field(default_factory=list)  # those of them that hold inventories
    problems: list[tuple[int, Problem]] = field(default_factory=list)  # and how many files were read before
    whole: bool = True  # False where a folder is nested so deep that it was left out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    path: Path
    kind: Literal["inventory", "groups", "hosts"]
    name: str = ""
    given: str = ""


def read(sources: Sequence[str]) -> tuple[tuple[Source, ...], tuple[Problem, ...]]:
    """What stands in the plain files of these sources, and what must not reach Ansible?"""
    return examine(gather(sources))


def gather(sources: Sequence[str]) -> Found:
    """What is there to be read? Nothing is made of it yet."""
    found = Found()
    for place in _places(sources, found):
        _take(place, found)
        if len(found.files) > MOST_FILES:
            _say(found, Problem(message=f"more than {MOST_FILES} files", file=str(place.path)))
            break
    return found


def _say(found: Found, problem: Problem) -> None:
    found.problems.append((len(found.files), problem))


def examine(found: Found) -> tuple[tuple[Source, ...], tuple[Problem, ...]]:
    """What stands in the plain ones of these files, and what must not reach Ansible?"""
    from whyrefused.inventory import guards  # noqa: PLC0415 - it loads yaml

    sources: list[Source] = []
    problems: list[Problem] = []
    waiting = list(reversed(found.problems))
    for number, file in enumerate(found.files):
        while waiting and waiting[-1][0] <= number:
            problems.append(waiting.pop()[1])
        if is_script(file):
            continue
        try:
            text = _text(file.data)
        except UnicodeDecodeError:
            problems.append(Problem(message="this file is not UTF-8 text", file=file.path))
            continue
        sources.append(Source(path=file.path, text=text, kind=file.kind, name=file.name, given=file.given))
        yaml_only = file.kind != "inventory" or file.path.endswith(bounds.SUFFIXES)
        tree = file.kind == "inventory"
        problems.extend(guards.problems(text, file.path, must_be_yaml=yaml_only, tree=tree))
    return tuple(sources), (*problems, *(problem for _, problem in reversed(waiting)))


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def is_script(file: File) -> bool:
    """Is this a program that prints an inventory?"""
    return file.executable and file.kind == "inventory" and not file.path.endswith(bounds.SUFFIXES)


def readable(path: str) -> bool:
    """Is this a file that we may read?"""
    return Path(path).is_file() and os.access(path, os.R_OK)


def _places(sources: Sequence[str], found: Found) -> Iterator[_Place]:
    seen: set[Path] = set()
    for source in sources:
        if "," in source:  # Ansible's own rule: a list of hosts, not a path
            if any(map(bounds.too_many_hosts, source.split(","))):
                _say(found, Problem(message=f"{_shown(source)} stands for too many hosts"))
            continue
        path = Path(source).expanduser()
        if not source or "\0" in source or not path.exists():
            _say(found, Problem(message=f"there is no inventory at {_shown(source, 200)}", file=source))
            continue
        base = path if path.is_dir() else path.parent
        yield from _walk(_Place(path=path, kind="inventory", given=source), found)
        if base not in seen:
            yield from _variables(base, source, found)
        seen.add(base)


def _shown(source: str, *longest: int) -> str:
    from whyrefused.inventory.flaws import shown  # noqa: PLC0415 - only where something is wrong

    return shown(source, *longest)


def _inside(folder: Path, found: Found) -> tuple[Path, ...]:
    """What is in this folder, by name?"""
    paths = sorted(folder.iterdir())
    found.listed[str(folder)] = tuple(path.name for path in paths)
    return tuple(path for path in paths if not path.name.startswith(".") and not path.name.endswith("~"))


def _walk(place: _Place, found: Found, depth: int = 0) -> Iterator[_Place]:
    """Which files are in this folder and those within it, or is it a file itself?"""
    if not place.path.is_dir():
        yield place
        return
    if depth > DEEPEST:
        found.whole = False
        return
    if place.kind == "inventory":
        found.folders.append(place.path)
    for path in _inside(place.path, found):
        if place.kind == "inventory" and (path.name.endswith(IGNORED) or path.name in {*FOLDERS, "vars_plugins"}):
            continue
        if place.kind != "inventory" and path.suffix not in {"", *bounds.SUFFIXES} and path.is_file():
            continue
        yield from _walk(replace(place, path=path), found, depth + 1)


def _variables(base: Path, given: str, found: Found) -> Iterator[_Place]:
    """Which files beside the inventory hold variables of its groups and hosts?"""
    for folder, kind in FOLDERS.items():
        parent = base / folder
        for path in _inside(parent, found) if parent.is_dir() else ():
            plain = path.suffix in bounds.SUFFIXES and not path.is_dir()
            name = path.stem if plain else path.name
            if plain or path.is_dir() or _bare(path):
                yield from _walk(_Place(path=path, kind=kind, name=name, given=given), found)


def _bare(path: Path) -> bool:
    """Could this be a variables file without an ending? A host's name may have dots."""
    return not path.name.endswith(IGNORED)


def _take(place: _Place, found: Found) -> None:
    """Read one file. A script's own text says nothing, and is not read."""
    path = str(place.path)
    try:
        state = place.path.stat()
        if not stat.S_ISREG(state.st_mode):
            _say(found, Problem(message="this is neither a file nor a folder", file=path))
            return
        file = File(
            path=path,
            kind=place.kind,
            name=place.name,
            given=place.given,
            data=b"",
            executable=bool(state.st_mode & 0o111),
        )
        if not is_script(file):
            if state.st_size > bounds.LARGEST:
                _say(found, Problem(message=f"this file is larger than {bounds.LARGEST // 1024**2} MiB", file=path))
                return
            file = replace(file, data=_bytes(place.path))
    except OSError as error:
        _say(found, Problem(message=f"this file cannot be read: {error.strerror}", file=path))
        return
    found.files.append(file)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(bounds.LARGEST + 1)
