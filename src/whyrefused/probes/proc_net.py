"""Which TCP and UDP ports are open, in the kernel's own table?

A second source beside ss: where the two differ nothing is concluded, and where ss is not installed this one is left.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.probes import Unreadable, _rights, _seen

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6"
SECONDS = 10
BYTES = 1048576
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ("addresses", "listeners")
RUNS = (_rights.run("grep -sHE", "the sockets that listen"),)
READS = {
    "/proc/net/tcp": "open ports",
    "/proc/net/tcp6": "open ports",
    "/proc/net/udp": "open ports",
    "/proc/net/udp6": "open ports",
    "/proc/net/sockstat": "how many sockets",
    "/proc/net/sockstat6": "how many sockets",
    "/proc/net/snmp": "how many of them are connections",
}

# State 0A is TCP_LISTEN; 07, TCP_CLOSE, is a UDP socket without a peer (include/net/tcp_states.h).
ROW = re.compile(
    r"/proc/net/(tcp|udp)6?: *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (0A|07) "
)


HEAD = re.compile(r"/proc/net/((?:tcp|udp)6?): *sl ")
COUNTED = re.compile(r"counted (tcp|udp) (\d{1,9})")
OWN = re.compile(r"own (\d{1,5}) (\d{1,5})")

# For its tables the kernel walks through all that it has; of its sockets it keeps count besides. Where it has as many
# TCP sockets that are no connection as ss shows listeners, ss shows them all; one that is just opened or closed breaks
# the sum, and the table is read. So with UDP, where every socket counts. The address that we came to must be one of
# this network namespace's. Sockets are counted before and after the connections, whose file is ten times as long.
# The connection that we came by is in the table of this network namespace; where it is not, this is not the table.
SUM = r"""
established() {
v=; while read -r k a b c d f g i j w r; do case $k$w in Tcp:|Tcp:*[!0-9]*) ;; Tcp:*) v=$w; break ;; esac
done </proc/net/snmp
}
kept() { while read -r k a b r; do case $k$a in
  TCP:inuse|TCP6:inuse) x=$((x + b)) ;;
  UDP:inuse|UDP6:inuse) y=$((y + b)); break ;;
esac; done; }
sockets() { x=0; y=0; kept </proc/net/sockstat; [ ! -r /proc/net/sockstat6 ] || kept </proc/net/sockstat6; }
sum() {
[ "${seen_listeners-}" ] || return
set -- $SSH_CONNECTION
case $# in 0) ;; 4) case ${seen_addresses-} in *" $3/"*) ;; *) return ;; esac ;; *) return ;; esac
listening; sockets; z=$x; u=$y; established; sockets; [ "$v" ] || return
if [ "$x" = "$((tcps + v))" ] && [ "$x" = "$z" ] && { [ "$v" != 0 ] || [ $# = 0 ]; }; then told="counted tcp $tcps
"; tcp=; fi
if [ "$y" = "$udps" ] && [ "$y" = "$u" ]; then told="${told}counted udp $udps
"; udp=; fi
}
"""
KNOWN = r"""
told=; tcp='/proc/net/tcp /proc/net/tcp6'; udp='/proc/net/udp /proc/net/udp6'; sum
"""
ASK = r"""
printf %s "$told"; [ "$tcp$udp" ] || exit 0
[ "$tcp" ] || SSH_CONNECTION=
own=-; set -- $SSH_CONNECTION
case $#:$1:$2$4 in 4:*[.:]*:*[!0-9]*) ;; 4:*[.:]*:?*) printf 'own %s %s\n' "$4" "$2"
  own=$(printf '[0-9A-F]+:%04X [0-9A-F]+:%04X 01' "$4" "$2") ;; esac
grep -sHE "^ *(sl|[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ (0A|07)|[0-9]+: $own) " \
  $tcp $udp; true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One open port as /proc/net prints it (proc_pid_net(5))."""

    protocol: Literal["tcp", "udp"]
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many sockets of a protocol listen by the kernel's own count: as many as ss shows."""

    protocol: Literal["tcp", "udp"]
    sockets: int
    line: str


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks the kernel for open ports? Established connections, which may be many, stay there."""
    return f"{_seen.LISTENING}{SUM}{KNOWN}{ASK}"


def known(_asked: tuple[str, ...]) -> str:
    """Which shell text knows how many are open, by sums that agree?"""
    return f'{_seen.LISTENING}{SUM}{KNOWN}[ -z "$tcp$udp" ]'


def parse(frame: Frame) -> tuple[Entry | Sum, ...]:
    """Which ports are open? A table without its heading, or without our own connection, was not read: `Unreadable`."""
    lines = frame.text.split("\n")
    read = {head[1] for head in map(HEAD.match, lines) if head}
    sums = {row[1]: _sum(row) for row in map(COUNTED.fullmatch, lines) if row}
    if not {"tcp", "udp"} <= read | sums.keys() or (not sums and ("tcp6" in read) is not ("udp6" in read)):
        raise Unreadable(f"/proc/net/tcp, /proc/net/udp: not both could be read: {frame.text.strip()[:120]}")
    for own in filter(None, map(OWN.fullmatch, lines)):
        ends = rf"/proc/net/tcp6?: *\d+: [0-9A-F]+:{int(own[1]):04X} [0-9A-F]+:{int(own[2]):04X} 01 "
        if not any(re.match(ends, line) for line in lines):
            raise Unreadable(f"/proc/net/tcp: our own connection (port {own[1]}) is not in it")
    found = ((ROW.match(line), line) for line in lines)
    return *sums.values(), *(
        _entry(row, line) for row, line in found if row and row[4] == ("0A" if row[1] == "tcp" else "07")
    )


def _sum(row: re.Match[str]) -> Sum:
    return Sum(protocol="tcp" if row[1] == "tcp" else "udp", sockets=int(row[2]), line=row[0])


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
