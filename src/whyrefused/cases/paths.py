"""The case of a connection that failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import Case
from whyrefused.cases.expected import declared_answers, host_at, others, serves
from whyrefused.cases.forwards import forwarded, forwarder
from whyrefused.cases.ports import of_port
from whyrefused.cases.tried import deciding
from whyrefused.plan import ends
from whyrefused.plan.who import at
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.records import Inventory, Seen


def of_path(inventory: Inventory, item: PathItem, seen: Seen, evidence: Evidence) -> Case:
    """Which case is a connection that failed: the server's, or that of a router which should lead to it?"""
    named = at(inventory, inventory.hosts[item.host], item.destination)
    router = item.router if named else forwarder(inventory, item, seen, evidence)
    if router:
        return forwarded(inventory, router, item, seen, evidence)
    key = item.server_port or f"{item.port}/tcp"
    server = inventory.hosts.get(item.server or "") or host_at(inventory, seen, key, evidence)
    tried = [one for one in seen.value.tries if item.before and item.before in evidence.holders(one.address)]
    if item.before and tried and tried[-1].symptom in ends.UNANSWERED:
        # Nobody took the connection there, so that it never came to be passed on.
        key = f"{item.port}/tcp"
        server = inventory.hosts[item.before]
    case = replace(
        of_port(item, seen, server, key, None),
        answers=declared_answers(inventory, item, server), others=others(inventory, server),
        named=named.name if named else None, named_serves=serves(named, key),
    )  # fmt: skip
    return deciding(case, evidence, case.server, case.bind if key in case.declared_ports else "")
