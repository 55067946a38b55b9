"""Which TCP and UDP ports are open, in the kernel's own table?

A second source beside ss: where the two differ nothing is concluded, and where ss is not installed this one is left.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.probes import Unreadable, _rights

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6"
SECONDS = 10
BYTES = 1048576
SIDE_BY_SIDE = False
RUNS = (_rights.run("grep -sHE", "the sockets that listen"),)
READS = {
    "/proc/net/tcp": "open ports",
    "/proc/net/tcp6": "open ports",
    "/proc/net/udp": "open ports",
    "/proc/net/udp6": "open ports",
}

# State 0A is TCP_LISTEN; 07, TCP_CLOSE, is a UDP socket without a peer (include/net/tcp_states.h).
ROW = re.compile(
    r"/proc/net/(tcp|udp)6?: *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (0A|07) "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One open port as /proc/net prints it (proc_pid_net(5))."""

    protocol: Literal["tcp", "udp"]
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    line: str


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks the kernel for open ports? Established connections, which may be many, stay there."""
    return (
        "grep -sHE '^ *(sl|[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ (0A|07)) ' "
        "/proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6; true"
    )


def parse(frame: Frame) -> tuple[Entry, ...]:
    """Which ports are open? A table without its heading was not read: `Unreadable`."""
    lines = frame.text.split("\n")
    if not any(re.match(r"/proc/net/tcp: *sl ", line) for line in lines):
        raise Unreadable(f"/proc/net/tcp could not be read: {frame.text.strip()[:120]}")
    found = ((ROW.match(line), line) for line in lines)
    return tuple(_entry(row, line) for row, line in found if row and row[4] == ("0A" if row[1] == "tcp" else "07"))


def _entry(row: re.Match[str], line: str) -> Entry:
    return Entry(
        protocol="tcp" if row[1] == "tcp" else "udp",
        address=_address(row[2]),
        port=int(row[3], 16),
        line=" ".join(line.split()),
    )


def _address(words: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Four bytes a word, each word in the machine's order: little endian on all that Debian calls a server."""
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    return ipaddress.ip_address(packed)
