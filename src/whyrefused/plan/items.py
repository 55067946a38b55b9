"""The declared items: one record per line of an inventory that becomes a pytest item.

`check` is the file in `checks/` that judges it, `subject` what the inventory calls it, `wanted` what must be true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What every declared item has."""

    host: str  # the inventory host that is asked
    check: str
    subject: str
    wanted: str

    @property
    def label(self) -> str:
        """What stands in the brackets of the node id: unique within its check, without `::`."""
        return f"{self.host}-{self.subject}".replace(" ", "-").replace("::", "..")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem(Item):
    """A unit and its state."""

    unit: str
    state: Literal["running", "stopped", "absent"]
    enabled: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortItem(Item):
    """A port, and what must listen there."""

    port: int
    protocol: Protocol
    state: Literal["listening", "absent"]
    bind: str  # ADDRESS, ADDRESS%DEVICE or %DEVICE
    unit: str | None  # as declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a connection may come from, as the inventory names it."""

    name: str  # `any`, a CIDR, an address, a host, a group
    networks: tuple[IPv4Network | IPv6Network, ...]  # what the name says by itself
    hosts: tuple[tuple[str, str], ...]  # inventory hosts meant by it, each with its address if that is a literal one


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallItem(Item):
    """A source that the firewall must let in to a port, or refuse."""

    port: int
    protocol: Protocol
    bind: str
    address: str  # of the host in the inventory: a name or an address
    source: Source
    let_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WideItem(Item):
    """No port bound wide is refused by a rule made for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyItem(Item):
    """A proxy variable, and what it must be."""

    variable: str  # http_proxy, …, no_proxy
    value: str | None  # None: must not be set
    names: tuple[str, ...]  # of no_proxy: what it must hold
    units: tuple[str, ...]  # declared units whose environment counts too


@dataclass(frozen=True, slots=True, kw_only=True)
class NameItem(Item):
    """A name, and the addresses it must have."""

    name: str
    answers: tuple[IPv4Address | IPv6Address, ...]  # each must be given
    permitted: tuple[IPv4Network | IPv6Network, ...]  # may be given besides


@dataclass(frozen=True, slots=True, kw_only=True)
class PathItem(Item):
    """A connection that a client must really make; `host` is the client."""

    server: str | None  # inventory host behind it; None where it is not in the inventory
    destination: str  # name or address that the client dials
    port: int
    server_port: str | None  # key in the server's `ports` that it leads to
    proxied: bool  # whether a declared proxy stands on this way


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterItem(Item):
    """A declaration that is understood and not checked yet."""
