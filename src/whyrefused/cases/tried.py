"""Which of the addresses that a client tried tells why the server that is meant did not answer? Pure.

A program dials the addresses of a name in turn, and fails when the last of them has. That one may be another host's, or
of a family that the client does not speak, and then says nothing of the server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import addresses
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Collection

    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.dials import Dial, Try


def deciding(case: Case, evidence: Evidence, host: str | None, bind: str = "") -> Case:
    """The same case, of which the last try is the one that came nearest to this host.

    An address that is its own comes before one that is declared of the name, and both before all others; then one to
    which some way led, and one that `bind` covers. Of equals the last one decides, as it does for the program; those of
    its family are kept with the case, for each of them had to fail too.
    """
    dial: Dial | None = case.dial
    if dial is None or len(dial.tries) == 1 or dial.barred or dial.answers:
        return case
    own = _own(evidence, host, case.item.host)
    tries = _spoken(evidence, case.item.host, dial.tries)
    if not tries:
        return case
    near = {one: _nearness(one, own, case.answers, bind) for one in tries}
    nearest = max(reversed(tries), key=lambda one: near[one])
    alike = tuple(
        one for one in tries
        if one is not nearest and near[one] == near[nearest] and one.address.version == nearest.address.version
    )  # fmt: skip
    spoken = replace(case, seen=replace(case.seen, value=replace(dial, tries=tries)))
    return replace(spoken.ended_by(nearest), alike=alike if near[nearest][0] else ())


def _nearness(
    one: Try, own: Collection[Address], answers: Collection[Address], bind: str
) -> tuple[bool, bool, bool, bool]:
    address = addresses.plain(one.address)
    return address in own, address in answers, bool(one.source), not bind or addresses.covers(bind, address)


def _own(evidence: Evidence, host: str | None, client: str) -> frozenset[Address]:
    """Which addresses lead this client to the host? None where it was not asked."""
    found = looked(lambda: evidence[host].addresses) if host else ()
    if isinstance(found, Missing):
        return frozenset()
    return frozenset(own.address for own in found if host == client or not own.address.is_loopback)


def _spoken(evidence: Evidence, client: str, tries: tuple[Try, ...]) -> tuple[Try, ...]:
    """Which of these did the client really try? Without an address of a family it has no way to any other of it."""
    found = looked(lambda: evidence[client].addresses)
    if isinstance(found, Missing):
        return tries
    families = {own.address.version for own in found if own.scope == "global"}
    spoken = tuple(one for one in tries if one.source or one.address.version in families)
    return spoken or tries
