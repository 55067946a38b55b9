"""How is an inventory written down so that it is soon read again? What many hosts share is written once."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from whyrefused.records import Connection, Host, Inventory

if TYPE_CHECKING:
    from whyrefused.inventory.expect import Expect

SHARED = tuple(field.name for field in fields(Connection) if field.name not in {"address", "password"})


class _Shared:
    """Values that are written once, and told by their place."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, value: str) -> int:
        return self.places.setdefault(value, len(self.places))

    def written(self) -> list[str]:
        return list(self.places)


def written(inventory: Inventory) -> str:
    """What is kept of this inventory? It holds no password: who has one is not kept."""
    expects, ways, groups = _Shared(), _Shared(), _Shared()
    texts: dict[int, int] = {}
    rows: list[list[Any]] = []
    for host in inventory.hosts.values():
        if id(host.expect) not in texts:
            texts[id(host.expect)] = expects.place(_text(host.expect))
        way = json.dumps([getattr(host.connection, name) for name in SHARED])
        rows.append([host.name, host.connection.address, ways.place(way), groups.place(json.dumps(host.groups)),
                     texts[id(host.expect)]])  # fmt: skip
    places = {name: place for place, name in enumerate(inventory.hosts)}
    return json.dumps({
        "sources": inventory.sources,
        "expects": expects.written(),
        "ways": ways.written(),
        "in": groups.written(),
        "hosts": rows,
        "groups": {name: [places[host] for host in hosts] for name, hosts in inventory.groups.items()},
        "selected": [places[host] for host in inventory.selected],
        "warnings": inventory.warnings,
    })  # fmt: skip


def _text(expect: Expect) -> str:
    return expect.model_dump_json(by_alias=True, exclude_unset=True)


def read(text: str) -> Inventory:
    """Which inventory was written down so? Raises an exception of Python's own where it is none."""
    from whyrefused.inventory.expect import Expect  # noqa: PLC0415 - pydantic takes a while to load

    kept = json.loads(text)
    expects = [Expect.model_validate_json(one) for one in kept["expects"]]
    ways = [_way(one) for one in kept["ways"]]
    groups = [tuple(json.loads(one)) for one in kept["in"]]
    hosts = {
        name: Host(
            name=name,
            connection=Connection(address=address, **ways[way]),
            groups=groups[into],
            expect=expects[expect],
        )
        for name, address, way, into, expect in kept["hosts"]
    }
    names = tuple(hosts)
    return Inventory(
        sources=tuple(kept["sources"]),
        hosts=hosts,
        groups={name: tuple(map(names.__getitem__, places)) for name, places in kept["groups"].items()},
        selected=tuple(map(names.__getitem__, kept["selected"])),
        warnings=tuple(kept["warnings"]),
    )


def _way(text: str) -> dict[str, Any]:
    way = dict(zip(SHARED, json.loads(text), strict=True))
    return {**way, "ssh_arguments": tuple(way["ssh_arguments"])}
