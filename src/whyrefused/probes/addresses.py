"""Which addresses does the host have, on which interface?"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, failed

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "ip -o addr show"
SECONDS = 5
BYTES = 262144
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (_rights.run("ip -o addr show", "the addresses of all interfaces"),)
READS = {
    "/etc/iproute2/*": "names that ip prints",
}

ROW = re.compile(r"\d+: (\S+)\s+inet6? (\S+?)(?:/(\d+))?(?: peer \S+)? .*?scope (\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a host."""

    interface: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    scope: str  # global, link, host
    line: str


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for the host's addresses?"""
    return "ip -o addr show"


def parse(frame: Frame) -> tuple[Address, ...]:
    """Which addresses are there? A host without a single one was not looked at: `Unreadable`."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    rows = [(ROW.match(line), line) for line in frame.text.split("\n")]
    lost = next((line for row, line in rows if not row and re.search(r"\sinet6?\s", line)), None)
    if lost is not None:
        raise Unreadable(f"{SOURCE}: not understood: {lost[:120]!r}")
    found = tuple(_address(row, line) for row, line in rows if row)
    if not found:
        raise Unreadable(f"{SOURCE}: printed no address")
    return found


def _address(row: re.Match[str], line: str) -> Address:
    try:
        address = ipaddress.ip_address(row[2])
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}") from error
    return Address(interface=row[1].partition("@")[0], address=address, scope=row[4], line=" ".join(line.split()))
