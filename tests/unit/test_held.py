"""How much is held of what a fleet says? So much and no more, whatever the number of hosts; the rest is read again."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.collect import fleet, journal, saved
from whyrefused.collect.journal import Journal
from whyrefused.collect.visit import Options
from whyrefused.records import Connection, Frame, Host, Inventory, Reply

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from whyrefused.collect.visited import Visited

WORDS = 10_000
"""Characters that each host says, about as many as to the standard audit."""
HELD = 50 * WORDS


def fleet_of(hosts: int) -> Inventory:
    """Which inventory has so many hosts?"""
    names = [f"h{number:05}" for number in range(hosts)]
    return Inventory(sources=("",), hosts={name: host(name) for name in names}, groups={}, selected=tuple(names))


def host(name: str) -> Host:
    """Which host has this name, and nothing declared of it?"""
    return Host(name=name, connection=Connection(kind="ssh", address=name), groups=(), expect={})


def said(name: str) -> str:
    """What does this host say? Not ASCII alone: a byte that is no UTF-8 stays what it is."""
    return f"{name}\udcff" + name[-1] * (WORDS - 7)


def visit(of: Host, *_: object) -> tuple[Reply, tuple[str, ...]]:
    """Answer at once, and much."""
    return Reply(host=of.name, frames={"nft": Frame(text=said(of.name), status=0)}, seconds=1.0), ()


def collected(path: Path, hosts: int) -> tuple[Visited, int]:
    """What do so many hosts say, and how many bytes are held of it?"""
    path.write_text(json.dumps({"schema": saved.JOURNAL, "started": "", "pid": 1, "files": []}) + "\n")
    inventory = fleet_of(hosts)
    asked = {name: {"nft": ()} for name in inventory.hosts}
    kept = Journal(path)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    visited = kept.whole(fleet.collect(inventory, asked, Options(forks=4), keep=kept.keep))
    kept.end(visited)
    gc.collect()
    return visited, tracemalloc.get_traced_memory()[0] - before


def test_memory_for_each_host_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thousand hosts more say takes a tenth of what they say; and all of it can be read, in any order."""
    monkeypatch.setattr(fleet, "visit", visit)
    monkeypatch.setattr(journal, "HELD", HELD)
    tracemalloc.start(1)
    try:
        _, few = collected(tmp_path / "few.jsonl", 200)
        visited, many = collected(tmp_path / "many.jsonl", 1200)
    finally:
        tracemalloc.stop()
    assert few > HELD / 2
    assert (many - few) / 1000 < WORDS / 10
    for name in (*list(visited.replies)[::97], "h00000", "h01199"):
        reply = visited.replies[name]
        assert (said(name), 1.0) == (reply.frames["nft"].text, reply.seconds)


def test_saved_evidence_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written of a fleet that is not held is, byte by byte, what is written of one that is."""
    monkeypatch.setattr(fleet, "visit", visit)
    whole, _ = collected(tmp_path / "a.jsonl", 20)
    monkeypatch.setattr(journal, "HELD", 0)
    read, _ = collected(tmp_path / "b.jsonl", 20)
    assert "".join(saved.parts(whole)) == "".join(saved.parts(read))
    document = {"schema": saved.SCHEMA, "hosts": {name: saved.entry(one) for name, one in whole.replies.items()}}
    assert json.dumps(document, indent=1, sort_keys=True) + "\n" == saved.text(whole)
    more = replace(whole, replies={}, notes=("a\nb",), started="s", warnings={"h": ("w",), "i": ()})
    document = {"schema": saved.SCHEMA, "hosts": {}, "notes": ["a\nb"], "started": "s", "warnings": {"h": ["w"]}}
    assert json.dumps(document, indent=1, sort_keys=True) + "\n" == saved.text(more)


def test_what_is_on_no_disk_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a journal nothing is let go of."""
    monkeypatch.setattr(journal, "HELD", 0)
    kept = Journal(None)
    answer = visit(host("h00000"))
    assert [answer] == kept.keep([answer])
