"""Listening on the wrong address.

The service runs and holds the port, but only on an address that its clients do not dial: 127.0.0.1 answers the machine
itself and nobody else, an IPv6-only wildcard no IPv4 client, a single interface only those who come in through it. For
all others the port is closed, and the server's kernel refuses them.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from whyrefused import addresses, ports
from whyrefused.case import PathItem, PortItem, excluded, unknown
from whyrefused.daemons import rebind
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.addresses import Address
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.listeners import Listener

CODE = "wrong-bind-address"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration", "server-firewall")


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the service listen, but not where the clients dial?"""
    host = case.at_server(evidence)
    if host is None or case.port is None or not isinstance(case.item, (PathItem, PortItem)):
        return unknown("no port is at issue")
    if isinstance(case.item, PathItem) and case.seen.symptom != "refused":
        return unknown(f"an address that nobody listens on refuses at once; the client saw {case.seen.symptom}")
    try:
        if case.went_elsewhere(host):
            return unknown(f"the client dialled {case.dialled}, which is not an address of {host.name}")
        return _on(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _on(case: Case, host: HostEvidence) -> Ruling:
    found, source = ports.on_port(host, case.protocol, case.port or 0)
    own = _own(case, host, found)
    if not own:
        return excluded(f"nothing that should listens on {case.key}")
    said = tuple(host.line(source, one.line) for one in own)
    met = [_meets(case, host, one) for one in own]
    if any(met):
        return excluded("a listener answers the address", *said)
    if any(one is None for one in met):
        return unknown(f"whether {own[0].address} takes what comes there is not told", *said)
    wanted = f"clients dial {case.dialled}:{case.port}" if case.dialled else f"declared is {case.bind}:{case.port}"
    bound = ", ".join(dict.fromkeys(str(one.address) + (f"%{one.device}" if one.device else "") for one in own))
    name = case.unit or ports.owner_words(own[0])
    return Ruling(
        answer="proven",
        because=f"{name} listens on {bound} only; {wanted}",
        evidence=said,
        variant=_variant(own[0], case.dialled or ipaddress.ip_address(case.bind.partition("%")[0] or "0.0.0.0"), host),  # noqa: S104 - what is declared
        host=host.name,
        subject=case.key,
        fix=rebind(name, case.bind, case.port or 0),
        verify=(f"ss -Htlnp sport = :{case.port}",),
    )


def _own(case: Case, host: HostEvidence, found: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Which of the listeners are the declared unit's? Another daemon's listener proves nothing about this one's."""
    if not case.unit:
        return found
    unit, socket = host.unit(case.unit), ports.socket_of(host, case.unit)
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


def _variant(listener: Listener, wanted: Address, host: HostEvidence) -> str:
    if listener.device:
        return "device-bound"
    if addresses.plain(listener.address).is_loopback:
        return "loopback"
    if listener.address.is_unspecified:
        return "ipv6-only" if wanted.version == addresses.V4 else "ipv4-only"
    held = {own.address for own in host.addresses}
    return "other-address" if addresses.plain(listener.address) in held else "address-gone"
