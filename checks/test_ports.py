"""ports: the declared port is answered, on the declared address, by the declared unit; or nothing listens there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import addresses, paths, ports, routing
from whyrefused.facts.nat import translation
from whyrefused.records import CouldNotLook, Missing, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.plan.keys.ports import PortItem
    from whyrefused.probes.listeners import Listener
    from whyrefused.records import Line


def look(declared: PortItem, evidence: Evidence) -> Seen:
    """Who listens on the port, and which of them answers what is declared?"""
    host = evidence[declared.host]
    found, source = ports.on_port(host, declared.protocol, declared.port)
    nobody = host.line(source, f"no row for {declared.subject} (nor in /proc/net)")
    if not found and declared.state == "listening":
        led = _led_on(host, declared, nobody, evidence)
        if led is not None:
            return led
    lines = tuple(host.line(source, listener.line) for listener in found)
    said = "; ".join(line.line for line in lines) or f"nothing listens on {declared.subject}"
    return Seen(value=(found, _answering(host, declared, found)), said=said, lines=lines or (nobody,))


def _led_on(host: HostEvidence, declared: PortItem, nobody: Line, evidence: Evidence) -> Seen | None:
    """Where nobody listens, do rules lead the port to one who does? Raises `CouldNotLook` where that is not told."""
    reached = paths.reached(evidence, host, declared.dialled, declared.port)
    led = looked(lambda: translation.led(host, declared.protocol, declared.port, declared.bind))
    if isinstance(led, Missing):
        bridges = [own.interface for own in host.addresses if routing.of_engine(own.interface)]
        if reached or (bridges and declared.unit is None):
            who = f"{reached[0].host} connects to it" if reached else f"{bridges[0]} is a container engine's"
            raise CouldNotLook(
                f"{led.why}; nothing listens on {declared.subject}, but {who}, and a rule may lead it on"
            )
        return None
    if led is None and reached:
        raise CouldNotLook(f"{host.name}: nothing listens on {declared.subject}, and yet {reached[0].host} connects")
    if led is None or (not led.takers and led.takers is not None):
        return None
    said = f"a rule leads {declared.subject} to {led.to}"
    lines = (nobody, *led.lines, *reached)
    if led.takers is None:
        if not reached:
            raise CouldNotLook(f"{host.name}: {said}; no client of it tells whether that one answers")
        return Seen(value=((), reached), said=said, lines=lines)
    rows = tuple(host.line("ss", one.line) for one in led.takers)
    return Seen(value=(led.takers, _owned(host, declared, led.takers)), said=said, lines=(*lines, *rows))


def _answering(host: HostEvidence, declared: PortItem, found: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Which of the listeners meet the declaration? Raises `CouldNotLook` where it hangs on what is not known."""
    if declared.state == "absent":
        return ()
    met = [(listener, addresses.meets(listener, declared.bind)) for listener in found]
    if not any(met_ for _, met_ in met) and any(met_ is None for _, met_ in met):
        what = f"a listener on {declared.port} takes all that is declared"
        raise CouldNotLook(f"{host.name}: whether {what} is not told here (ss -e is needed)")
    bound = tuple(listener for listener, met_ in met if met_)
    if bound:
        return _owned(host, declared, bound)
    # One for each of the host's addresses is as good as one for all.
    together = _owned(host, declared, found) if addresses.together(found, declared.bind, host.addresses) else ()
    return together if addresses.together(together, declared.bind, host.addresses) else ()


def _owned(host: HostEvidence, declared: PortItem, bound: tuple[Listener, ...]) -> tuple[Listener, ...]:
    """Which of these listeners are the declared unit's? Raises `CouldNotLook` where that is not told."""
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
