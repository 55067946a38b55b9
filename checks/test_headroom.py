"""headroom: of each declared limit, the declared share is still free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import headroom
from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.headroom import HeadroomItem


def look(declared: HeadroomItem, evidence: Evidence) -> Seen:
    """What is left of the limit, where it is scarcest?"""
    host = evidence[declared.host]
    rooms, missing = headroom.of(host, declared)
    short = tuple(one for one in rooms if one.free < declared.free)
    if not short and (missing or not rooms):
        raise CouldNotLook(missing or f"{declared.host}: nothing has this limit: no listener on a declared port")
    told = short or rooms[:1]
    lines = tuple(dict.fromkeys(line for one in told for line in one.lines))
    return Seen(value=short, said="; ".join(one.said for one in told), lines=lines)


def test_headroom(declared: HeadroomItem, seen: Seen) -> None:
    """No limit is used further than declared."""
    assert not seen.value, declared.wanted
