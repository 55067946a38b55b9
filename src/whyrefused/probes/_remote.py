"""The programs of `remote/` as they are sent: without lines that hold nothing but a comment."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def program(name: str) -> str:
    """Which text of this program goes to a host? All that does something there."""
    lines = (files("whyrefused.probes") / "remote" / name).read_text().splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")) + "\n"
