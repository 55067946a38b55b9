"""Which inventory does the command line name, and what does it declare?

It loads nothing but the inventory's own reader, so that a run can have `ansible-inventory`, which takes a third of a
second at best, at work before anything else of ours is loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused import garbage
from whyrefused.records import BadInput, Problem

if TYPE_CHECKING:
    import pytest

    from whyrefused.records import Inventory

DEFAULT = "inventories/local.yml"

Judged = Callable[[], "Inventory"]
Reading = Future[Judged]
"""An inventory that is being asked for; what comes of it is judged by the thread that wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What `ansible-inventory` is asked for."""

    sources: tuple[str, ...]
    limit: tuple[str, ...] = ()
    vault: tuple[str, ...] = ()
    connection: str | None = None  # of hosts that have none of their own (testinfra's --connection)
    cached: bool = False  # whether the outcome of the last run may stand for this one's, if nothing has changed


def named(config: pytest.Config) -> Named:
    """Which inventory is meant? Raises `BadInput` where two are."""
    get = config.getoption
    both = get("inventory") and _of_testinfra(config)
    if both and both != list(get("inventory")):
        raise BadInput(Problem(key="--inventory", message="and --ansible-inventory are given and differ: give one"))
    sources = get("inventory") or _of_testinfra(config) or _of_environment() or config.getini("whyrefused_inventory")
    return Named(
        sources=tuple(map(str, sources)) or (DEFAULT,),
        limit=tuple(get("limit") or ()),
        vault=(*get("vault_id"), *get("vault_password_file")),
        connection=get("connection", default=None),
        cached=config.getini("whyrefused_cache") and not get("no_inventory_cache"),
    )


def _of_testinfra(config: pytest.Config) -> list[str]:
    given = config.getoption("ansible_inventory", default=None)
    return [given] if given else []


def _of_environment() -> list[str]:
    return [one for one in os.environ.get("ANSIBLE_INVENTORY", "").split(",") if one]


def ask(wanted: Named) -> Judged:
    """Who is in it? Gives what tells what it declares. Raises `BadInput`, as that does."""
    from whyrefused.inventory import cache, loading  # noqa: PLC0415 - in the thread that waits for it

    # What the command line says stands before a variable of Ansible.
    environ = {**os.environ, **_transport(wanted.connection)}
    kept = cache.folder(environ) if wanted.cached else None
    return loading.begin(wanted.sources, limit=wanted.limit, vault=wanted.vault, environ=environ, cache=kept)


def _transport(connection: str | None) -> dict[str, str]:
    """Which connection have hosts without one of their own? By testinfra's `ansible`, what their inventory says."""
    if connection is None or connection == "ansible":
        return {}
    from whyrefused.inventory.connection import KINDS, known  # noqa: PLC0415 - only where one is given
    from whyrefused.inventory.flaws import shown  # noqa: PLC0415 - as above

    short = {"safe-ssh": "ssh"}.get(connection, connection)
    if short not in KINDS:
        message = f"the connection {shown(connection)} is not known; right are {known()} and ansible"
        raise BadInput(Problem(key="--connection", message=message))
    return {"ANSIBLE_TRANSPORT": short}


def abandon() -> None:
    """Let nobody wait for an inventory that is still being read: the run ends."""
    from whyrefused.inventory import command  # noqa: PLC0415 - see the top

    command.abandon()


def begin(config: pytest.Config) -> Reading:
    """Ask for it beside whatever else there is to do; what is wrong with it is told when the end is asked for."""
    garbage.seldom()
    reading: Reading = Future()

    def work() -> None:
        try:
            reading.set_result(ask(named(config)))
        except BaseException as error:  # noqa: BLE001 - told to whoever asks for the result
            reading.set_exception(error)

    # A run that is told to end need not wait for it.
    threading.Thread(target=work, daemon=True).start()
    return reading


def end(reading: Reading) -> Inventory:
    """What does it declare? Waits for the answer, and judges it. Raises `BadInput`."""
    return reading.result()()
