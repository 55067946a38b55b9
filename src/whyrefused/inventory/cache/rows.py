"""How is an inventory written down so that it is soon read again?

As a table for each kind of record, with a column for each field. Of a column each value is written, and read, once,
however many records have it; a record within another is told by its place in its own table.
"""

from __future__ import annotations

import json
from dataclasses import fields
from types import NoneType
from typing import TYPE_CHECKING, Any, get_type_hints

from whyrefused.inventory.cache.typed import reader
from whyrefused.inventory.expect import Browse, Connect, Expect, Port, ProxySettings, Service
from whyrefused.records import Connection, Host, Inventory

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    Column = tuple[list[Any], list[int] | None]
    """The values, and the place in them of each row's; None if there is one for all rows, or one for each."""

KINDS = (Service, Port, ProxySettings, Connect, Browse, Expect, Connection)
"""Each after those that may be within it."""
NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS}


class _Places:
    """Values in the order in which they came, equal ones once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Hashable, int] = {}
        self._maps: dict[str, int] = {}

    def of(self, value: Any) -> int:  # noqa: ANN401 - whatever JSON can hold
        """Where does it stand?"""
        try:
            place = self._known.setdefault(value, len(self.values))
        except TypeError:  # a map is in it
            place = self._maps.setdefault(json.dumps(value), len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place


class _Tables:
    """The records of each kind."""

    def __init__(self) -> None:
        self.rows = {kind: _Places() for kind in KINDS}
        self._known: dict[int, tuple[object, int]] = {}

    def place(self, record: Any) -> int:  # noqa: ANN401 - one of KINDS
        """In which row of its table does it stand?"""
        if id(record) not in self._known:
            kind = type(record)
            row = tuple(self._cell(getattr(record, name)) for name in NAMES[kind])
            self._known[id(record)] = record, self.rows[kind].of(row)
        return self._known[id(record)][1]

    def _cell(self, value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
        if isinstance(value, (str, int, NoneType)):
            return value
        if isinstance(value, dict):
            return {key: self._cell(inner) for key, inner in value.items()}
        return tuple(map(self._cell, value)) if isinstance(value, tuple) else self.place(value)


def _column(cells: Sequence[Any]) -> Column:
    found = _Places()
    places = list(map(found.of, cells))
    return found.values, None if len(found.values) in {1, len(cells)} else places


def _columns(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"rows": len(rows), "columns": [_column(cells) for cells in zip(*rows, strict=True)]}


def written(inventory: Inventory) -> str:
    """What is kept of this inventory? It holds no password: who has one is not kept."""
    tables = _Tables()
    hosts = [
        [host.name, tables.place(host.connection), host.groups, tables.place(host.expect)]
        for host in inventory.hosts.values()
    ]
    places = {name: place for place, name in enumerate(inventory.hosts)}
    return json.dumps({
        "sources": inventory.sources,
        "tables": {kind.__name__: _columns(rows.values) for kind, rows in tables.rows.items()},
        "hosts": _columns(hosts),
        "groups": {name: [places[host] for host in hosts] for name, hosts in inventory.groups.items()},
        "selected": [places[host] for host in inventory.selected],
        "warnings": inventory.warnings,
    })  # fmt: skip


def read(text: str) -> Inventory:
    """Which inventory was written down so? Raises an exception of Python's own where it is none."""
    kept = json.loads(text)
    records: dict[type, list[Any]] = {}
    for kind in KINDS:
        hints = get_type_hints(kind, include_extras=True)
        cells = _read(kept["tables"][kind.__name__], [hints[name] for name in NAMES[kind]], records)
        records[kind] = [kind(**dict(zip(NAMES[kind], row, strict=True))) for row in cells]
    rows = _read(kept["hosts"], [str, Connection, tuple[str, ...], Expect], records)
    hosts = {
        name: Host(name=name, connection=connection, groups=groups, expect=expect)
        for name, connection, groups, expect in rows
    }
    names, several = tuple(hosts), reader(tuple[str, ...], records)
    return Inventory(
        sources=several(kept["sources"]),
        hosts=hosts,
        groups={name: _taken(names, places) for name, places in kept["groups"].items()},
        selected=_taken(names, kept["selected"]),
        warnings=several(kept["warnings"]),
    )


def _read(table: Mapping[str, Any], hints: Sequence[Any], records: Mapping[type, Sequence[Any]]) -> Iterator[Any]:
    """Which rows has this table? Each value is read by its column's annotation."""
    size, columns = table["rows"], []
    for hint, (values, places) in zip(hints, table["columns"] if size else [([], [])] * len(hints), strict=True):
        read = tuple(map(reader(hint, records), values))
        if places is not None:
            columns.append(_taken(read, places))
        else:
            columns.append(read * size if len(read) == 1 else read)
    return zip(*columns, strict=True)


def _taken(values: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    """Which values stand at these places? Raises IndexError where there is none."""
    if min(places, default=0) < 0:
        raise IndexError(places)
    return tuple(map(values.__getitem__, places))
