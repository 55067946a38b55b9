"""connects: each declared path really connects, dialled from its client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused import outgoing, verdicts
from whyrefused.plan.items import LaterItem
from whyrefused.records import LATER, CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Line


def look(declared: PathItem | LaterItem, evidence: Evidence) -> Seen:
    """What did the kernel of the client say to connect(2)?"""
    if isinstance(declared, LaterItem) or declared.proxy:
        how = "over UDP" if isinstance(declared, LaterItem) else "through the declared proxy"
        pytest.skip(f"{LATER} {how}: {declared.wanted}")
    host = evidence[declared.host]
    dial = host.dial(declared.dial)
    if dial.unable:
        raise CouldNotLook(f"{declared.host}: {dial.unable}")
    dial, rules = _as_its_unit(declared, host, dial)
    source = f"connect({declared.destination}:{declared.port})"
    told = rules[0].line if rules else dial.lines[-1] if dial.lines else ""
    said = f"{dial.symptom}: {told}" if told else dial.symptom
    return Seen(
        value=dial, said=said, lines=(*rules, *(host.line(source, line) for line in dial.lines)), symptom=dial.symptom
    )


def _as_its_unit(declared: PathItem, host: HostEvidence, dial: Dial) -> tuple[Dial, tuple[Line, ...]]:
    """What would the unit itself meet where we connected? Its sandbox and control group are not ours."""
    if not declared.unit or dial.symptom != "connected":
        return dial, ()
    fence = outgoing.fence(host, declared.unit, dial)
    if fence and fence.certain:
        line = host.line(f"systemctl show {declared.unit}", fence.line)
        return replace(dial, barred=fence.symptom), (line,)
    rule = outgoing.barred(host, dial, declared.port)
    return (replace(dial, barred=rule.symptom), verdicts.lines(host, rule)) if rule else (dial, ())


def test_connects(declared: PathItem, seen: Seen) -> None:
    """The client reaches the server."""
    assert seen.value.symptom == "connected", declared.wanted
