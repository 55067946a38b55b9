"""Do the verdicts and the kernel agree?"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.firewall import RoundTrip, Ruleset, load, round_trip
from whyrefused.firewall.ranges import address_range

from .places import HOST, LOOPBACK
from .probe import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .packets import Connection
    from .rig import Rig

WAIT = 0.12
WAITS_AGAIN = (0.4, 1.0, 2.0)
"""Seconds; a busy machine may answer late, but a wrong verdict stays wrong."""
SILENT = "drop"
FIRST_PORT, LAST_PORT = 20000, 60000
END = re.compile(r"([0-9.]*(?:[-/][0-9.]+)?|\[[^]]+\]):(\d+)")
"""An address, range or prefix, or nothing, and a port, as a trace has it."""
ANSWER = re.compile(r"(.+):(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One connection, as judged and as it went."""

    connection: Connection
    trip: RoundTrip
    answer: str

    @property
    def untold(self) -> bool:
        """Is there no verdict?"""
        return self.trip.verdict == "cannot-tell"

    @property
    def agrees(self) -> bool:
        """Is the answer what the verdict says, or one of its readings?"""
        if self.untold:
            return not self.trip.readings or _kind(self.answer) in self.trip.readings
        if self.trip.verdict == "reject":
            return self.answer in self.trip.how.split(" or ")
        if self.trip.verdict == "drop":
            return self.answer == SILENT
        return reached(self.connection, self.trip, self.answer)


def _kind(answer: str) -> str:
    return "accept" if ANSWER.fullmatch(answer) else SILENT if answer == SILENT else "reject"


def reached(connection: Connection, trip: RoundTrip, answer: str) -> bool:
    """Is this who the trace says answers?"""
    found = ANSWER.fullmatch(answer)
    if not found:
        return False
    return any(_at(connection, told, found[1].strip("[]"), int(found[2])) for told in trip.reaches)


def _at(connection: Connection, told: str, address: str, port: int) -> bool:
    if not told:
        return (address, port) == (connection.destination, connection.port)
    end = END.fullmatch(told)
    if not end:
        return True  # the rules do not tell where to
    where, number = end.groups()
    if int(number) != port:
        return False
    if where:
        return _within(int(ipaddress.ip_address(address)), where.strip("[]"))
    # Only the port is another, or a redirect leads to an address of the host that the rules do not tell.
    version = 6 if ":" in connection.destination else 4
    return address in (connection.destination, *HOST[version], *LOOPBACK[version])


class Prober:
    """Asks the kernel of one rig, each time from a source port that was not used for long."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.port = FIRST_PORT

    def ports(self, count: int) -> list[int]:
        """Which source ports come next?"""
        if self.port + count > LAST_PORT:
            self.port = FIRST_PORT
        self.port += count
        return list(range(self.port - count, self.port))

    def ask(self, connections: Sequence[Connection], ports: Sequence[int], wait: float) -> list[str]:
        """What does the kernel answer to each?"""
        probes = [
            Probe(
                protocol="udp" if one.protocol == "udp" else "tcp", source=one.source, destination=one.destination,
                sport=port, port=one.port, uid=one.uid,
            )
            for one, port in zip(connections, ports, strict=True)
        ]  # fmt: skip
        return self.rig.ask(probes, wait)

    def compare(self, connections: Sequence[Connection]) -> list[Compared]:
        """Do the rules that are loaded do with each connection what their verdict says?"""
        rules = load(*self.rig.texts())
        found = self._compared(rules, connections, WAIT)
        for wait in WAITS_AGAIN:
            wrong = [at for at, one in enumerate(found) if not one.agrees]
            if not wrong:
                break
            again = self._compared(rules, [connections[at] for at in wrong], wait)
            for at, one in zip(wrong, again, strict=True):
                found[at] = one
        return found

    def _compared(self, rules: Ruleset, connections: Sequence[Connection], wait: float) -> list[Compared]:
        ports = self.ports(len(connections))
        trips = [judged(rules, one, port) for one, port in zip(connections, ports, strict=True)]
        answers = self.ask(connections, ports, wait)
        return [
            Compared(connection=one, trip=trip, answer=answer)
            for one, trip, answer in zip(connections, trips, answers, strict=True)
        ]


def judged(rules: Ruleset, connection: Connection, source_port: int) -> RoundTrip:
    """What do the rules do with this connection?"""
    trips = round_trip(rules, connection.packet(source_port), connection.hook)
    source = int(ipaddress.ip_address(connection.source))
    (mine,) = [trip for trip in trips if any(_within(source, text) for text in trip.sources)]
    return mine


def _within(number: int, text: str) -> bool:
    low, high = address_range(text)[1]
    return low <= number <= high
