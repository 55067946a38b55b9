"""One file per question to a host: its shell text beside its parser.

A probe is a module of this folder with

- a docstring whose first line says what is asked;
- `SOURCE`: the command as an operator would type it, quoted beside every line of evidence;
- `SECONDS` and `BYTES`: how long it may take and how much it may print, on the host;
- `SIDE_BY_SIDE`: whether it may be slow (names, connections) and so runs beside the others;
- `AT_ONCE`: whether a host that is well answers it at once: all such are asked in one shell first (`script.py`), and by
  themselves only where they did not answer there. Such a fragment does not `exec`;
- `known(asked) -> str`, where there is one: POSIX sh that runs before the fragment in the shell that asks all. There it
  starts nothing and changes no option. Where it returns 0, `told` is the frame, and the fragment is not run;
- `AFTER`: the frames that its fragment may look at, where it is asked after them in that shell (`_seen.py`);
- `RUNS` and `READS`: every command that it may run and every file that it may read, with the reason; docs/commands.md
  lists them, and the lab compares them with what the kernel was asked;
- `fragment(asked) -> str`: POSIX sh for what is asked, a sorted tuple of arguments (empty where there are none);
- `parse(frame) -> value`: what the frame says. Raises `Unreadable` where it is not what the probe prints.

Every fragment only reads. `$S` and `root` in front of a command stand for `sudo -n` where the inventory asks to become
root, and sudo permits it (`_rights.py`).
The modules are found because they are here.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes._rights import Run
    from whyrefused.records import Frame


DIGITS = 20
"""Of the largest 64-bit number."""


class Unreadable(ValueError):  # noqa: N818 - the reason as it is shown
    """A frame that is not what its probe prints: what depends on it could not be looked at."""


class Probe(Protocol):
    """The shape of a module of this folder."""

    __name__: str
    SOURCE: str
    SECONDS: int
    BYTES: int
    SIDE_BY_SIDE: bool
    AT_ONCE: bool
    AFTER: tuple[str, ...]
    RUNS: tuple[Run, ...]
    READS: Mapping[str, str]

    def fragment(self, asked: tuple[str, ...]) -> str:
        """Which shell text asks a host this?"""

    def parse(self, frame: Frame) -> Any:  # noqa: ANN401 - each probe has its own records
        """What does the frame say? Raises `Unreadable`."""


@cache
def registry() -> Mapping[str, Probe]:
    """Which probes are there? By name, sorted."""
    return {
        found.name: cast("Probe", importlib.import_module(f"{__name__}.{found.name}"))
        for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
        if not found.name.startswith("_") and not found.ispkg
    }


def known(probe: Probe, asked: tuple[str, ...]) -> str:
    """Which shell text knows the answer without its fragment? Empty where nothing does."""
    text: str = getattr(probe, "known", lambda _asked: "")(asked)
    return text


def read(name: str, frame: Frame) -> Any:  # noqa: ANN401 - each probe has its own records
    """What does this probe's frame say? Raises `Unreadable`, also where the fragment did not end by itself and well.

    Every fragment ends with 0 where it could look. One that was stopped half-way (124, a signal) may have printed what
    looks whole.
    """
    probe = registry()[name]
    value = probe.parse(frame)
    if frame.status != 0:
        raise Unreadable(failed(frame, probe.SOURCE, probe.SECONDS))
    return value


def whole(text: str) -> int | None:
    """Which whole number is this? None where it is none, or larger than a kernel counts."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def failed(frame: Frame, source: str, seconds: int) -> str:
    """Why did the probe's command not answer? Its status, and its own last words."""
    words = next((line.strip() for line in reversed(frame.text.splitlines()) if line.strip()), "")
    reason = {124: f"no answer within {seconds} s", 126: "not permitted", 127: "not installed"}.get(
        frame.status, f"exit status {frame.status}"
    )
    return f"{source}: {reason}" + (f" ({words[:200]})" if words else "")
