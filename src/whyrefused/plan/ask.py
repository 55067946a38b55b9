"""What is each host asked, so that the selected items can be judged and their failures explained?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.plan import index
from whyrefused.plan.keys import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.plan.items import Item, Question
    from whyrefused.records import Inventory
    from whyrefused.script import Asked


def questions(inventory: Inventory, items: Iterable[Item], connect_timeout: float) -> Mapping[str, Mapping[str, Asked]]:
    """Which probes with which arguments, by host? Only selected hosts are asked, each once for all its items."""
    wanted = (question for item in items for question in registry()[item.check].questions(inventory, item))
    return by_host(inventory, wanted, connect_timeout)


def by_host(
    inventory: Inventory, wanted: Iterable[Question], connect_timeout: float
) -> Mapping[str, Mapping[str, Asked]]:
    """These questions, one script's worth for each host that may be asked."""
    found: dict[str, dict[str, set[str]]] = {}
    reachable = index.of(inventory).asked
    for host, probe, argument in wanted:
        if host in reachable:
            arguments = found.setdefault(host, {"identity": set()}).setdefault(probe, set())
            arguments.update({argument} - {""})
    first = (f"{connect_timeout:g}",)
    return {
        host: {
            probe: (first if probe == "dials" else ()) + tuple(sorted(arguments)) for probe, arguments in probes.items()
        }
        for host, probes in found.items()
    }
