"""wide: no port that is bound wide is shut to everybody by a firewall rule made for that very port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whyrefused.facts import ports, verdicts
from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.wide import WideItem


def look(declared: WideItem, evidence: Evidence) -> Seen:
    """Which ports are bound wide, and what do the rules say to each? Skipped where the login may not read the rules."""
    host = evidence[declared.host]
    rows, source = ports.table(host)
    wide = [row for row in rows if row.protocol == "tcp" and row.address.is_unspecified]
    try:
        refused = [(row, one) for row in wide for one in verdicts.shut(verdicts.for_listener(host, row))]
    except CouldNotLook as miss:
        if "needs root" in miss.why:
            pytest.skip(miss.why)
        raise
    lines = tuple(line for row, one in refused for line in (host.line(source, row.line), *verdicts.lines(host, one)))
    count = f"{len({row.port for row in wide})} ports bound wide, none refused by a rule made for it"
    rest = tuple(host.line(source, row.line) for row in wide) or (host.line(source, count),)
    return Seen(value=refused, said="; ".join(line.line for line in lines) or count, lines=lines or rest)


def test_wide(declared: WideItem, seen: Seen) -> None:
    """Bind and firewall agree about every port."""
    assert not seen.value, declared.wanted
