"""Is only an answer to the probe an answer? Bytes alone, on any machine."""

from __future__ import annotations

import socket
import struct

import pytest

from .probe import Flow, Heard, answer, packet, segment_size

HERE, THERE = "192.0.2.1", "192.0.2.2"
SENT = Flow("tcp", HERE, THERE, 1234, 80, 7)
DATAGRAM = SENT._replace(protocol="udp")
LISTENERS = {600: "192.0.2.2:80"}


def segment(flags: int, acknowledged: int = 8, options: bytes = b"") -> Heard:
    """Make a TCP packet from there."""
    length = 20 + len(options)
    head = struct.pack("!HHIIBBHHH", 80, 1234, 99, acknowledged, length // 4 << 4, flags, 100, 0, 0)
    return Heard(socket.IPPROTO_TCP, THERE, HERE, head + options)


def refusal(quoted: bytes, code: int = 3, kind: int = 3) -> Heard:
    """Make an ICMP error, from a router on the way."""
    return Heard(socket.IPPROTO_ICMP, "192.0.2.9", HERE, bytes((kind, code, 0, 0, 0, 0, 0, 0)) + quoted)


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (segment(0x12, options=b"\x02\x04\x02\x58"), "192.0.2.2:80"),
        (segment(0x12, options=b"\x01\x01\x01\x01\x02\x04\x02\x58"), "192.0.2.2:80"),
        (segment(0x12, options=b"\x02\x04\x05\xb4"), "accept"),
        (segment(0x14), "tcp reset"),
        (refusal(packet(SENT)), "icmp port-unreachable"),
        (refusal(packet(SENT)[:28]), "icmp port-unreachable"),
        (refusal(packet(SENT), code=12), "icmp 12"),
    ],
)
def test_an_answer(heard: Heard, said: str) -> None:
    """It names the probe and what came."""
    assert answer(heard, LISTENERS) == (SENT, said)


def test_a_datagram() -> None:
    """It says who answers, and which of ours it read."""
    body = struct.pack("!HHHHI", 80, 1234, 20, 0, 7) + b"192.0.2.2:80"
    assert answer(Heard(socket.IPPROTO_UDP, THERE, HERE, body), {}) == (DATAGRAM, "192.0.2.2:80")
    assert answer(refusal(packet(DATAGRAM), code=13), {}) == (DATAGRAM, "icmp admin-prohibited")


@pytest.mark.parametrize(
    "heard",
    [
        segment(0x02),  # a SYN
        segment(0x10),
        segment(0x04),  # a reset of something that was no SYN
        refusal(packet(SENT), kind=11),
        refusal(packet(SENT)[:24]),
        refusal(b""),
        Heard(socket.IPPROTO_ICMP, THERE, HERE, b""),
        Heard(socket.IPPROTO_TCP, THERE, HERE, b"\x00"),
        Heard(socket.IPPROTO_UDP, THERE, HERE, b"\x00" * 12),
    ],
)
def test_no_answer(heard: Heard) -> None:
    """It answers nothing of ours."""
    assert answer(heard, LISTENERS) is None


@pytest.mark.parametrize(
    "heard",
    [
        segment(0x12, acknowledged=9),
        segment(0x12)._replace(source="192.0.2.3"),
        segment(0x14)._replace(destination="192.0.2.3"),
        refusal(packet(SENT._replace(destination="192.0.2.3"))),
        refusal(packet(SENT._replace(port=81))),
        refusal(packet(SENT._replace(nonce=6))),
        refusal(packet(DATAGRAM)),
    ],
)
def test_the_answer_to_another(heard: Heard) -> None:
    """What differs in one respect is not ours."""
    found = answer(heard, LISTENERS)
    assert found
    assert found[0] != SENT


@pytest.mark.parametrize(
    ("options", "size"),
    [(b"", 0), (b"\x00\x02\x04\x02\x58", 0), (b"\x04\x02\x02\x04\x02\x58", 600), (b"\x05\x00\x02", 0), (b"\x03", 0)],
)
def test_segment_size(options: bytes, size: int) -> None:
    """Options that are cut short or of no length end the search."""
    assert segment_size(options) == size


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("ends", [(HERE, THERE), ("2001:db8::1", "2001:db8::2")])
def test_the_checksum_is_right(protocol: str, ends: tuple[str, str]) -> None:
    """Pseudo-header and body sum up to all ones."""
    sent = Flow(protocol, *ends, 1234, 80, 0xFFFFFFFF)
    family, start = (socket.AF_INET6, 40) if ":" in ends[0] else (socket.AF_INET, 20)
    body = packet(sent)[start:]
    number = socket.IPPROTO_TCP if protocol == "tcp" else socket.IPPROTO_UDP
    data = b"".join(socket.inet_pton(family, end) for end in ends) + struct.pack("!II", len(body), number) + body
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    assert total % 0xFFFF == 0
