"""services: each declared unit is running, stopped or absent, and enabled or not, as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import services
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.services import ServiceItem


def look(declared: ServiceItem, evidence: Evidence) -> Seen:
    """What does systemd say of the unit, and of the socket unit that may stand in for it?"""
    host = evidence[declared.host]
    state, unit, socket = services.of(host, declared.unit)
    lines = tuple(host.line("systemctl show", each.said) for each in (unit, socket) if each)
    return Seen(value=(state, services.enabled(unit, socket)), said=lines[0].line, lines=lines)


def test_services(declared: ServiceItem, seen: Seen) -> None:
    """The unit is in the declared state."""
    state, enabled = seen.value
    assert state == declared.state
    assert declared.enabled in {None, enabled}
