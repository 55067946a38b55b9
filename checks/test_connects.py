"""connects: each declared path really connects, dialled from its client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused.facts import addresses, outgoing, paths, verdicts
from whyrefused.plan.items import LaterItem
from whyrefused.records import LATER, CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Line


def look(declared: PathItem | LaterItem, evidence: Evidence) -> Seen:
    """What did the kernel of the client say to connect(2), and the declared proxy to its request?"""
    if isinstance(declared, LaterItem):
        pytest.skip(f"{LATER} over UDP: {declared.wanted}")
    host = evidence[declared.host]
    dial = paths.dialled(host, declared)
    if dial.unable:
        raise CouldNotLook(f"{declared.host}: {dial.unable}")
    if dial.outcome == "auth" and declared.proxy_credentials:
        raise CouldNotLook(f"{declared.host}: {declared.proxy} asks for credentials; the declared ones are never sent")
    if dial.outcome == "unclear" and not paths.fails_beyond(evidence, declared):
        raise CouldNotLook(f"{declared.host}: the proxy or the server behind it may have said: {dial.answers[0].said}")
    if dial.symptom != "connected" and declared.bind and _beside(declared, dial):
        what = f"{declared.server} is declared to answer on {declared.bind} and dialled at {declared.destination}"
        raise CouldNotLook(f"{declared.host}: {what}: `connects` can name the address that {declared.host} dials")
    dial, rules = _as_its_unit(declared, host, dial)
    lines = (*rules, *paths.lines(host, declared, dial))
    told = rules[0] if rules else lines[-1] if lines else None
    said = f"{dial.symptom}: {told.line}" if told else dial.symptom
    return Seen(value=dial, said=said, lines=lines, symptom=dial.symptom)


def _beside(declared: PathItem, dial: Dial) -> bool:
    """Is none of the addresses that were tried one that the port is declared to answer on?"""
    return bool(dial.tries) and not any(addresses.covers(declared.bind, one.address) for one in dial.tries)


def _as_its_unit(declared: PathItem, host: HostEvidence, dial: Dial) -> tuple[Dial, tuple[Line, ...]]:
    """What would the unit itself meet where we connected? Its sandbox and control group are not ours."""
    if not declared.unit or dial.symptom != "connected":
        return dial, ()
    if dial.by is None:
        raise CouldNotLook(f"{declared.host}: connected, but as whom is not told")
    fence = outgoing.fence(host, declared.unit, dial)
    if fence and fence.certain:
        line = host.line(f"systemctl show {declared.unit}", fence.line)
        return replace(dial, barred=fence.symptom), (line,)
    rule = outgoing.barred(host, dial, declared.proxy_port or declared.port)
    return (replace(dial, barred=rule.symptom), verdicts.lines(host, rule)) if rule else (dial, ())


def test_connects(declared: PathItem, seen: Seen) -> None:
    """The client reaches the server."""
    assert seen.value.symptom == "connected", declared.wanted
