"""Is pytest's JUnit file whole, or not at all? pytest writes it into memory, and it goes to the disk in one step."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.files import write

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Junit:
    """The file of one run."""

    path: str
    writer: Any  # pytest's plugin; the path that it writes to is its public `logfile`
    memory: int

    def publish(self) -> None:
        """Put it where it belongs. Raises OSError."""
        self.writer.logfile = self.path
        try:
            text = os.pread(self.memory, os.fstat(self.memory).st_size, 0).decode("utf-8", "replace")
            if text:
                write(self.path, text)
        finally:
            os.close(self.memory)


def take_over(config: pytest.Config) -> Junit | None:
    """Let pytest write its JUnit file into memory. None where none is wanted, or the kernel has no such files."""
    writer = next((one for one in config.pluginmanager.get_plugins() if type(one).__name__ == "LogXML"), None)
    if writer is None or not hasattr(os, "memfd_create"):
        return None
    memory = os.memfd_create("junit")
    name = f"/proc/self/fd/{memory}"
    if not Path(name).exists():
        os.close(memory)
        return None
    taken = Junit(path=writer.logfile, writer=writer, memory=memory)
    writer.logfile = name
    return taken
