"""How many inotify instances may the machine's root have, so that so many systemds fit?"""

from __future__ import annotations

from pathlib import Path

from . import paths

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
EACH = 8
"""Instances that a host may take of the limit, which all processes of root share; a systemd at rest holds five."""


def fit(hosts: int) -> None:
    """Raise the limit for so many hosts, or with none left put back what was there. Call with `labs` locked."""
    kept = paths.cache() / "inotify"
    if hosts:
        if not kept.exists():
            kept.write_text(LIMIT.read_text())
        LIMIT.write_text(str(int(kept.read_text()) + EACH * hosts))
    elif kept.exists():
        LIMIT.write_text(kept.read_text())
        kept.unlink()
