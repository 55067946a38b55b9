"""One file per check: the item that a key of `expect` declares, and what is asked to judge and explain it.

A module of this folder is named like its check in `checks/` and has

- a record of its own below `Item`, where no other fits;
- `items(inventory, host)`: the items that are declared of a host;
- `questions(inventory, item)`: what each host is asked so that the item can be judged and its failure explained.

The modules are found because they are here.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.plan.items import Item, Question
    from whyrefused.records import Host, Inventory

ORDER = ("services", "ports", "firewall", "wide", "proxy", "resolves", "connects", "configured_in", "headroom",
         "forwards", "browses")  # fmt: skip
"""In which order the items of a host stand in every list."""


class Key(Protocol):
    """The shape of a module of this folder."""

    def items(self, inventory: Inventory, host: Host) -> Iterator[Item]:
        """Which items are declared of this host?"""

    def questions(self, inventory: Inventory, item: Any) -> Iterator[Question]:  # noqa: ANN401 - each has its own
        """Which host is asked what for this item?"""


@cache
def registry() -> Mapping[str, Key]:
    """Which keys are there? By the name of their check, in the order of `ORDER`."""
    found = sorted((one.name for one in pkgutil.iter_modules(__path__)), key=ORDER.index)
    return {name: cast("Key", importlib.import_module(f"{__name__}.{name}")) for name in found}
