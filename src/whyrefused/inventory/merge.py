"""What must be true of a host, when several levels declare something? Expectations add up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from whyrefused.inventory.expect import PROXY_FORMS
from whyrefused.inventory.flaws import Flaw, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whyrefused.inventory.flaws import Path

SHORT = {"services": "state", "ports": "state", "connects": "to", "browses": "url"}
"""The key that a word alone stands for: `nginx: running` is `nginx: {state: running}`."""

LISTS = {"connects": "to", "browses": "url"}
"""Lists that add up, and the key by which two entries are the same."""


def port(key: str) -> str:
    """How is this port written when no two spellings of one port may differ?"""
    found = re.fullmatch(r"0*(\d{1,5})(?:/(tcp|udp))?", key, re.ASCII)
    return f"{found[1]}/{found[2] or 'tcp'}" if found else key


def unit(key: str) -> str:
    """How is this unit written when no two spellings of one unit may differ?"""
    return key.removesuffix(".service")


def zone(key: str) -> str:
    """How is this zone written when no two spellings of one zone may differ?"""
    return key.lower().removesuffix(".")


SPELLING: dict[str, Callable[[str], str]] = {
    "ports": port, "forwards": port, "services": unit, "resolves": str.lower, "authoritative": zone,
}  # fmt: skip


def alike(key: str, other: str) -> bool:
    """Do these two spellings of a key mean the same?"""
    return any(spell(key) == spell(other) for spell in (str, port, unit, str.lower, zone))


def normalised(expect: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Flaw, ...]]:
    """What does one level declare, with short forms written out and keys in one spelling?"""
    flaws: list[Flaw] = []
    result = {str(key): _part(str(key), value, flaws) for key, value in expect.items()}
    flaws.extend(Flaw(path=path, message=f"nothing stands here; {PROXY_FORMS}") for path in _no_proxies(result))
    return result, tuple(flaws)


def _no_proxies(expect: Mapping[str, Any]) -> Iterator[Path]:
    """Where does `proxy` stand without a value? Who means `none` would have it checked, and nothing would be."""
    if "proxy" in expect and expect["proxy"] is None:
        yield ("proxy",)
    entries = expect.get("connects")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping) and "proxy" in entry and entry["proxy"] is None:
            yield ("connects", index, "proxy")


def _part(key: str, value: object, flaws: list[Flaw]) -> object:
    if key in LISTS and isinstance(value, list):
        return _entries(key, [_long(key, entry) for entry in value], flaws)
    if key in SPELLING and isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for written, inner in value.items():
            name = SPELLING[key](str(written))
            if name in result:
                flaws.append(Flaw(path=(key, str(written)), message=f"{shown(name)} is declared twice here"))
            result[name] = _long(key, inner)
        return result
    return value


def _long(key: str, value: object) -> object:
    return {SHORT[key]: value} if key in SHORT and isinstance(value, str) else value


def _entries(key: str, entries: list[object], flaws: list[Flaw]) -> list[object]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        written = json.dumps(entry, sort_keys=True, default=repr)
        if written in seen:
            flaws.append(Flaw(path=(key, index), message=f"{shown(_identity(key, entry))} is declared twice here"))
        seen.add(written)
    return entries


def merged(levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What do these levels declare together? They are normalised, the most general first."""
    result: dict[str, Any] = {}
    for level in levels:
        for key, value in level.items():
            result[key] = _added(key, result[key], value) if key in result else value
    return result


def _added(key: str, general: object, specific: object) -> object:
    if key in LISTS and isinstance(general, list) and isinstance(specific, list):
        named = {repr(_identity(key, entry)) for entry in specific}
        return [entry for entry in general if repr(_identity(key, entry)) not in named] + specific
    return union(general, specific)


def _identity(key: str, entry: object) -> object:
    return entry.get(LISTS[key], entry) if isinstance(entry, Mapping) else entry


def union(general: object, specific: object) -> object:
    """What do two values of one key add up to? Maps unite; of all else the more specific one stands."""
    if not (isinstance(general, Mapping) and isinstance(specific, Mapping)):
        return specific
    result = dict(general)
    for key, value in specific.items():
        result[key] = union(result[key], value) if key in result else value
    return result
