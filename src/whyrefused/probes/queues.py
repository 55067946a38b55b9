"""How full are the queues of the listening TCP sockets, and do they overflow while one looks?

Counters since boot prove nothing by themselves. Where a connection waits in a queue, or half-open before it, there is a
second look two seconds later; where none waits, the first look is all. Rows of a look:

    look
    TcpExtNAME VALUE                  counters of /proc/net/netstat, named as nstat(8) does
    LISTEN QUEUED BACKLOG ADDRESS:PORT PEER, skmem:(…,dDROPS)        as ss(8) prints them
    SYN-RECV COUNT ADDRESS:PORT       half-open connections to one address and port
    end                               or `busy`, where another look follows
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, failed, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.facts.addresses import Address
    from whyrefused.records import Frame

SOURCE = "ss -Htlnm; nstat -az"
SECONDS = 15
BYTES = 1048576
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("ss -H -t -n -m", "how full each queue is"),
    _rights.run("awk", "counts half-open connections"),
    _rights.run("sleep", "two seconds, where something waits"),
)
READS = {
    "/proc/net/netstat": "overflows",
}

# The row of a socket and the line of its memory stay together: what belongs to a half-open one is only counted.
LOOK = r"""
look() {
  echo look; s=$(ss -H -t -n -m state listening state syn-recv) || return
  printf '%s\n' "$s" | awk '
    $1 == "TcpExt:" { if (!h) { h = split($0, n); next }
      for (i = 2; i <= NF; i++) if (n[i] ~ /^(Listen|TCPReqQ|Embryonic|SyncookiesS)/) print "TcpExt" n[i], $i; next }
    /Ext:/ { next }
    $1 == "SYN-RECV" { half = 1; c[$4]++; b = 1; next }
    /^[A-Z]/ { half = 0; if (0 < $2 + 0) b = 1 }
    !half { print }
    END { for (a in c) print "SYN-RECV", c[a], a; print (b ? "busy" : "end") }' /proc/net/netstat -
}
f=$(look); e=$?; printf '%s\n' "$f"
case $f in *busy) sleep 2; look ;; esac; exit $e
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The accept queue of one listening socket."""

    address: Address
    port: int
    device: str  # set by SO_BINDTODEVICE, else empty
    queued: int  # connections that wait to be accepted
    backlog: int  # the socket drops what comes while more than these wait
    drops: int | None  # connections this socket has dropped since it listens; None where ss does not tell
    line: str

    @property
    def full(self) -> bool:
        """Does the kernel drop the next connection? It takes one more than the backlog (sk_acceptq_is_full)."""
        return self.queued > self.backlog

    @property
    def free(self) -> float:
        """Which share of it is free?"""
        return max(0.0, (self.backlog + 1 - self.queued) / (self.backlog + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All queues at one moment."""

    queues: Mapping[str, Queue]  # by `key`; of several sockets that share a port (SO_REUSEPORT) the fullest
    half_open: Mapping[str, int]  # by ADDRESS:PORT as ss prints it
    counters: Mapping[str, int]  # by name, as of nstat(8)
    lines: tuple[str, ...]  # of the counters and of half-open connections


def key(address: Address, port: int, device: str) -> str:
    """How is a socket named among the queues?"""
    return f"{address}%{device} {port}" if device else f"{address} {port}"


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text looks at the queues, once or twice?"""
    return LOOK


def parse(frame: Frame) -> tuple[Look, ...]:
    """What was seen, look by look? A second look that is due and not whole leaves the first one open too."""
    if frame.status != 0:
        raise Unreadable(failed(frame, "ss -Htlnm", SECONDS))
    parts = _parts(frame.text)
    ends = [part[-1] if part else "" for part in parts]
    if ends not in (["end"], ["busy", "busy"], ["busy", "end"]):
        raise Unreadable(f"{SOURCE}: cut short")
    return tuple(_look(part[:-1]) for part in parts)


def _parts(text: str) -> list[list[str]]:
    """The lines of each look, with the word that ends it."""
    parts: list[list[str]] = []
    for line in text.split("\n"):
        if line == "look":
            parts.append([])
        elif line.strip() and parts:
            parts[-1].append(line)
    return parts


def _look(rows: list[str]) -> Look:
    queues: dict[str, Queue] = {}
    counters: dict[str, int] = {}
    half_open: dict[str, int] = {}
    for at, line in enumerate(rows):
        match line.split():
            case ["LISTEN", queued, backlog, local, _, *rest]:
                queue = _queue(line, local, (queued, backlog), rest or rows[at + 1 : at + 2])
                name = key(queue.address, queue.port, queue.device)
                queues[name] = min(queues.get(name, queue), queue, key=lambda one: one.free)
            case ["SYN-RECV", count, local] if (number := whole(count)) is not None:
                half_open[local] = number
            case [name, count] if name.startswith("TcpExt") and (number := whole(count)) is not None:
                counters[name] = number
            case [memory] if memory.startswith("skmem:"):
                pass
            case _:
                raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}")
    if "TcpExtListenOverflows" not in counters:
        raise Unreadable(f"{SOURCE}: /proc/net/netstat could not be read")
    told = tuple(line for line in rows if line.startswith(("TcpExt", "SYN-RECV")))
    return Look(queues=queues, half_open=half_open, counters=counters, lines=told)


def _queue(line: str, local: str, sizes: tuple[str, str], rest: list[str]) -> Queue:
    memory = next((one.strip() for one in rest if one.lstrip().startswith("skmem:")), "")
    text, _, port = local.rpartition(":")
    address, _, device = text.partition("%")
    address = address.strip("[]")
    numbers = [whole(one) for one in (*sizes, port)]
    try:
        queued, backlog, number = (one for one in numbers if one is not None)
        return Queue(
            address=ipaddress.ip_address("::" if address == "*" else address), port=number, device=device.rstrip("]"),
            queued=queued, backlog=backlog, drops=_drops(memory), line=" ".join(f"{line} {memory}".split()),
        )  # fmt: skip
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}") from error


def _drops(memory: str) -> int | None:
    """The last of skmem:(r0,rb131072,t0,…,d8) in ss(8); the kernel tells it since Linux 4.9."""
    last = memory.removesuffix(")").rpartition(",")[2]
    return whole(last[1:]) if last.startswith("d") else None
