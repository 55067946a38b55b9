"""What did a host say when a path was dialled from it? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import resolution
from whyrefused.plan.who import is_literal
from whyrefused.probes.dials import Dial
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.plan.keys.connects import PathItem
    from whyrefused.records import Line


def dialled(host: HostEvidence, item: PathItem) -> Dial:
    """What became of this path? Where none of the host's nameservers answers, the dialler waits for the name in vain.

    Raises `CouldNotLook`.
    """
    try:
        return host.dial(item.dial)
    except CouldNotLook:
        name = item.proxy_host or item.destination
        if is_literal(name) or not resolution.dead(host, name) or host.resolved(name).addresses:
            raise
    return Dial(tries=(), no_name="EAI_AGAIN", lines=(f"no address: no answer for {name} in time",))


def lines(host: HostEvidence, item: PathItem, dial: Dial) -> tuple[Line, ...]:
    """Which lines of evidence are these? Those of a proxy on the way say that it is one."""
    if not item.proxy:
        source = f"connect({item.destination}:{item.port})"
        return tuple(host.line(source, line) for line in dial.lines)
    dialled = tuple(host.line(f"connect({item.proxy_host}:{item.proxy_port}), the proxy", line) for line in dial.lines)
    said = (
        host.line(f"{one.method} {item.destination}:{item.port} through {item.proxy}", one.said) for one in dial.answers
    )
    return (*dialled, *said)


def reached(
    evidence: Evidence, server: HostEvidence, dialled: Iterable[tuple[str, str]], port: int
) -> tuple[Line, ...]:
    """Which of these dials, each a client and its words for it, connected to an address of the server's own?"""
    own = {each.address for each in server.addresses}
    found: list[Line] = []
    for client, key in dialled:
        dial: Dial | Missing = looked(lambda at=client, to=key: evidence[at].dial(to))
        if (
            isinstance(dial, Missing)
            or dial.symptom != "connected"
            or dial.last is None
            or dial.last.address not in own
        ):
            continue
        found.append(evidence[client].line(f"connect({dial.last.address}:{port})", dial.last.line))
    return tuple(found)


def beyond(evidence: Evidence, item: PathItem) -> Dial | None:
    """What became of the proxy's own connection to the server, dialled by its host? None where that was not asked."""
    if not item.via:
        return None
    dial: Dial | Missing = looked(lambda: evidence[item.via or ""].dial(item.beyond))
    return None if isinstance(dial, Missing) or dial.unable else dial


def fails_beyond(evidence: Evidence, item: PathItem) -> bool:
    """Is it shown that the proxy's host cannot connect to the server?"""
    dial = beyond(evidence, item)
    return dial is not None and dial.symptom != "connected"
