"""configured_in: what a client is really configured with names the declared destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import destinations
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.configured_in import ConfiguredItem


def look(declared: ConfiguredItem, evidence: Evidence) -> Seen:
    """Which destination stands there? A file that the login may not read is *could not look*."""
    told = destinations.told(declared, evidence)
    return Seen(value=told, said=told.said, lines=told.lines)


def test_configured_in(declared: ConfiguredItem, seen: Seen) -> None:
    """It is the declared host, by whatever name, and the declared port."""
    assert seen.value.met, declared.wanted
