"""One failure, with all that was declared about it: what the causes rule on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from whyrefused.plan.keys.browses import BrowseItem
from whyrefused.plan.keys.configured_in import ConfiguredItem
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.firewall import FirewallItem
from whyrefused.plan.keys.forwards import ForwardItem
from whyrefused.plan.keys.headroom import HeadroomItem
from whyrefused.plan.keys.ports import PortItem
from whyrefused.plan.keys.proxy import ProxyItem, WayItem
from whyrefused.plan.keys.resolves import NameItem
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.records import Ruling

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.plan.items import Item
    from whyrefused.probes.dials import Dial, Try
    from whyrefused.records import Line, Seen

__all__ = [
    "BrowseItem",
    "Case",
    "ConfiguredItem",
    "FirewallItem",
    "ForwardItem",
    "HeadroomItem",
    "NameItem",
    "PathItem",
    "PortItem",
    "ProxyItem",
    "ServiceItem",
    "Through",
    "WayItem",
    "excluded",
    "unknown",
]


Part = Literal["to", "at", "beyond"]
"""Which part of the way through a proxy failed.

`to`: the client's connection to the proxy; the case is that connection. `at`: the proxy itself will not let the client
through. `beyond`: the proxy's own connection to the server; the case is that one, dialled from the proxy's host where
the inventory has it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """The declared proxy on a path, and which part of the way through it failed."""

    item: PathItem  # as declared
    dial: Dial  # what the client met
    part: Part
    reaches: bool | None  # does the proxy's host connect to the server? None where it was not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What the server sees of a connection that a router hands on."""

    source: str
    address: Address  # of the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One failed item."""

    item: Item
    seen: Seen
    server: str | None  # the host whose service it is about; None where that is not known
    port: int | None
    protocol: str
    bind: str  # as declared of the port; what a path dials is in `dialled`
    unit: str | None  # the unit that should hold the port: as declared, or the only one that can be meant
    wants_enabled: bool
    declared_ports: Mapping[str, str | None]  # of the server: key -> unit
    free_units: tuple[str, ...] = ()  # of the server: declared to run, and not named by any port's `service`
    answers: tuple[Address, ...] = ()  # declared of the name that a path dials
    others: Container[Address] = ()  # addresses that are other hosts' in the inventory
    through: Through | None = None  # of a path on which a proxy is declared
    forward: ForwardItem | None = None  # the declared port forward that it leads through
    arrival: Arrival | None = None  # at the server behind that; None where it is not seen to lead there
    relayed: bool = False  # a program on the router takes it, and asks whom it is configured to
    named: str | None = None  # the inventory host that a path's destination names, whichever the declared server is
    named_serves: bool = False  # that one is declared to answer on the port itself, or to forward others
    alike: tuple[Try, ...] = ()  # tries that came as near to the server as the last one

    @property
    def dial(self) -> Dial | None:
        """What became of the path? None of other items."""
        return self.seen.value if isinstance(self.item, PathItem) else None

    @property
    def declared_address(self) -> Address | None:
        """Which address is the port declared to be bound to? A wildcard too; None where nothing is declared of it."""
        text = self.bind.partition("%")[0]
        return ipaddress.ip_address(text) if text and self.key in self.declared_ports else None

    @property
    def dialled(self) -> Address | None:
        """Which address did the client end at? Of a forward, the one behind it. None where a name had none."""
        if self.arrival:
            return self.arrival.address
        return self.dial.last.address if self.dial and self.dial.last else None

    @property
    def source(self) -> str:
        """From which address does the server see it come? Empty where the client got none."""
        if self.arrival:
            return self.arrival.source
        return self.dial.last.source if self.dial and self.dial.last else ""

    def ended_by(self, one: Try) -> Case:
        """The same path, had the client ended at this try."""
        dial = self.seen.value
        tries = (*(other for other in dial.tries if other is not one), one)
        seen = replace(self.seen, value=replace(dial, tries=tries))
        if one is not dial.last or one.symptom != seen.symptom:
            seen = replace(seen, said=f"{one.symptom}: {one.line}", symptom=one.symptom)
        return replace(self, seen=seen, alike=())

    def met(self, one: Try) -> Arrival:
        """From where to which address does the server see this try come?"""
        if self.arrival and self.dial and one is self.dial.last:
            return self.arrival
        return Arrival(source=one.source, address=one.address)

    @property
    def router(self) -> str | None:
        """Which host forwards it?"""
        return self.forward.host if self.forward else None

    @property
    def key(self) -> str:
        """The port as the inventory writes it."""
        return f"{self.port}/{self.protocol}"

    def at_client(self, evidence: Evidence) -> HostEvidence:
        """What is known of the host whose item it is: the client of a path."""
        return evidence[self.item.host]

    def at_server(self, evidence: Evidence) -> HostEvidence | None:
        """What is known of the server? None where the inventory does not have it."""
        return evidence[self.server] if self.server else None

    def went_elsewhere(self, server: HostEvidence) -> bool:
        """Did the client dial an address that the server does not have? Then the server's tables explain nothing."""
        if self.dialled is None or self.dialled.is_loopback:
            return self.dialled is not None and self.item.host != server.name
        return self.dialled not in {own.address for own in server.addresses}


def unknown(because: str, *evidence: Line) -> Ruling:
    """The evidence does not decide."""
    return Ruling(answer="unknown", because=because, evidence=evidence)


def excluded(because: str, *evidence: Line) -> Ruling:
    """The evidence shows that it is not this."""
    return Ruling(answer="excluded", because=because, evidence=evidence)
