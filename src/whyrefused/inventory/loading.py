"""Who is in the inventory, how is each reached, and what must be true of each?

An inventory in which nothing changed since the last run is told before anything is loaded that reads one: neither
yaml nor jinja2 nor pydantic, which together take longer than all else that is done here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from whyrefused.inventory.certain import settled
from whyrefused.inventory.sources import gather, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from whyrefused.records import Inventory


def load(
    sources: Sequence[str],
    *,
    limit: Sequence[str] = (),
    vault: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    cache: Path | None = None,
) -> Inventory:
    """What should be true, by these sources? Raises BadInput with every problem at once.

    `limit` holds Ansible host patterns, `vault` what Ansible takes as --vault-id: `[LABEL@]FILE`. `cache` is the folder
    where outcomes are kept, and looked for.
    """
    return begin(sources, limit=limit, vault=vault, environ=environ, cache=cache)()


def begin(
    sources: Sequence[str],
    *,
    limit: Sequence[str] = (),
    vault: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    cache: Path | None = None,
) -> Callable[[], Inventory]:
    """The same in two steps: who is there is asked now, what is called then judges it.

    Asking may be left to another thread. Judging loads pydantic, and belongs where plugins are loaded: some look into
    `sys.modules` for what it needs, and take what they find there half loaded (hypothesis does, for annotated_types).
    """
    from whyrefused.inventory.cache import slot  # noqa: PLC0415 - not where nothing is kept

    found = gather(sources)
    certain = not vault and settled(sources, found, environ)
    kept = slot(cache, sources, found, limit, environ) if cache and certain else None
    if kept and (before := kept.get(readable)):
        return lambda: before

    from whyrefused.inventory import reading  # noqa: PLC0415 - see the top

    asked = reading.ask(found, sources, limit, vault, environ, certain=certain)

    def judged() -> Inventory:
        inventory = reading.judged(asked)
        if kept and asked.plain:
            kept.put(inventory, asked.files)
        return inventory

    return judged
