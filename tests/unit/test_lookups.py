"""What nameservers on loopback answer, and what is made of it: those of the host, and those declared of a zone."""

from __future__ import annotations

import contextlib
import importlib
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.probes import Unreadable, lookups
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whyrefused.probes.lookups import Lookup

PROGRAM: Any = importlib.import_module("whyrefused.probes.remote.lookup")
OWN, RECURSE, CUT = 0x8400, 0x8180, 0x8600  # QR and AA; QR, RD and RA; QR, AA and TC
A, NS, CNAME, SOA, AAAA = 1, 2, 5, 6, 28
NAME, WEB = "web.example.test", bytes([198, 18, 0, 11])


def wire(name: str) -> bytes:
    """A name as it stands in a packet."""
    return b"".join(bytes([len(one)]) + one.encode() for one in name.split(".") if one) + b"\0"


def record(name: str, kind: int, data: bytes, ttl: int = 600) -> bytes:
    """One record of an answer."""
    return wire(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


@dataclass(frozen=True)
class Says:
    """What a server answers to whatever it is asked."""

    flags: int = OWN
    found: tuple[bytes, ...] = ()
    beside: tuple[bytes, ...] = ()  # in the authority section

    def to(self, asked: bytes) -> bytes:
        """Answer this question; of an address it has none of the other family."""
        kind = struct.unpack(">H", asked[-4:-2])[0]
        found = [one for one in self.found if struct.unpack_from(">H", one, one.index(b"\0") + 1)[0] in {kind, CNAME}]
        head = struct.pack(">HHHHH", self.flags, 1, len(found), len(self.beside), 0)
        return asked[:2] + head + asked[12:] + b"".join((*found, *self.beside))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Callable[..., dict[str, tuple[Lookup, ...]]]]:
    """Asks servers of the test's own, each at its address on one port, and keeps what each was asked."""
    with contextlib.ExitStack() as stack:
        yield lambda says, *names, own="127.0.0.1", search="": _asked(stack, tmp_path, says, names, own, search)


QUESTIONS: dict[str, list[bytes]] = {}


def _asked(  # noqa: PLR0913, PLR0917 - as the fixture hands them on
    stack: contextlib.ExitStack,
    folder: Path,
    says: dict[str, Says | None],
    names: tuple[str, ...],
    own: str,
    search: str,
) -> dict[str, tuple[Lookup, ...]]:
    QUESTIONS.clear()
    first = stack.enter_context(_bound("127.0.0.1", 0))
    port = first.getsockname()[1]
    ends = {
        address: first if address == "127.0.0.1" else stack.enter_context(_bound(address, port)) for address in says
    }
    for address, end in ends.items():
        QUESTIONS[address] = []
        threading.Thread(target=_serve, args=(end, says[address], QUESTIONS[address]), daemon=True).start()
    (folder / "resolv.conf").write_text(f"nameserver {own}\n{search}")
    text = (files("whyrefused.probes") / "remote/lookup.py").read_text()
    text = text.replace("port=53", f"port={port}").replace("/etc/resolv.conf", str(folder / "resolv.conf"))
    ran = subprocess.run(
        [sys.executable, "-ISBc", text, *names], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    return {name: tuple(found) for name, found in lookups.parse(Frame(text=ran.stdout, status=0)).items()}  # type: ignore[arg-type]


def _bound(address: str, port: int) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind((address, port))
    return end


def _serve(end: socket.socket, says: Says | None, questions: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            question, client = end.recvfrom(4096)
            questions.append(question)
            if says:
                end.sendto(says.to(question), client)


def words(found: tuple[Lookup, ...], kind: str = "A") -> dict[str, tuple[str, list[str], bool | None]]:
    """Word, addresses, and is it the server's own? By server."""
    return {one.server: (one.word, list(map(str, one.addresses)), one.own) for one in found if one.type == kind}


RIGHT = Says(found=(record(NAME, A, WEB),))
ZONE = "@example.test=127.0.0.2"


def test_a_zone_is_asked_for_what_it_knows_itself(asked: Callable[..., Any]) -> None:
    """Without recursion, of a name that is wrong; the host's own nameserver with it."""
    old = Says(flags=RECURSE, found=(record(NAME, A, bytes([198, 18, 0, 12]), 77),))
    found = asked({"127.0.0.1": old, "127.0.0.2": RIGHT}, ZONE, f"!{NAME}")[NAME]
    assert {"127.0.0.1": ("NOERROR", ["198.18.0.12"], False), "127.0.0.2": ("NOERROR", ["198.18.0.11"], True)} == words(
        found
    )
    assert [("", 77), ("example.test", 600)] == [(one.zone, one.seconds) for one in found if one.type == "A"]
    assert {address: {question[2] & 1 for question in kept} for address, kept in QUESTIONS.items()} == {
        "127.0.0.1": {1}, "127.0.0.2": {0},
    }  # fmt: skip


@pytest.mark.parametrize("names", [(ZONE, NAME), (NAME,), (ZONE, "!web.example.org"), (ZONE, "!webexample.test")])
def test_nobody_else_is_asked_of_a_zone(asked: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Neither where the host has it right, nor for a name that only looks as if it were under the zone."""
    found = asked({"127.0.0.1": RIGHT, "127.0.0.2": RIGHT}, *names)
    assert ({"127.0.0.1"}, []) == ({one.server for each in found.values() for one in each}, QUESTIONS["127.0.0.2"])


def test_the_nearest_zone_counts(asked: Callable[..., Any]) -> None:
    """Of two zones above a name the servers of the longer one are asked, also for a short name that is completed."""
    ends = {f"127.0.0.{number}": RIGHT for number in (1, 2, 3)}
    for name in (f"!{NAME}", "!web", "!WEB.Example.TEST."):
        found = asked(ends, "@test=127.0.0.3", ZONE, name, search="search example.test\n")[name[1:]]
        assert {"127.0.0.1", "127.0.0.2"} >= {one.server for one in found if one.fqdn.lower() == NAME}
        assert {"example.test"} == {one.zone for one in found if one.server == "127.0.0.2"}


OTHER = "web.example.org"
CASES = {
    "own": (RIGHT, "NOERROR", ["198.18.0.11"]),
    "not its own": (Says(flags=RECURSE, found=RIGHT.found), "NOT-AUTHORITATIVE", []),
    "referral": (Says(flags=0x8000, beside=(record("example.test", NS, wire("ns")),)), "NOT-AUTHORITATIVE", []),
    "refused": (Says(flags=OWN | 5), "REFUSED", []),
    "failed": (Says(flags=OWN | 2), "SERVFAIL", []),
    "no such name": (Says(flags=OWN | 3, beside=(record("example.test", SOA, b""),)), "NXDOMAIN", []),
    "no address": (Says(beside=(record("example.test", SOA, b""),)), "NOERROR", []),
    "no address, and who has the zone": (Says(beside=(record("example.test", NS, wire("ns")),)), "NOERROR", []),
    "cut": (Says(flags=CUT, found=RIGHT.found), "TRUNCATED", []),
    "alias": (
        Says(found=(record(NAME, CNAME, wire("w.example.test")), record("w.example.test", A, WEB))),
        "NOERROR", ["198.18.0.11"],
    ),
    "alias, backwards": (
        Says(found=(record("W.example.test", A, WEB), record(NAME.upper(), CNAME, wire("w.Example.test")))),
        "NOERROR", ["198.18.0.11"],
    ),
    "alias that leads out": (
        Says(found=(record(NAME, CNAME, wire(OTHER)), record(OTHER, A, WEB))), "ALIAS-ELSEWHERE", [],
    ),
    "alias that leads out to nothing": (
        Says(flags=OWN | 3, found=(record(NAME, CNAME, wire(OTHER)),)), "ALIAS-ELSEWHERE", [],
    ),
    "alias to where others have the zone": (
        Says(
            found=(record(NAME, CNAME, wire("w.sub.example.test")),),
            beside=(record("sub.example.test", NS, wire("ns")),),
        ), "ALIAS-ELSEWHERE", [],
    ),
    "alias to where it has the zone too": (
        Says(
            found=(record(NAME, CNAME, wire("w.sub.example.test")),),
            beside=(record("sub.example.test", SOA, b""), record("sub.example.test", NS, wire("ns"))),
        ), "NOERROR", [],
    ),
    "alias to nothing": (Says(found=(record(NAME, CNAME, wire("w.example.test")),)), "NOERROR", []),
    "alias to itself": (Says(found=(record(NAME, CNAME, wire(NAME)),)), "NOERROR", []),
    "of another name": (Says(found=(record("w.example.test", A, WEB),)), "NOERROR", []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_counts_as_a_word_of_the_zone(asked: Callable[..., Any], case: str) -> None:
    """Only what the server has the zone for; what is said of another name, or by others, is none."""
    says, word, addresses = CASES[case]
    found = asked({"127.0.0.1": RIGHT, "127.0.0.2": says}, ZONE, f"!{NAME}")[NAME]
    assert (word, addresses) == words(found)["127.0.0.2"][:2]


def test_a_silent_zone_keeps_nobody_waiting_for_more(asked: Callable[..., Any]) -> None:
    """What says nothing, where nobody listens, and what talks nonsense is told so; the host's own answer is there."""
    nonsense = Says(beside=(b"\xc0\xff" * 9,))
    found = asked(
        {"127.0.0.1": RIGHT, "127.0.0.2": None, "127.0.0.4": nonsense},
        "@example.test=127.0.0.2,127.0.0.3,127.0.0.4", f"!{NAME}",
    )[NAME]  # fmt: skip
    assert ["NOERROR", "TIMEOUT", "ECONNREFUSED", "TIMEOUT"] == [word for word, _, _ in words(found).values()]
    assert 2 * 2 == len(QUESTIONS["127.0.0.2"])  # for each family, and once more


@given(st.binary(max_size=120), st.booleans())
def test_any_packet(packet: bytes, closely: bool) -> None:  # noqa: FBT001 - the case's own
    """Whatever a nameserver sends is read, or refused in a way that counts as no answer."""
    with contextlib.suppress(IndexError, ValueError, struct.error):
        word, _, _, found = PROGRAM.answer(b"\0\0" + packet, closely)
        assert word
        assert all(target is None or closely for _, _, target, _ in found)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=30))
def test_pointers_that_lead_in_circles(jumps: list[int]) -> None:
    """A name of pointers ends, however they lead (RFC 1035, 4.1.4)."""
    data = b"\0" * 2 + b"".join(struct.pack(">H", 0xC000 | 2 * (one % len(jumps)) + 2) for one in jumps)
    with pytest.raises((IndexError, ValueError, struct.error)):
        PROGRAM.labels(data, 2)


@pytest.mark.parametrize("zone", ["test", "example.test", "web.example.test"])
def test_a_name_is_within(zone: str) -> None:
    """A zone has its own name, and those that end with it after a dot."""
    parts = PROGRAM.encoded(zone)
    assert PROGRAM.within(PROGRAM.encoded(NAME), parts)
    assert not PROGRAM.within(PROGRAM.encoded(f"x{zone}"), parts)
    assert not PROGRAM.within((), parts)


ROW = f"{NAME}\tzone:example.test\t127.0.0.2\t{NAME}\tA\tNOERROR\t198.18.0.11"


@pytest.mark.parametrize(
    ("end", "own", "seconds"),
    [
        ("", None, None),
        ("\taa\t600", True, 600),
        ("\t-\t-", False, None),
        ("\taa\t-9", True, None),
        ("\tx\t" + "9" * 99, False, None),
    ],
)
def test_rows(end: str, own: bool | None, seconds: int | None) -> None:  # noqa: FBT001 - as they are told
    """Rows of before had no word on whose answer it is."""
    (one,) = lookups.parse(Frame(text=f"{ROW}{end}\n{NAME}\tend\n", status=0))[NAME]
    assert (own, seconds, "example.test") == (one.own, one.seconds, one.zone)  # type: ignore[union-attr]


def test_rows_of_other_shapes() -> None:
    """What is no row is none; an address that is none makes all of it unreadable."""
    text = f"{ROW}\taa\n{ROW}\taa\t1\t1\n{NAME}\tzones\t1\t{NAME}\tA\tNOERROR\t-\n{NAME}\tend\n"
    assert {NAME: ()} == lookups.parse(Frame(text=text, status=0))
    with pytest.raises(Unreadable):
        lookups.parse(Frame(text=ROW.replace("198.18.0.11", "198.18.0.1;id") + "\n", status=0))
