"""How many hosts can this machine visit at once?"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from whyrefused.ssh import SHORT

EACH = 10  # descriptors of one visit at its peak: a socket, and the pipes of `ssh -G` or of a local sh
OURS = 24  # for the reports, the journal, an agent and what is loaded meanwhile


def affordable(forks: int) -> tuple[int, tuple[str, ...]]:
    """How many of so many hosts at once do the descriptors allow, and what must the reader know of that?

    The soft limit is raised where the hard one lets us: it is there for programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = _open() + OURS  # counted once: what is imported meanwhile opens and closes files of its own
    wanted = taken + EACH * forks
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return forks, ()
    if hard == resource.RLIM_INFINITY or hard > soft:
        with suppress(OSError, ValueError):
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fewer = min(forks, max((soft - taken) // EACH, 1))
    if fewer == forks:
        return forks, ()
    return fewer, (f"this machine has few descriptors: {fewer} hosts at a time instead of {forks} (ulimit -n {soft})",)


def _open() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their names alone
    except OSError:
        return OURS


def starved(error: BaseException | None) -> bool:
    """Is it this machine that had not enough, whatever was made of it since?"""
    while error is not None:
        if isinstance(error, OSError) and error.errno in SHORT:
            return True
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "thread" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
