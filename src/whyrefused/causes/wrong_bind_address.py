"""Listening on the wrong address.

The service runs and holds the port, but only on an address that its clients do not dial: 127.0.0.1 answers the machine
itself and nobody else, an IPv6-only wildcard no IPv4 client, a single interface only those who come in through it. For
all others the port is closed, and the server's kernel refuses them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from whyrefused.case import PathItem, PortItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import addresses, meant, ports, routing, services
from whyrefused.facts.daemons import rebind, rebind_socket
from whyrefused.probes.binding import HOSTS, SYSCTL
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.listeners import Listener
    from whyrefused.records import Line

CODE = "wrong-bind-address"
SIDE = "server"
LOCALHOST = "127.0.0.1"
CHOOSE = frozenset({"nginx.service", "sshd.service", "ssh.service", "redis-server.service", "redis.service"})
"""Units that set IPV6_V6ONLY themselves, whatever net.ipv6.bindv6only says."""

DATABASES = ("redis*", "postgresql*", "mysql*", "mariadb*", "memcached*")
"""Units whose unix socket is a way to the same service, and not one for its administration."""

HIDDEN_BY = (
    "dns",
    "wrong-destination",
    "client-firewall",
    "nat-misconfiguration",
    "server-firewall",
    "service-not-running",
)
VARIANTS = {
    "loopback": "on 127.0.0.1 or ::1 only",
    "own-name-loopback": "on the loopback address that /etc/hosts gives the host's own name",
    "ipv6-only": "on IPv6 only",
    "bindv6only": "on IPv6 only, for net.ipv6.bindv6only is set",
    "ipv4-only": "on IPv4 only",
    "other-address": "on another of the host's addresses",
    "device-bound": "bound to one interface",
    "link-local": "on a link-local address only",
    "address-gone": "on an address that has left the host",
    "unix-socket-only": "on a unix socket only",
    "private-network": "in a network of the unit's own",
}
"""What a variant means; the slugs never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of a service that listens where nobody dials."""

    because: str
    variant: str
    lines: tuple[Line, ...]
    fix: tuple[str, ...]


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the service listen, but not where the clients dial?"""
    host = case.at_server(evidence)
    if host is None or case.port is None or not isinstance(case.item, (PathItem, PortItem)):
        return unknown("no port is at issue")
    try:
        if gone := _gone(case, host, evidence):
            return gone
        if isinstance(case.item, PathItem) and case.seen.symptom != "refused":
            return unknown(f"an address that nobody listens on refuses at once; the client saw {case.seen.symptom}")
        if case.went_elsewhere(host):
            return unknown(f"the client dialled {case.dialled}, which is not an address of {host.name}")
        return _on(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _gone(case: Case, host: HostEvidence, evidence: Evidence) -> Ruling | None:
    """Has the address that is declared, and dialled, left the host? Raises `CouldNotLook`.

    A listener may be bound to such an address nonetheless (net.ipv4.ip_nonlocal_bind), and a route of type local takes
    what comes to one that no interface has.
    """
    address = case.dialled
    if not isinstance(case.item, PathItem) or case.forward or case.through or address is None or address.is_loopback:
        return None
    if case.seen.symptom not in {"timed-out", "unreachable"} or not _declares(case, host, address):
        return None
    route = routing.to(host, address)
    if evidence.holders(address) or (route is not None and route.kind == "local"):
        return None
    held = [host.line("ip -o addr show", one.line) for one in host.addresses if one.scope == "global"]
    rows, source = ports.on_port(host, case.protocol, case.port or 0)
    bound = [host.line(source, one.line) for one in rows]
    because = f"{case.bind}:{case.port} is declared, and {host.name} does not have {address}, which its clients dial"
    fix = (
        f"on {host.name}: start what brings the address (keepalived, a DHCP client), or ip addr add {address} dev …",
        "or correct `bind` in the inventory, if the address is another host's today",
    )
    return _proven(case, host, Told(because=because, variant="address-gone", lines=(*bound, *held), fix=fix))


def _declares(case: Case, host: HostEvidence, address: Address) -> bool:
    """Is this address declared to be the host's own: by itself, or as an IPv6 one of a host that has none at all?"""
    declared = case.declared_address
    if declared == address:
        return True
    if declared is None or not declared.is_unspecified or {declared.version, address.version} != {addresses.V6}:
        return False
    return not any(own.scope == "global" and own.address.version == addresses.V6 for own in host.addresses)


def _on(case: Case, host: HostEvidence) -> Ruling:
    found, source = ports.on_port(host, case.protocol, case.port or 0)
    unit = meant.unit_of(case, host)
    own = _own(case, host, unit, found)
    if not own:
        return _hidden(case, host, unit) or excluded(f"nothing that should listens on {case.key}")
    said = tuple(host.line(source, one.line) for one in own)
    met = [_meets(case, host, one) for one in own]
    if any(met):
        return excluded("a listener answers the address", *said)
    if any(one is None for one in met):
        return unknown(f"whether {own[0].address} takes what comes there is not told", *said)
    if case.dialled and case.key in case.declared_ports and any(addresses.meets(one, case.bind) for one in own):
        return unknown(f"{case.bind}:{case.port} is declared and is answered; the client dials {case.dialled}", *said)
    wanted = f"clients dial {case.dialled}:{case.port}" if case.dialled else f"declared is {case.bind}:{case.port}"
    bound = ", ".join(dict.fromkeys(str(one.address) + (f"%{one.device}" if one.device else "") for one in own))
    wished = case.dialled or ipaddress.ip_address(case.bind.partition("%")[0] or str(addresses.EVERY_V4))
    variant = _variant(own, wished, host)
    told, reasons, fix = _reason(host, variant, own)
    name = unit or ports.owner_words(own[0])
    because = f"{name} listens on {bound} only; {wanted}{told}"
    edits = (*fix, *_rebound(case, host, name, own[0]))
    return _proven(case, host, Told(because=because, variant=variant, lines=(*said, *reasons), fix=edits))


def _rebound(case: Case, host: HostEvidence, name: str, listener: Listener) -> tuple[str, ...]:
    """What makes it listen as declared? Where systemd listens for it, that is the socket unit's business."""
    socket = ports.socket_of(host, name) if ports.by_systemd(listener) else None
    if socket is not None:
        return rebind_socket(socket.id, case.bind, case.port or 0)
    return rebind(name, case.bind, case.port or 0)


def _own(case: Case, host: HostEvidence, name: str | None, found: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Which of the listeners are the unit's that is meant? Another daemon's proves nothing about this one's."""
    if not name:
        return found
    unit, socket = host.unit(name), ports.socket_of(host, name)
    owners = [(one, ports.owned(one, unit, socket)) for one in found]
    if found and all(owns is None for _, owns in owners):
        raise CouldNotLook(f"{host.name}: who holds {case.key} is not told to this login")
    return tuple(one for one, owns in owners if owns)


def _meets(case: Case, host: HostEvidence, listener: Listener) -> bool | None:
    if case.dialled is None:
        return addresses.meets(listener, case.bind)
    # Whatever address of its own a host dials, the packets come in through lo.
    arrives = "lo" if case.item.host == host.name else host.interface_of(case.dialled)
    return addresses.answers(listener, case.dialled, arrives)


def _variant(own: tuple[Listener, ...], wanted: Address, host: HostEvidence) -> str:
    listener = own[0]
    if listener.address.is_link_local:
        return "link-local"
    if listener.device:
        return "device-bound"
    if addresses.plain(listener.address).is_loopback:
        return "own-name-loopback" if _own_name(host, listener) else "loopback"
    if listener.address.is_unspecified:
        by_sysctl = wanted.version == addresses.V4 and _binding(host, "v6only") and listener.unit not in CHOOSE
        family = "ipv6-only" if wanted.version == addresses.V4 else "ipv4-only"
        return "bindv6only" if by_sysctl else family
    held = {own.address for own in host.addresses}
    return "other-address" if addresses.plain(listener.address) in held else "address-gone"


def _binding(host: HostEvidence, field: str) -> Any:  # noqa: ANN401 - whatever the record has there
    """What does the host say of addresses that are left to it? None where it was not asked."""
    found = looked(lambda: host.binding)
    return None if isinstance(found, Missing) else getattr(found, field)


def _own_name(host: HostEvidence, listener: Listener) -> str:
    """Which line of /etc/hosts gives the host's own name this loopback address? Not 127.0.0.1, which is everybody's."""
    if str(listener.address) == LOCALHOST:
        return ""
    name = host.identity.hostname.lower()
    names = {name, name.partition(".")[0]}
    lines = [one for one in _binding(host, "loopback") or () if one.address == str(listener.address)]
    return next((one.line for one in lines if names & {*one.names, *(n.partition(".")[0] for n in one.names)}), "")


def _reason(
    host: HostEvidence, variant: str, own: tuple[Listener, ...]
) -> tuple[str, tuple[Line, ...], tuple[str, ...]]:
    """What made it so: in words, in the host's own, and what mends it at its root?"""
    if variant == "own-name-loopback":
        line = _own_name(host, own[0])
        fix = f"in {HOSTS}: give the host's own name the address that clients dial, or name none in the daemon"
        return f"; {HOSTS} gives the host's own name that address", (host.line(HOSTS, line),), (fix,)
    if variant == "bindv6only":
        said = host.line(SYSCTL, "net.ipv6.bindv6only = 1")
        fix = "sysctl -w net.ipv6.bindv6only=0 (and remove it from /etc/sysctl.conf and /etc/sysctl.d)"
        return "; net.ipv6.bindv6only is 1", (said,), (fix,)
    return "", (), ()


def _hidden(case: Case, host: HostEvidence, name: str | None) -> Ruling | None:
    """Does the unit run where no client of the host comes: in a network of its own, or on a unix socket alone?"""
    if not name:
        return None
    state, unit, _ = services.of(host, name)
    if state != "running" or unit.sub != "running" or ports.serving(host, name, case.protocol, case.port):
        return None
    said = host.line("systemctl show", unit.said)
    if unit.network:
        because, variant = f"{unit.id} has a network of its own (PrivateNetwork=yes)", "private-network"
        edit = (f"systemctl edit {unit.id}: [Service] PrivateNetwork=no", f"systemctl restart {unit.id}")
        return _proven(case, host, Told(because=because, variant=variant, lines=(said,), fix=edit))
    trouble = looked(lambda: host.trouble(unit.id))
    if trouble is None or isinstance(trouble, Missing) or not trouble.unix:
        return None
    if not any(fnmatch(unit.id, pattern) for pattern in DATABASES):
        return None
    because = f"{unit.id} listens on {', '.join(trouble.unix)} and on no port"
    lines = (said, *(host.line("ss -Hxlnp", path) for path in trouble.unix))
    edits = rebind(name, case.bind, case.port or 0)
    return _proven(case, host, Told(because=because, variant="unix-socket-only", lines=lines, fix=edits))


def _proven(case: Case, host: HostEvidence, told: Told) -> Ruling:
    return Ruling(
        answer="proven",
        because=told.because,
        evidence=told.lines,
        variant=told.variant,
        host=host.name,
        subject=case.key,
        fix=told.fix,
        verify=(f"ss -Htlnp sport = :{case.port}",),
    )
