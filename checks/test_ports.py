"""ports: the declared port is answered, on the declared address, by the declared unit; or nothing listens there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import addresses, ports
from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.plan.keys.ports import PortItem
    from whyrefused.probes.listeners import Listener


def look(declared: PortItem, evidence: Evidence) -> Seen:
    """Who listens on the port, and which of them answers what is declared?"""
    host = evidence[declared.host]
    found, source = ports.on_port(host, declared.protocol, declared.port)
    lines = tuple(host.line(source, listener.line) for listener in found)
    said = "; ".join(line.line for line in lines) or f"nothing listens on {declared.subject}"
    if not found:
        lines = (host.line(source, f"no row for {declared.subject} (nor in /proc/net)"),)
    return Seen(value=(found, _answering(host, declared, found)), said=said, lines=lines)


def _answering(host: HostEvidence, declared: PortItem, found: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Which of the listeners meet the declaration? Raises `CouldNotLook` where it hangs on what is not known."""
    if declared.state == "absent":
        return ()
    met = [(listener, addresses.meets(listener, declared.bind)) for listener in found]
    if not any(met_ for _, met_ in met) and any(met_ is None for _, met_ in met):
        what = f"a listener on {declared.port} takes all that is declared"
        raise CouldNotLook(f"{host.name}: whether {what} is not told here (ss -e is needed)")
    bound = tuple(listener for listener, met_ in met if met_)
    if declared.unit is None or not bound:
        return bound
    unit, socket = host.unit(declared.unit), ports.socket_of(host, declared.unit)
    owners = [(listener, ports.owned(listener, unit, socket)) for listener in bound]
    if all(owns is None for _, owns in owners):
        raise CouldNotLook(f"{host.name}: who holds {declared.subject} is not told: {ports.to_see_owners(host)}")
    return tuple(listener for listener, owns in owners if owns)


def test_ports(declared: PortItem, seen: Seen) -> None:
    """A listener answers the declared address and belongs to the declared unit; none is there where it says absent."""
    listeners, answering = seen.value
    if declared.state == "absent":
        assert not listeners
    else:
        assert answering
