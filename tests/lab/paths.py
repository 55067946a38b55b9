"""Where does the lab keep its files, and which names on the machine are its own?"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "wrlab"
"""Every namespace, cgroup and mount of a lab is named `wrlab.LAB` (the controller) or `wrlab.LAB.HOST`."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
"""The names of labs and hosts: no dot, so that the parts of `wrlab.LAB.HOST` stay apart."""


def cache() -> Path:
    """Which folder of this machine is the lab's? It must not lie on an overlay file system."""
    return Path(os.environ.get("WHYREFUSED_LAB_CACHE") or "/var/cache/whyrefused-lab")


def labs() -> Path:
    """Where is the state of the labs that are up?"""
    return cache() / "labs"


def images() -> Path:
    """Where are the built images, a folder per recipe?"""
    return cache() / "images"


def owned(lab: str, host: str = "") -> str:
    """What are a host's namespace, cgroup and mount called? Without a host: the controller's namespace."""
    for name in filter(None, (lab, host)):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a lab or a host: {NAME.pattern}")
    return ".".join(filter(None, (PREFIX, lab, host)))


def belongs(name: str, lab: str | None) -> bool:
    """Is this namespace, cgroup or mount of this lab, or with None of any?"""
    mine = PREFIX if lab is None else owned(lab)
    return name.startswith(f"{mine}.") or (lab is not None and name == mine)


@contextmanager
def locked(what: str) -> Iterator[None]:
    """Who may go on? One process at a time for each thing that is locked; the lock goes with its process."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
