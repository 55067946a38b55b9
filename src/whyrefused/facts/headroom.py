"""How much of each limit of a host is used, and how much is free? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.facts import limits, ports, queues
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.queues import Watched
    from whyrefused.plan.keys.headroom import HeadroomItem
    from whyrefused.probes.listeners import Listener
    from whyrefused.records import Line

FILES = "fs/file-nr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One limit, and what is left of it."""

    what: str  # `80/tcp`, `process 12 of nginx.service`, `the system`, `connections`
    used: int
    limit: int
    free: float  # share
    lines: tuple[Line, ...]
    unit: str = ""  # whose limit it is, where it is a unit's
    listener: Listener | None = None  # of a backlog
    watched: Watched | None = None

    @property
    def said(self) -> str:
        """In one line: what is used of what?"""
        return f"{self.what}: {self.used} of {self.limit}"


def of(host: HostEvidence, item: HeadroomItem) -> tuple[tuple[Room, ...], str]:
    """What is left of the limits that are meant, the scarcest first, and what could not be looked at."""
    found, missing = [], []
    for each in {"backlog": _backlog, "files": _files, "conntrack": _conntrack}[item.subject](host, item):
        if isinstance(each, CouldNotLook):
            missing.append(each.why)
        else:
            found.append(each)
    return tuple(sorted(found, key=lambda one: one.free)), "; ".join(dict.fromkeys(missing))


def _backlog(host: HostEvidence, item: HeadroomItem) -> Iterator[Room | CouldNotLook]:
    """The queues of the declared ports; of every listener where none is declared."""
    units = dict(item.ports)
    rows, _ = ports.table(host)
    for one in rows:
        if one.protocol != "tcp" or (units and one.port not in units):
            continue
        try:
            watched = queues.of(host, one)
        except CouldNotLook as miss:
            yield miss
            continue
        scarce = max(watched.looks, key=lambda look: look.free)
        yield Room(
            what=f"{one.address}:{one.port}", used=scarce.queued, limit=scarce.backlog, free=watched.free,
            lines=watched.lines, unit=queues.unit_of(one, units.get(one.port)), listener=one, watched=watched,
        )  # fmt: skip


def _files(host: HostEvidence, item: HeadroomItem) -> Iterator[Room | CouldNotLook]:
    """The files of every process of the declared units, and those of the whole system."""
    used, most = host.kernel.number(FILES), host.kernel.number(FILES, 2)
    if used is not None and most:
        yield Room(what="the system", used=used, limit=most, free=_free(used, most),
                   lines=(host.line("sysctl", host.kernel.said(FILES)),))  # fmt: skip
    for unit in item.units:
        try:
            running = [(host.running(name), name) for name in host.instances(unit)]
        except CouldNotLook as miss:
            yield miss
            continue
        for found, name in running:
            if found.unseen:
                yield CouldNotLook(f"{host.name}: {name}: {found.unseen}: needs root there")
        for one, name in ((one, name) for found, name in running for one in found.processes):
            if one.files is None or not one.limit_told:
                yield CouldNotLook(f"{host.name}: the open files of {name} are not told: needs root there")
            elif one.most_files:
                yield Room(
                    what=f"process {one.pid} of {name}", used=one.files, limit=one.most_files,
                    free=_free(one.files, one.most_files), unit=name,
                    lines=limits.lines(host, one, "/fd ", "Max open files"),
                )  # fmt: skip


def _conntrack(host: HostEvidence, _item: HeadroomItem) -> Iterator[Room | CouldNotLook]:
    """The table of tracked connections; without one there is nothing that could be full."""
    count, limit = (host.kernel.number(name) for name in limits.TABLE)
    if limit is None and limits.TABLE[1] in host.kernel.unread:
        yield CouldNotLook(f"{host.name}: {limits.TABLE[1]}: not permitted")
    elif limit is None:
        none = host.line("sysctl net.netfilter.nf_conntrack_max", "not there: connections are not tracked")
        yield Room(what="connections tracked", used=0, limit=0, free=1.0, lines=(none,))
    elif count is None:
        yield CouldNotLook(f"{host.name}: how many connections are tracked is not told")
    else:
        yield Room(what="connections tracked", used=count, limit=limit, free=_free(count, limit),
                   lines=tuple(host.line("sysctl", host.kernel.said(name)) for name in limits.TABLE))  # fmt: skip


def _free(used: int, limit: int) -> float:
    return max(0.0, 1 - used / limit) if limit else 0.0
