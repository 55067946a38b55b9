"""Which sockets listen, on which address, and which unit owns each?"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.probes import Unreadable, _rights, failed

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "ss -Htulnpe"
SECONDS = 10
BYTES = 1048576
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (_rights.listed("ss -H -t -u -l -n -p -e", "the sockets that listen; as root, whose they are"),)
READS = {
    "/proc/PID/stat": "whose socket it is, read by ss",
    "/proc/PID/attr/current": "whose socket it is, read by ss",
    "/proc/mounts": "where control groups are, read by ss",
}

UNIT = re.compile(r"/([^/]+\.(?:service|socket|scope|slice))(?=/|$)")
ROW = re.compile(r"[a-z_]{3,12}\s+[A-Z0-9-]{6,12}\s+\d{1,12}\s+\d{1,12}\s")
COLUMNS = 6  # Netid State Recv-Q Send-Q Local:Port Peer:Port

# ss quotes no name, and a process may take any of 15 bytes (prctl(2), PR_SET_NAME). What is asked for around a name or
# behind the names is longer than that, so no name can stand for it.
USER = re.compile(r'(?s)\("(.{0,64}?)",pid=(\d+),fd=(\d+)\)(?=,\("|\)\s+(?:timer|uid|ino):|\)\s*$)')
KERNEL = re.compile(r"(?:^|\s)ino:\d+ sk:[0-9a-f]+(?: fwmark:\S+)?(?: cgroup:(\S+))?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listening socket as ss(8) prints it."""

    protocol: Literal["tcp", "udp"]
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    device: str | None  # set by SO_BINDTODEVICE, else empty; None where not told
    v6only: bool | None  # only of ::, whether IPv4 is left out (ipv6(7) IPV6_V6ONLY); None where not told
    backlog: int  # Send-Q of a listening TCP socket: the accept queue's length
    queued: int  # Recv-Q of a listening TCP socket: connections waiting to be accepted
    unit: str | None  # the unit whose control group the socket was made in; None where not told
    processes: tuple[tuple[str, int], ...]  # (name, pid); empty where the login may not see them
    line: str  # as printed


# A socket outlives the control group it was made in, a login's for instance. ss complains of each on stderr, tells
# `cgroup:unreachable:ID` and ends well (iproute2, lib/fs.c). Any other complaint may mean that sockets are missing. One
# that goes while ss looks through all of them ends ss before it tells anything (lib/cg_map.c): it is asked again.
ASK = r"""
k='Failed to open cgroup2 by ID'
for n in 1 2 3; do
  { e=$( { root ss -H -t -u -l -n -p -e >&3; } 2>&1 ); } 3>&1; s=$?
  case $s:$e in [1-9]*'Failed to get cgroup2 ID'*) ;; *) break ;; esac
done
[ $s != 0 ] || while :; do case $e in "$k"*) e=${e#"$k"}; e=${e#?} ;; *) break ;; esac; done
[ -z "$e" ] || { printf '%s\n' "$e"; [ $s != 0 ] || s=1; }
[ $s = 0 ] || (exit $s)
"""


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for the listeners?"""
    return f"{_rights.ROOT}{ASK.strip()}"


def parse(frame: Frame) -> tuple[Listener, ...]:
    """Which sockets listen? Rows of other protocols and rows not understood as sockets raise `Unreadable`."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    return tuple(_listener(row) for row in _rows(frame.text))


def _rows(text: str) -> list[str]:
    """One row for each socket: what does not begin as a row does continues a process name that holds a line feed."""
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if rows and not ROW.match(line):
            rows[-1].append(line)
        elif line.strip():
            rows.append([line])
    return ["\n".join(row).rstrip() for row in rows]


def _listener(line: str) -> Listener:
    columns = line.split(None, COLUMNS)
    if len(columns) < COLUMNS or columns[0] not in {"tcp", "udp"}:
        raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}")
    local, _, port = columns[4].rpartition(":")
    details = columns[6] if len(columns) > COLUMNS else ""
    kernel = KERNEL.search(details)
    address, device, star = _address(local)
    try:
        return Listener(
            protocol="tcp" if columns[0] == "tcp" else "udp",
            address=ipaddress.ip_address(address),
            port=int(port),
            device=device,
            v6only=_v6only(star=star, address=address, flags=kernel[2] if kernel else ""),
            backlog=int(columns[3]),
            queued=int(columns[2]),
            unit=_unit(kernel[1] if kernel else None),
            processes=tuple((name, int(pid)) for name, pid, _ in USER.findall(details)),
            line=" ".join(line.split()),
        )
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}") from error


def _address(local: str) -> tuple[str, str, bool]:
    """`*`, `0.0.0.0%eth1`, `[::]`, `[fe80::1]%eth0` -> address, device, whether ss printed a star."""
    text, _, device = local.partition("%")
    text = text.strip("[]")
    return ("::" if text == "*" else text), device.rstrip("]"), text == "*"


def _v6only(*, star: bool, address: str, flags: str) -> bool | None:
    """Ss prints `*` for a dual-stack socket since iproute2 4.x, and v6only:N with -e where the kernel tells it."""
    if address != "::":
        return None
    if star:
        return False
    flag = re.search(r"\sv6only:([01])(?=\s|$)", flags)
    return flag[1] == "1" if flag else None


def _unit(group: str | None) -> str | None:
    if not group or group.startswith("unreachable:"):
        return None
    units = [unit for unit in UNIT.findall(group) if unit.endswith((".service", ".scope"))]
    return units[0] if units else ""
