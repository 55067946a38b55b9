"""The case of a path through a declared proxy: the one of its two connections that failed, or the proxy itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import Case, Part, Through
from whyrefused.cases.expected import declared_answers
from whyrefused.cases.paths import of_path
from whyrefused.cases.ports import of_port
from whyrefused.evidence import looked
from whyrefused.facts import paths
from whyrefused.plan.keys.ports import items as port_items
from whyrefused.records import Missing, Seen

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Inventory


def through(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """A path through a proxy is two connections: the case is the one that failed, or the proxy between them."""
    dial: Dial = seen.value
    beyond = paths.beyond(evidence, item)
    reaches = None if beyond is None else beyond.symptom == "connected"
    part: Part = "at"
    if dial.outcome is None or dial.barred or _misled(item, dial, evidence):
        part, case = "to", of_path(inventory, to_proxy(inventory, item), seen, evidence)
        dial = case.dial or dial
    elif not dial.passes_on or reaches:
        case = of_port(to_proxy(inventory, item), seen, None, None, None)
    elif beyond is None:
        part, case = "beyond", _of_server(inventory, item, seen)
    else:
        part, case = "beyond", _from_proxy(inventory, item, seen, evidence, beyond)
    return replace(case, through=Through(item=item, dial=dial, part=part, reaches=reaches))


def _misled(item: PathItem, dial: Dial, evidence: Evidence) -> bool:
    """Did the client end at an address that the proxy's host does not have? Then no proxy answered it."""
    own = looked(lambda: {one.address for one in evidence[item.via or ""].addresses})
    return not isinstance(own, Missing) and dial.last is not None and dial.last.address not in own


def to_proxy(inventory: Inventory, item: PathItem) -> PathItem:
    """The client's connection to the proxy, as a path of its own."""
    key = f"{item.proxy_port}/tcp"
    declared = item.via is not None and key in inventory.hosts[item.via].expect.ports
    return replace(
        item, destination=item.proxy_host, port=item.proxy_port, server=item.via, server_port=key if declared else None,
        router=None, forward=None, scheme=None, proxy="",
    )  # fmt: skip


def _from_proxy(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence, dial: Dial) -> Case:
    """The proxy's own connection to the server, as its host dialled it."""
    host = evidence[item.via or ""]
    own = replace(item, host=host.name, who="", proxy="")
    lines = (*seen.lines, *paths.lines(host, own, dial))
    case = of_path(inventory, own, Seen(value=dial, said=seen.said, lines=lines, symptom=dial.symptom), evidence)
    declared = declared_answers(inventory, item, inventory.hosts.get(item.server or ""))
    return replace(case, answers=case.answers or declared)


def _of_server(inventory: Inventory, item: PathItem, seen: Seen) -> Case:
    """The port that the proxy could not reach, where nobody told how its connection ended: is it open at all?"""
    server = inventory.hosts.get(item.server or "")
    ports = port_items(inventory, server) if server else ()
    found = next((one for one in ports if one.subject == item.server_port and one.state == "listening"), None)
    if server is None or found is None:
        return of_port(item, seen, None, None, None)
    return of_port(found, seen, server, found.subject, found.unit)
