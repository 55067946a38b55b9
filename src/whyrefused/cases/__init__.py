"""Which case does a failed item make: all that was declared about it, for the causes to rule on? Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.cases.forwards import of_forward
from whyrefused.cases.pages import of_page
from whyrefused.cases.paths import of_path
from whyrefused.cases.ports import key_of, of_port
from whyrefused.cases.proxied import through
from whyrefused.facts.nat import translation
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

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Item
    from whyrefused.records import Inventory, Seen

__all__ = ["case_of"]


def case_of(inventory: Inventory, item: Item, seen: Seen, evidence: Evidence) -> Case | None:
    """What is there to explain of a failed item? None where nothing was refused."""
    match item:
        # One that runs and is not enabled is not as declared, and nothing is refused.
        case ServiceItem() if item.state == "running" and seen.value[0] != "running":
            return of_port(item, seen, inventory.hosts[item.host], key_of(inventory, item), item.unit)
        case PortItem() if item.state == "listening":
            return of_port(item, seen, inventory.hosts[item.host], item.subject, item.unit)
        case FirewallItem() if item.let_in:
            key = f"{item.port}/{item.protocol}"
            return of_port(item, seen, inventory.hosts[item.host], key, None)
        case PathItem():
            return (through if item.proxy else of_path)(inventory, item, seen, evidence)
        case BrowseItem():
            return of_page(inventory, item, seen, evidence)
        case ForwardItem():
            return of_forward(inventory, translation.located(evidence, item), seen, evidence)
        case HeadroomItem():
            return replace(of_port(item, seen, None, None, None), server=item.host)
        # A file or key that is not there is not as declared, and names nothing that would be refused.
        case ConfiguredItem() if seen.value.variant is not None:
            return of_port(item, seen, inventory.hosts.get(item.server or ""), f"{item.port}/tcp", None)
        case NameItem() | ProxyItem() | WayItem():
            return of_port(item, seen, None, None, None)
    return None
