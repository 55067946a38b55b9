"""What is sent, and what is an answer to it? Bytes in, bytes out; no sockets."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
PROTOCOLS: dict[int, Literal["tcp", "udp"]] = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}
UNREACHABLE = {socket.IPPROTO_ICMP: 3, socket.IPPROTO_ICMPV6: 1}
"""The type of "destination unreachable"."""

SYN, RST, ACK = 2, 4, 16
MSS = 2
"""The kind of the option for the maximum segment size; 0 ends the options and 1 is one byte of padding."""

CODES = {
    socket.IPPROTO_ICMP: {
        0: "net-unreachable",
        1: "host-unreachable",
        2: "prot-unreachable",
        3: "port-unreachable",
        9: "net-prohibited",
        10: "host-prohibited",
        13: "admin-prohibited",
    },
    socket.IPPROTO_ICMPV6: {
        0: "no-route",
        1: "admin-prohibited",
        3: "addr-unreachable",
        4: "port-unreachable",
        5: "policy-fail",
        6: "reject-route",
    },
}


@dataclass(frozen=True, slots=True)
class Probe:
    """A packet that opens a connection: a SYN, or a datagram."""

    protocol: Literal["tcp", "udp"]
    source: str
    destination: str
    sport: int
    port: int
    uid: int = 0  # who sends it; from the host only


class Flow(NamedTuple):
    """By what is a probe known again, whichever way it comes back?"""

    protocol: str
    source: str
    destination: str
    sport: int
    port: int
    nonce: int  # TCP's sequence number, the first four bytes of a datagram


class Heard(NamedTuple):
    """A packet that a namespace took in, without its IP header."""

    protocol: int
    source: str
    destination: str
    body: bytes


def flow(probe: Probe, nonce: int) -> Flow:
    """By what will the answer to this probe be known?"""
    return Flow(probe.protocol, probe.source, probe.destination, probe.sport, probe.port, nonce)


def packet(sent: Flow) -> bytes:
    """Which bytes are sent, from the IP header on?"""
    source, destination = (ipaddress.ip_address(text).packed for text in (sent.source, sent.destination))
    body = _tcp(sent) if sent.protocol == "tcp" else _udp(sent)
    number = NUMBERS[sent.protocol]
    total = _checksum(source + destination + struct.pack("!II", len(body), number) + body)
    at = 16 if sent.protocol == "tcp" else 6
    # A sum of zero would say that the datagram has none.
    body = body[:at] + struct.pack("!H", total or 0xFFFF) + body[at + 2 :]
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), number, 64) + source + destination + body
    # The kernel fills in identification and checksum.
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, number, 0)
    return head + source + destination + body


def _tcp(sent: Flow) -> bytes:
    size = 1440 if ":" in sent.source else 1460
    return struct.pack("!HHIIBBHHHBBH", sent.sport, sent.port, sent.nonce, 0, 6 << 4, SYN, 64240, 0, 0, MSS, 4, size)


def _udp(sent: Flow) -> bytes:
    return struct.pack("!HHHHI", sent.sport, sent.port, 12, 0, sent.nonce)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def of_ipv4(data: bytes) -> Heard:
    """What does a raw IPv4 socket give? Its packets have their IP header."""
    source, destination = (str(ipaddress.IPv4Address(data[at : at + 4])) for at in (12, 16))
    return Heard(data[9], source, destination, data[(data[0] & 15) * 4 :])


def of_ipv6(data: bytes) -> Heard:
    """What is in a whole IPv6 packet? Without extension headers: no probe has one."""
    source, destination = (str(ipaddress.IPv6Address(data[at : at + 16])) for at in (8, 24))
    return Heard(data[6], source, destination, data[40:])


def answer(heard: Heard, listeners: Mapping[int, str]) -> tuple[Flow, str] | None:
    """Which probe does this packet answer, and what does it say? `listeners` are known by their segment size."""
    try:
        if heard.protocol == socket.IPPROTO_TCP:
            return _tcp_answer(heard, listeners)
        if heard.protocol == socket.IPPROTO_UDP:
            return _udp_answer(heard)
        return _icmp_answer(heard)
    except (struct.error, IndexError, ipaddress.AddressValueError):  # cut short
        return None


def _tcp_answer(heard: Heard, listeners: Mapping[int, str]) -> tuple[Flow, str] | None:
    port, sport, _, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", heard.body)
    if not flags & ACK or not flags & (SYN | RST):
        return None
    nonce = (acknowledged - 1) & 0xFFFFFFFF
    sent = Flow("tcp", heard.destination, heard.source, sport, port, nonce)
    if flags & RST:
        return sent, "tcp reset"
    return sent, listeners.get(segment_size(heard.body[20 : (offset >> 4) * 4]), "accept")


def segment_size(options: bytes) -> int:
    """Which maximum segment size do these TCP options tell? 0 for none."""
    while len(options) > 1 and options[0]:
        length = 1 if options[0] == 1 else options[1]
        if options[0] == MSS:
            return int.from_bytes(options[2:4])
        options = options[max(1, length) :]
    return 0


def _udp_answer(heard: Heard) -> tuple[Flow, str] | None:
    port, sport, _, _, nonce = struct.unpack_from("!HHHHI", heard.body)
    said = heard.body[12:].decode("ascii", "replace")
    return (Flow("udp", heard.destination, heard.source, sport, port, nonce), said) if said else None


def _icmp_answer(heard: Heard) -> tuple[Flow, str] | None:
    kind, code = heard.body[0], heard.body[1]
    if kind != UNREACHABLE[heard.protocol]:
        return None
    version = "icmp" if heard.protocol == socket.IPPROTO_ICMP else "icmpv6"
    quoted = (of_ipv4 if version == "icmp" else of_ipv6)(heard.body[8:])
    if quoted.protocol not in PROTOCOLS:
        return None
    sport, port = struct.unpack_from("!HH", quoted.body)
    protocol = PROTOCOLS[quoted.protocol]
    (nonce,) = struct.unpack_from("!I", quoted.body, 4 if protocol == "tcp" else 8)
    sent = Flow(protocol, quoted.source, quoted.destination, sport, port, nonce)
    return sent, f"{version} {CODES[heard.protocol].get(code, code)}"
