"""connects: each declared path really connects, dialled from its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whyrefused.plan.items import LaterItem
from whyrefused.records import LATER, CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.connects import PathItem


def look(declared: PathItem | LaterItem, evidence: Evidence) -> Seen:
    """What did the kernel of the client say to connect(2)?"""
    if isinstance(declared, LaterItem) or declared.proxy:
        how = "over UDP" if isinstance(declared, LaterItem) else "through the declared proxy"
        pytest.skip(f"{LATER} {how}: {declared.wanted}")
    host = evidence[declared.host]
    dial = host.dial(declared.dial)
    if dial.unable:
        raise CouldNotLook(f"{declared.host}: {dial.unable}")
    source = f"connect({declared.destination}:{declared.port})"
    said = f"{dial.symptom}: {dial.lines[-1]}" if dial.lines else dial.symptom
    return Seen(
        value=dial, said=said, lines=tuple(host.line(source, line) for line in dial.lines), symptom=dial.symptom
    )


def test_connects(declared: PathItem, seen: Seen) -> None:
    """The client reaches the server."""
    assert seen.value.symptom == "connected", declared.wanted
