"""Incorrect port.

The service runs, but it listens on another port than the one its clients are told to use: its configuration names
another one, another program took the port first, or it serves UDP where TCP is wanted. The inventory is the truth: the
port declared there is the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.case import FirewallItem, PathItem, ServiceItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import addresses, meant, ports, remedy, services
from whyrefused.facts.daemons import MANY_MASTERS, rebind, rebind_socket
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.listeners import Listener
    from whyrefused.probes.trouble import Mention
    from whyrefused.probes.units import Unit

CODE = "wrong-port"
SIDE = "server"
SETTINGS = ("Environment=", "ExecStart=", "ListenStream=", "ListenDatagram=")
"""What a drop-in sets that moves a port (systemd.exec(5), systemd.service(5), systemd.socket(5))."""

HIDDEN_BY = (
    "dns",
    "wrong-destination",
    "client-firewall",
    "nat-misconfiguration",
    "server-firewall",
    "service-not-running",
)
VARIANTS = {
    "listens-elsewhere": "it listens on another port",
    "moved-by-drop-in": "a drop-in of its unit moved it",
    "moved-by-environment": "an environment file moved it",
    "other-protocol": "it serves UDP where TCP is declared, or the reverse",
    "held-by-another": "another unit holds the declared port",
}
"""What a variant means; the slugs never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The unit that should hold the port, and the socket unit that may hold it for it."""

    unit: Unit
    socket: Unit | None


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the unit that should hold the port listen on another one?"""
    host = case.at_server(evidence)
    if host is None or case.port is None or isinstance(case.item, (ServiceItem, FirewallItem)):
        return unknown("no port is at issue")
    if isinstance(case.item, PathItem) and case.seen.symptom not in {"refused", "reset"}:
        return unknown(f"a port that nobody holds refuses at once; the client saw {case.seen.symptom}")
    try:
        return _on(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _on(case: Case, host: HostEvidence) -> Ruling:
    found, source = ports.on_port(host, case.protocol, case.port or 0)
    said = tuple(host.line(source, one.line) for one in found)
    name = meant.unit_of(case, host)
    if not name:
        return excluded(f"a program listens on {case.key}", *said) if found else _unnamed(case, host)
    state, unit, socket = services.of(host, name)
    owners = [ports.owned(one, unit, socket) for one in found]
    if any(owners):
        return excluded(f"{name} listens on {case.key}", *said)
    if any(owns is None for owns in owners):
        return unknown(f"who holds {case.key} is not told to this login")
    if state != "running":
        return unknown(f"{name} is not running: on which port it would listen cannot be seen")
    if unit.id in MANY_MASTERS:
        return unknown(f"{name} holds ports for other programs: which of them is missed cannot be seen")
    own = ports.serving(host, name, case.protocol, case.port)
    if not own and not (found and unit.sub == "running"):
        return unknown(f"{name} is active and holds no port at all", host.line("systemctl show", unit.said))
    return _proven(case, host, Units(unit=unit, socket=socket), found, own)


def _unnamed(case: Case, host: HostEvidence) -> Ruling:
    """Does a program whose unit is not declared serve the same number by the other protocol?"""
    rows, source = ports.table(host)
    other = [one for one in rows if one.port == case.port and addresses.meets(one, case.bind)]
    if not other or case.key not in case.declared_ports or f"{case.port}/{other[0].protocol}" in case.declared_ports:
        return unknown(f"nothing listens on {case.key}, and no unit is declared for it (`service:`)")
    name = ports.owner_words(other[0])
    return Ruling(
        answer="proven",
        because=f"{name} listens on {case.port}/{other[0].protocol}, not on {case.key}",
        evidence=tuple(host.line(source, one.line) for one in other),
        variant="other-protocol",
        host=host.name,
        subject=case.key,
        fix=rebind(name, case.bind, case.port or 0),
        verify=(f"ss -Htlnp sport = :{case.port}",),
    )


def _proven(
    case: Case, host: HostEvidence, units: Units, found: tuple[Listener, ...], own: tuple[Listener, ...]
) -> Ruling:
    name, source = units.unit.id if units.unit.load != "not-found" else suffixed(units.unit.name), ports.table(host)[1]
    undeclared = [one for one in own if f"{one.port}/{one.protocol}" not in case.declared_ports] or list(own)
    where = ", ".join(dict.fromkeys(f"{one.port}/{one.protocol}" for one in undeclared)) or "no port"
    said = [host.line(source, one.line) for one in (*found, *undeclared)]
    edit = rebind(name, case.bind, case.port or 0)
    if units.socket is not None and all(map(ports.by_systemd, undeclared)):
        edit = rebind_socket(units.socket.id, case.bind, case.port or 0)
    if found:
        variant, holder = "held-by-another", ports.owner_words(found[0])
        because = f"{case.key} is held by {holder}; {name} listens on {where}"
    elif any(one.port == case.port for one in own):
        variant, because = "other-protocol", f"{name} listens on {where}, not on {case.key}"
    else:
        variant, because = "listens-elsewhere", f"{name} listens on {where}, not on {case.key}"
        moved = _moved_by(host, units, undeclared)
        if moved is not None:
            by, mention = moved
            drop_in = mention.file in by.drop_ins
            variant = "moved-by-drop-in" if drop_in else "moved-by-environment"
            because += f"; {mention.file} says so"
            said.append(host.line(mention.file, mention.line))
            reload = ("systemctl daemon-reload",) if drop_in else ()
            edit = (f"in {mention.file}: {mention.port} -> {case.port}", *reload, f"systemctl restart {by.id}")
    return Ruling(
        answer="proven",
        because=because,
        evidence=tuple(said),
        variant=variant,
        host=host.name,
        subject=case.key,
        fix=(*remedy.releases(host, found), *edit),
        verify=(f"ss -Htlnp sport = :{case.port}",),
    )


def _moved_by(host: HostEvidence, units: Units, own: list[Listener]) -> tuple[Unit, Mention] | None:
    """Which drop-in or environment of the unit names the very port where it listens? Its own file is no surprise."""
    held = {one.port for one in own}
    found = [
        (unit, mention)
        for unit in (units.unit, units.socket)
        if unit is not None
        for mention in _mentions(host, unit)
        if mention.port in held and _sets(mention, unit)
    ]
    drop_ins = (one for one in found if one[1].file in one[0].drop_ins)
    return next(drop_ins, found[0] if found else None)


def _mentions(host: HostEvidence, unit: Unit) -> tuple[Mention, ...]:
    trouble = looked(lambda: host.trouble(unit.id))
    return () if trouble is None or isinstance(trouble, Missing) else trouble.mentions


def _sets(mention: Mention, unit: Unit) -> bool:
    if mention.file == unit.fragment:
        return mention.key.startswith("Environment=")
    return mention.file not in unit.drop_ins or mention.key.startswith(SETTINGS)
