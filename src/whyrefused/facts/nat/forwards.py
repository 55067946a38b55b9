"""Does a declared port forward lead where it should, and does somebody answer there? Pure.

One answer serves the check and the cause.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import addresses, ports, verdicts
from whyrefused.facts.nat import ends, returning, translation
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.facts.nat.returning import Return
    from whyrefused.facts.nat.translation import Way
    from whyrefused.plan.keys.forwards import ForwardItem
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """What a declared forward does for anybody."""

    way: Way | None  # None where the router's rules were not seen, and a client connects all the same
    back: Return | None
    dial: Dial | None  # of the target, by the router
    outside: tuple[Line, ...]  # a declared client connects through it
    answered: bool

    @property
    def unanswered(self) -> bool:
        """Is the forward itself right, and nobody answers behind it?"""
        return not self.answered and self.way is not None and self.way.right


def judged(evidence: Evidence, item: ForwardItem) -> Forwarded:
    """What does this forward do? Raises `CouldNotLook` where that is not known and no client of it connects."""
    item, router = translation.located(evidence, item), evidence[item.host]
    clients = tuple(_clients(evidence, item))
    outside = _connected(evidence, item)
    dial = looked(lambda: router.dial(item.dial))
    known = None if isinstance(dial, Missing) else dial
    way = looked(lambda: _way(evidence, item, clients))
    if isinstance(way, Missing):
        if outside:
            return Forwarded(way=None, back=None, dial=known, outside=outside, answered=True)
        raise CouldNotLook(way.why)
    if not way.right:
        if outside and not way.state.startswith("wrong-inside"):
            raise CouldNotLook(f"contradiction: {way.because}, but {outside[0].host} connects: {outside[0].line}")
        return Forwarded(way=way, back=None, dial=known, outside=(), answered=False)
    if outside:
        return Forwarded(way=way, back=None, dial=known, outside=outside, answered=True)
    answered = _answered(evidence, item, way, router)
    back = _back(evidence, item, way, tuple(source for source, _ in clients))
    if answered and back.sane is None:
        raise CouldNotLook(f"{way.because}; {back.because}")
    return Forwarded(way=way, back=back, dial=known, outside=(), answered=answered)


def _way(evidence: Evidence, item: ForwardItem, clients: tuple[tuple[Address, Address], ...]) -> Way:
    """The way of its declared clients where one is right, else that of anybody."""
    for source, destination in clients:
        found = looked(lambda a=source, b=destination: translation.best(evidence, item, str(a), (b,)))
        if not isinstance(found, Missing) and found.right:
            return found  # type: ignore[no-any-return]
    return translation.best(evidence, item, "any", translation.own_addresses(evidence, item))


def _clients(evidence: Evidence, item: ForwardItem) -> Iterator[tuple[Address, Address]]:
    """From where to where did the declared clients of this forward dial?"""
    router = evidence[item.host]
    own = {one.address for one in router.addresses}
    for client, key in item.paths:
        dial = looked(lambda host=client, path=key: evidence[host].dial(path))
        if isinstance(dial, Missing) or client == item.host:
            continue
        here = replace(dial, tries=tuple(one for one in dial.tries if one.address in own))
        if here.last and ends.as_sent(evidence[client], router, here, item.port):
            yield ipaddress.ip_address(here.last.source), here.last.address


def _connected(evidence: Evidence, item: ForwardItem) -> tuple[Line, ...]:
    for client, key in item.paths:
        dial = looked(lambda host=client, path=key: evidence[host].dial(path))
        if not isinstance(dial, Missing) and not dial.unable and dial.symptom == "connected":
            return (evidence[client].line(f"connect({key.replace(' ', ':')})", dial.lines[-1]),)
    return ()


def _answered(evidence: Evidence, item: ForwardItem, way: Way, router: HostEvidence) -> bool:
    """Does the target answer the router? Raises `CouldNotLook` where its answer to the router says nothing."""
    dial = router.dial(item.dial)
    last = next((one for one in dial.tries if one.address == way.address), dial.last)
    if dial.unable or last is None:
        raise CouldNotLook(f"{item.host}: {item.target} was not dialled: {dial.unable or dial.no_name}")
    if way.address in {None, last.address}:
        if last.symptom == "connected":
            return True
    elif not _listens(evidence, item, way):
        raise CouldNotLook(f"{item.host}: dialled {last.address} of {item.target}, but forwards to {way.address}")
    elif last.symptom == "connected":
        return True
    if way.state == "forwarded" and way.source is None and _refuses(evidence, item, last.source, last.address):
        raise CouldNotLook(f"{item.server} refuses {item.host} itself; whether it answers others was not tried")
    return False


def _listens(evidence: Evidence, item: ForwardItem, way: Way) -> bool:
    """Does a listener of the server answer the very address that is forwarded to?"""
    if item.server is None or way.address is None:
        return False
    server = evidence[item.server]
    found = looked(lambda: ports.on_port(server, item.protocol, item.target_port)[0])
    return not isinstance(found, Missing) and any(addresses.answers(one, way.address) for one in found)


def _refuses(evidence: Evidence, item: ForwardItem, source: str, target: Address) -> bool:
    """Do the server's rules keep out the router's own address?"""
    if item.server is None or not source:
        return False
    server = evidence[item.server]
    found = looked(lambda: verdicts.of_path(server, source, target, item.target_port))
    return not isinstance(found, Missing) and any(one.refused for one in found)


def _back(evidence: Evidence, item: ForwardItem, way: Way, clients: tuple[Address, ...]) -> Return:
    if item.server is None and way.source is None and way.state == "forwarded":
        because = f"whether the answers of {item.target} come back through {item.host} is not known"
        return returning.Return(sane=None, because=because)
    return returning.looked_through(evidence[item.host], evidence[item.server or ""], way, clients)
