"""The case of a declared port forward, and of a path that leads through one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import Arrival, Case
from whyrefused.cases.expected import declared_answers, others
from whyrefused.cases.ports import of_port
from whyrefused.cases.tried import deciding
from whyrefused.evidence import looked
from whyrefused.facts.nat import translation
from whyrefused.plan import index
from whyrefused.plan.keys import forwards as forward_key
from whyrefused.plan.keys.connects import PathItem
from whyrefused.records import CouldNotLook, Missing, Seen

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.facts.addresses import Address
    from whyrefused.plan.keys.forwards import ForwardItem
    from whyrefused.records import Inventory, Seen


def forwarder(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> str | None:
    """Which router has an address that was dialled, and a declared forward of this port?

    It may have more addresses than the inventory knows of. Where the server's own address was dialled too, the last one
    tells which of the two is meant.
    """
    key, tried = f"{item.port}/tcp", [one.address for one in seen.value.tries]
    if _has(evidence, item.server, tried):
        tried = tried[-1:]
    for host in index.of(inventory).routers:
        if key in host.expect.forwards and host.name != item.server and _has(evidence, host.name, tried):
            return host.name
    return None


def _has(evidence: Evidence, host: str | None, tried: list[Address]) -> bool:
    """Is one of these an address of the host?"""
    own = looked(lambda: evidence[host].addresses) if host else ()
    return not isinstance(own, Missing) and any(one.address in tried for one in own)


def forwarded(inventory: Inventory, name: str, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """The path leads through a router: what its name should give is the router's, the rest is the server's."""
    forward = translation.located(evidence, forward_key.of(inventory, inventory.hosts[name], f"{item.port}/tcp"))
    server = inventory.hosts.get(item.server or forward.server or "")
    case = of_port(item, seen, server, f"{forward.target_port}/tcp", None)
    router = inventory.hosts[name]
    case = replace(
        case, answers=declared_answers(inventory, item, None), others=others(inventory, router), forward=forward
    )
    # Where each of several addresses of the router's leads is more than one forward can tell.
    return _arrived(inventory, replace(deciding(case, evidence, name), alike=()), forward, evidence)


def _arrived(inventory: Inventory, case: Case, forward: ForwardItem, evidence: Evidence) -> Case:
    """What does the server see of it? Nothing is known where the router's rules were not seen to lead there."""
    last = case.dial.last if case.dial else None
    if last is None:
        return case
    try:
        found = translation.best(evidence, forward, last.source or "any", (last.address,))
    except CouldNotLook:
        return case
    if found.state == "relayed":
        return replace(case, relayed=True)
    if found.state == "no-forward" and forward.program:
        # The declared program on the router is missed there, not a rule: the router is the server.
        own = of_port(case.item, case.seen, inventory.hosts[forward.host], forward.subject, None)
        return replace(own, answers=case.answers, others=case.others)
    if found.state != "forwarded" or found.address is None:
        return case
    source = str(found.source) if found.source else last.source
    return replace(case, arrival=Arrival(source=source, address=found.address))


def of_forward(inventory: Inventory, item: ForwardItem, seen: Seen, evidence: Evidence) -> Case:
    """A forward that leads where it should, but to nobody who answers, is a path of the router's own to the server."""
    server = inventory.hosts.get(item.server or "")
    key = f"{item.target_port}/{item.protocol}"
    way = seen.value.way
    if item.program and way is not None and way.state == "no-forward":
        return of_port(item, seen, inventory.hosts[item.host], item.subject, None)
    if not seen.value.unanswered:
        return replace(of_port(item, seen, server, key, None), forward=item)
    path = PathItem(
        host=item.host, check=item.check, subject=item.subject, wanted=item.wanted, server=item.server,
        destination=item.target, port=item.target_port, server_port=key,
    )  # fmt: skip
    case = of_port(path, replace(seen, value=seen.value.dial), server, key, None)
    case = replace(case, answers=declared_answers(inventory, path, server), others=others(inventory, server))
    return deciding(case, evidence, case.server)
