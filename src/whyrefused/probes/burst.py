"""How do a dozen more connects of a path end, and which of their packets does the client see?

The second look at a path: the server counts meanwhile (`watch`). Beside the port itself a closed one is dialled, so
that it is known whether the server's counters move at all.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from whyrefused.probes import _rights, _sight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes._sight import Sight
    from whyrefused.records import Frame

SOURCE = "connect(2), packet(7)"
SECONDS = 12
BYTES = 65536
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.rooted("python3 -ISBc", "dials, and looks at the headers of these packets"),
    _rights.run("sleep", "waits, where python3 is not there"),
)
READS: Mapping[str, str] = {}


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text dials these? Each argument is CLIENT/SERVER/PORT/CONTROL, all addresses literal."""
    return _sight.program("burst", " ".join(map(shlex.quote, asked)))


def parse(frame: Frame) -> Mapping[str, Sight]:
    """What did the client see of each path? By CLIENT/SERVER/PORT."""
    return _sight.read(frame, SOURCE, SECONDS)
