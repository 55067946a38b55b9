"""What came of one visit to the hosts: the record that collect hands on, live or read from a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from whyrefused.collect.replies import Replies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.records import Reply

Answer = tuple["Reply", tuple[str, ...]]
"""A host's reply, and warnings for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """What all hosts answered, and what the reader must know of it."""

    replies: Mapping[str, Reply]  # by host; where the visit was interrupted, of those that finished
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by host: its key was not checked, …
    notes: tuple[str, ...] = ()  # of the whole visit
    started: str = ""  # ISO 8601, UTC; empty where a file does not say
    finished: str = ""
    interrupted: str = ""  # by what; empty where all hosts were asked
    problems: tuple[str, ...] = ()  # what could not be written
    resumed: str = ""  # when this run began, where another that was cut short had asked some hosts; `started`: that one
    earlier: Mapping[str, str] = field(default_factory=dict)  # by host: when the other run had asked it

    def ordered(self, hosts: Iterable[str]) -> Visited:
        """The same in the order of these hosts, and of them alone: in which order they answered never shows."""
        known = tuple(hosts)
        return replace(
            self,
            replies=Replies((host for host in known if host in self.replies), self.replies.__getitem__),
            warnings={host: self.warnings[host] for host in known if self.warnings.get(host)},
            earlier={host: self.earlier[host] for host in known if host in self.earlier},
        )

    def beside(self, other: Visited) -> Visited:
        """What these and the other's hosts said: none is a host of both."""
        hosts = (*self.replies, *other.replies)
        replies = Replies(hosts, lambda host: (self if host in self.replies else other).replies[host])
        warnings = {**self.warnings, **other.warnings}
        return replace(self, replies=replies, warnings=warnings).with_notes(*other.notes)

    def after(self, earlier: Mapping[str, str], began: str) -> Visited:
        """The same of a run that began then, before which another had asked these hosts."""
        first = min((began, *earlier.values()))
        return replace(self, started=first, resumed=began if earlier else "", earlier=dict(earlier))

    def with_notes(self, *notes: str) -> Visited:
        """The same, and this must be known too."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))

    @property
    def told(self) -> tuple[str, ...]:
        """What must the reader know?"""
        of_hosts = [f"{host}: {warning}" for host, warnings in sorted(self.warnings.items()) for warning in warnings]
        return tuple(dict.fromkeys((*of_hosts, *self.notes)))


def of(answers: Iterable[Answer]) -> Visited:
    """What did these hosts say? The first answer of a host counts."""
    replies: dict[str, Reply] = {}
    warnings: dict[str, tuple[str, ...]] = {}
    for reply, said in answers:
        if reply.host not in replies:
            replies[reply.host] = reply
            warnings[reply.host] = tuple(dict.fromkeys(said))
    return Visited(replies=replies, warnings=warnings)
