"""Is each reply that of the host which was declared, and of one boot of it? Pure.

Two names whose logins came to one and the same socket of one kernel are one machine, whatever the inventory says; so is
a host that calls itself by the name of another. What is declared that way (two names with one address) is meant.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, registry
from whyrefused.records import Frame, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.probes.identity import Identity
    from whyrefused.records import Connection, Inventory


def identity_of(reply: Reply) -> Identity | None:
    """Who does it say that it is? None where it does not."""
    frame = reply.frames.get("identity")
    if reply.unreached is not None or not isinstance(frame, Frame):
        return None
    try:
        return registry()["identity"].parse(frame)  # type: ignore[no-any-return]
    except Unreadable:
        return None


def rebooted(first: Reply, second: Reply) -> str | None:
    """Did the host start anew between two looks? The reason why neither counts, or None."""
    before, after = identity_of(first), identity_of(second)
    if before is None or after is None or not before.boot or not after.boot or before.boot == after.boot:
        return None
    return f"rebooted: the host was started anew between two looks (boot id {before.boot}, then {after.boot})"


def others(inventory: Inventory, replies: Mapping[str, Reply]) -> Mapping[str, str]:
    """Which replies are those of another host than the declared one, and why?"""
    known = {host: who for host, reply in replies.items() if (who := _over_ssh(inventory, reply))}
    return {**dict(_named_otherwise(inventory, known)), **dict(_same_socket(inventory, known))}


def declared(inventory: Inventory, replies: Mapping[str, Reply]) -> dict[str, Reply]:
    """The same replies, those of another host than the declared one as unreached."""
    reasons = others(inventory, replies)
    return {host: taken(reply, reasons) for host, reply in replies.items()}


def taken(reply: Reply, reasons: Mapping[str, str]) -> Reply:
    """The same reply, or none where it is another host's."""
    if reply.host not in reasons:
        return reply
    return replace(reply, frames={}, unreached=f"not-the-declared-host: {reasons[reply.host]}")


def _over_ssh(inventory: Inventory, reply: Reply) -> Identity | None:
    return identity_of(reply) if inventory.hosts[reply.host].connection.kind == "ssh" else None


def _dialled(connection: Connection) -> tuple[object, ...]:
    return connection.address.lower(), connection.port or 22, connection.ssh_arguments


def _same_socket(inventory: Inventory, known: Mapping[str, Identity]) -> Iterator[tuple[str, str]]:
    """Which hosts were answered by one sshd, and why?"""
    places = {host: (who.boot, who.reached, who.port) for host, who in known.items() if who.boot and who.reached}
    for place, group in groupby(sorted(places, key=lambda one: places[one]), key=lambda one: places[one]):
        hosts = list(group)
        if len({_dialled(inventory.hosts[host].connection) for host in hosts}) < 2:  # noqa: PLR2004 - one is as declared
            continue
        _, reached, port = place
        right = [host for host in hosts if inventory.hosts[host].connection.address == reached]
        words = " and ".join(f"{host} ({inventory.hosts[host].connection.address})" for host in hosts)
        for host in hosts:
            if host not in right:
                yield host, f"{words} were answered by one machine, '{known[host].hostname}' at {reached} port {port}"


def _named_otherwise(inventory: Inventory, known: Mapping[str, Identity]) -> Iterator[tuple[str, str]]:
    """Which hosts call themselves by the name of another one, and are not one machine with it?"""
    names = {host.lower(): host for host in inventory.hosts if not host.lower().startswith("localhost")}
    for host, who in known.items():
        other = names.get(who.hostname.lower()) or names.get(_first(who.hostname))
        if other is None or _first(other) == _first(host) or _one_machine(known.get(other), who):
            continue
        if _dialled(inventory.hosts[other].connection) != _dialled(inventory.hosts[host].connection):
            address = inventory.hosts[host].connection.address
            yield host, f"what answers for {host} at {address} calls itself '{who.hostname}', as {other} is called"


def _first(name: str) -> str:
    return name.lower().partition(".")[0]


def _one_machine(one: Identity | None, other: Identity) -> bool:
    return one is not None and one.boot != "" and one.boot == other.boot
