"""What do a client's own rules do with what it dials, and with the answer that comes back? Pure.

Joins who dials, and from where, with `whyrefused.firewall`. Rules may hold for one user or one unit only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused import firewall
from whyrefused.facts import sandbox, verdicts
from whyrefused.facts.verdicts import Verdict
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.sandbox import Fence
    from whyrefused.probes.dials import Dial, Dialler, Try

NOBODYS = "/"
"""A control group that no rule is made for: where our own dial stands, seen from a unit's."""


def is_local(client: HostEvidence, last: Try) -> bool:
    """Does the client dial itself?"""
    return last.address.is_loopback or last.address in {own.address for own in client.addresses}


def leaving(client: HostEvidence, last: Try, port: int, by: Dialler | None) -> Verdict:
    """What do the rules do with the first packet of this connection? Raises `CouldNotLook`."""
    _same_network(client, by)
    packet = firewall.Packet(
        source=last.source or "any",
        destination=str(last.address),
        port=port,
        interface=_interface(client, last),
        uid=by.uid if by else client.identity.uid,
        gid=by.gid if by else None,
        cgroup=(by.group or None) if by else None,
        same_cgroup=bool(by and by.kept),
        addresses=_own(client),
    )
    return _judged(client, packet, "output", f"what goes to {last.address} port {port}")


def returning(client: HostEvidence, last: Try, port: int, by: Dialler | None) -> Verdict | None:
    """What do the rules do with the packet that answers it? None where no source is known. Raises `CouldNotLook`."""
    out = leaving(client, last, port, by)
    if not last.source:
        return None
    packet = firewall.Packet(
        source=str(last.address),
        source_port=port,
        destination=last.source,
        interface=_interface(client, last),
        addresses=_own(client),
        reply=True,
    )
    found = _judged(client, packet, "input", f"the answer of {last.address} port {port}")
    # A packet that left untracked is answered by one that belongs to no connection.
    trips = firewall.round_trip(client.rules, out.packet, "output")
    back = trips[0].back if len(trips) == 1 and trips[0].there.verdict == "accept" else None
    return replace(found, trace=back) if back else found


def barred(client: HostEvidence, dial: Dial, port: int) -> Verdict | None:
    """Which rule keeps out a unit whose path was dialled well, but not from its control group?

    Nobody can dial there without writing to the host; only the rules tell. Raises `CouldNotLook` where they do not.
    """
    last, by = dial.last, dial.by
    if last is None or by is None or by.apart:
        return None
    mine = leaving(client, last, port, by)
    if mine.answer == "accept" or leaving(client, last, port, replace(by, group=NOBODYS)).answer != "accept":
        return None
    if not mine.refused:
        raise CouldNotLook(f"{client.name}: connected, but not in its control group {by.group}: {mine.trace.why}")
    return mine


def fence(client: HostEvidence, unit: str, dial: Dial) -> Fence | None:
    """Which setting of systemd's keeps the unit that dials from the address? Raises `CouldNotLook`."""
    found = client.unit(unit)
    if dial.last is None:
        return None
    alone = sandbox.private(found) if dial.by and dial.by.apart else None
    return alone or sandbox.of(found, dial.last.address)


def _judged(client: HostEvidence, packet: firewall.Packet, hook: firewall.Hook, what: str) -> Verdict:
    trace = firewall.judge(client.rules, packet, hook=hook)
    return Verdict(
        sources=(what,), destination=packet.destination or "", port=packet.port, packet=packet, trace=trace, hook=hook,
        silent=not packet.reply and verdicts.silent(client, packet, hook, trace),
    )  # fmt: skip


def _same_network(client: HostEvidence, by: Dialler | None) -> None:
    if by and by.apart:
        raise CouldNotLook(f"{client.name}: the unit has a network namespace of its own, whose rules are not read")


def _own(client: HostEvidence) -> frozenset[str]:
    return frozenset(str(each.address) for each in client.addresses)


def _interface(client: HostEvidence, last: Try) -> str | None:
    """Through which interface does it go? The one that holds its source; None where that is not known."""
    if is_local(client, last):
        return "lo"
    source = last.source_address
    found = client.interface_of(source) if source else None
    return None if found == "lo" else found
