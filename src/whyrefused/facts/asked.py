"""What is known of one name on one host, for the rules that say why it is wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes.lookups import TOLD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.lookups import Lookup
    from whyrefused.probes.names import Name
    from whyrefused.records import Line

CONF, ORDER = "/etc/resolv.conf", "/etc/nsswitch.conf"
STUB = "127.0.0.53"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """In which way a name is wrong on a host."""

    variant: str
    words: str  # what is behind it, as the end of a sentence; empty where that is not known
    subject: str  # the name, or the file in which all names go wrong
    lines: tuple[Line, ...]
    fix: tuple[str, ...]
    verify: tuple[str, ...] = ()  # besides what the host itself gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One name on one host, and the addresses it should have."""

    client: HostEvidence
    name: str
    right: frozenset[Address]
    answer: Name
    lookups: tuple[Lookup, ...]  # of the nameservers that programs ask
    behind: tuple[Lookup, ...] = ()  # of those behind systemd-resolved's stub
    zone: tuple[Lookup, ...] = ()  # of the declared servers of its zone

    @property
    def wanted(self) -> str:
        """Which addresses should it have, for people?"""
        return words(self.right)

    @property
    def main(self) -> list[Lookup]:
        """Which answers are about the name that is meant?"""
        return self.meant(self.lookups) or list(self.lookups)

    def meant(self, looks: Iterable[Lookup]) -> list[Lookup]:
        """Which of these are about the name that is meant? A full name itself, a short one completed."""
        plain = self.name.rstrip(".").lower()
        return [one for one in looks if (one.fqdn.lower() == plain) is ("." in plain)]

    @property
    def first(self) -> str:
        """Which nameserver's word counts? glibc goes on to the next one after silence, REFUSED and SERVFAIL."""
        return next((one.server for one in self.lookups if one.word in TOLD), "")

    def good(self, looks: Iterable[Lookup]) -> list[Lookup]:
        """Which of these answers are right, and nothing but right?"""
        return [one for one in looks if one.addresses and set(one.addresses) <= self.right]

    def bad(self, looks: Iterable[Lookup]) -> list[Lookup]:
        """Which of these answers have an address in them that is not right?"""
        return [one for one in looks if set(one.addresses) - self.right]

    def lines(self, looks: Iterable[Lookup]) -> tuple[Line, ...]:
        """How are these answers quoted?"""
        return tuple(self.client.line(command(one), one.line) for one in looks)

    def conf(self) -> tuple[Line, ...]:
        """What says which nameservers are asked, and which search domains tried?"""
        return tuple(self.client.line(CONF, line) for line in (*self.answer.resolvers, *self.answer.search))

    def order(self) -> tuple[Line, ...]:
        """What says in which order sources are asked?"""
        return (self.client.line(ORDER, self.answer.order),) if self.answer.order else ()


def command(look: Lookup) -> str:
    """Which command asks the same? Of a zone's server what it knows itself (`-r`, host(1))."""
    return f"host {'-r ' if look.zone else ''}-t {look.type} {look.fqdn} {look.server}"


def words(right: Iterable[Address]) -> str:
    """Which addresses should a name have, for people? One that counts on its own link alone stands in no zone."""
    return ", ".join(sorted(str(one) for one in right if not one.is_link_local)) or "an address"
