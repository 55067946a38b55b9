"""paramiko without half of what it loads: `invoke`, for a line of ssh_config that this package never has it read.

Imported before everything that imports paramiko. Whoever else in this process has paramiko read a `Match exec` line
still gets invoke, then.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

_OPTIONAL = "invoke"


class _Later:
    """A module that is loaded at first use."""

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module(_OPTIONAL), name)


def _load() -> None:
    if _OPTIONAL in sys.modules or "paramiko" in sys.modules:
        return
    sys.modules[_OPTIONAL] = None  # type: ignore[assignment] # importing it fails (importlib), which paramiko expects
    try:
        config = importlib.import_module("paramiko.config")
    finally:
        del sys.modules[_OPTIONAL]
    if importlib.util.find_spec(_OPTIONAL):
        vars(config)[_OPTIONAL] = _Later()


_load()
