"""What is kept of a lab and its hosts between two commands? Small JSON files in its state folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

from .process import started

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process, named so that no later one can be taken for it."""

    pid: int
    start: int  # clock ticks since boot, see `process.started`

    @classmethod
    def of(cls, pid: int) -> Self:
        """Which process has this number now? Start 0, which none has, when it is gone."""
        return cls(pid=pid, start=started(pid) or 0)

    @property
    def alive(self) -> bool:
        """Does this very process still live?"""
        return started(self.pid) == self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRecord:
    """A lab that was begun."""

    number: int  # of its addresses
    owner: Process | None  # the process it ends with; None: it stays until it is taken down

    def save(self, folder: Path) -> None:
        """Keep it."""
        _save(folder / "lab.json", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What was kept? FileNotFoundError where no lab was begun."""
        kept = json.loads((folder / "lab.json").read_text())
        return cls(number=kept["number"], owner=Process(**kept["owner"]) if kept["owner"] else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """A host that was booted."""

    name: str
    number: int  # in the order of booting, from 1
    addresses: tuple[str, ...]  # IPv4; each has its IPv6 twin
    key: str = ""  # its public ssh host key
    leader: Process | None = None  # its PID 1 as seen from this machine

    def save(self, folder: Path) -> None:
        """Keep it."""
        _save(folder / "host.json", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What was kept?"""
        kept = json.loads((folder / "host.json").read_text())
        leader = Process(**kept["leader"]) if kept["leader"] else None
        return cls(**{**kept, "addresses": tuple(kept["addresses"]), "leader": leader})

    def led_by(self, leader: Process) -> Self:
        """What is the record once the host has booted?"""
        return replace(self, leader=leader)

    def keyed(self, key: str) -> Self:
        """What is the record once the host has its key?"""
        return replace(self, key=key)

    def also_at(self, address: str) -> Self:
        """What is the record with one more address?"""
        return replace(self, addresses=(*self.addresses, address))


def _save(file: Path, content: dict[str, object]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(file)
