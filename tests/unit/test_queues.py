"""When is a queue full, which listener takes a connection, and how many local ports are left?"""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.evidence import HostEvidence
from whyrefused.facts import limits
from whyrefused.facts.queues import Watched, taking
from whyrefused.probes.listeners import Listener
from whyrefused.probes.queues import Queue
from whyrefused.records import CouldNotLook


def watched(*looks: tuple[int, int, int | None], overflowed: int = 0) -> Watched:
    """A queue that was seen so: waiting, backlog, drops."""
    found = tuple(
        Queue(address=ip_address("192.0.2.1"), port=80, device="", queued=queued, backlog=backlog, drops=drops, line="")
        for queued, backlog, drops in looks
    )
    return Watched(looks=found, overflowed=overflowed, lines=())


@pytest.mark.parametrize(
    ("seen", "full", "doubt"),
    [
        (watched((0, 128, 0)), False, ""),
        (watched((0, 128, 9)), False, "has room now, and has dropped 9 since it listens"),
        (watched((0, 0, 0)), False, ""),
        (watched((1, 1, 0), (0, 1, 0)), False, ""),
        (watched((1, 1, 5), (1, 1, 5)), False, ""),
        (watched((2, 1, 5), (2, 1, 9), overflowed=4), True, "is full at times"),
        (watched((2, 1, 5), (2, 1, 5)), True, "is full at times"),
        (watched((2, 1, None), (2, 1, None)), True, "is full at times"),
        (watched((2, 1, 5), (0, 1, 5)), None, "is full at times"),
        (watched((2, 1, 5), (0, 1, 7), overflowed=2), True, "is full at times"),
        (watched((2, 1, 5), (0, 1, 7)), None, "is full at times"),
        (watched((1, 5, 5), (1, 5, 7), overflowed=2), None, "dropped 2 while we looked"),
    ],
)
def test_full(*, seen: Watched, full: bool | None, doubt: str) -> None:
    """A queue is full where more wait than its backlog, at both looks, or at one while it dropped something."""
    assert seen.full is full
    assert doubt == seen.doubt


@pytest.mark.parametrize(
    ("queued", "backlog", "free"), [(0, 0, 1.0), (1, 0, 0.0), (2, 0, 0.0), (0, 9, 1.0), (5, 9, 0.5), (10, 9, 0.0)]
)
def test_free(queued: int, backlog: int, free: float) -> None:
    """A queue holds one more than its backlog."""
    assert free == watched((queued, backlog, 0)).free


def listener(address: str, device: str = "", *, v6only: bool | None = None) -> Listener:
    """A listener on port 80 of this address."""
    return Listener(
        protocol="tcp", address=ip_address(address), port=80, device=device, v6only=v6only, backlog=1, queued=0,
        unit=None, processes=(), line="",
    )  # fmt: skip


ANY = listener("0.0.0.0")  # noqa: S104 - read, not opened
OWN, BOTH, SIX = listener("192.0.2.1"), listener("::", v6only=False), listener("::", v6only=True)


@pytest.mark.parametrize(
    ("found", "dialled", "takes"),
    [
        ((ANY,), "192.0.2.1", (ANY,)),
        ((ANY, OWN), "192.0.2.1", (OWN,)),
        ((ANY, OWN), "192.0.2.2", (ANY,)),
        ((ANY, BOTH), "192.0.2.1", (ANY,)),
        ((ANY, BOTH), "2001:db8::1", (BOTH,)),
        ((SIX,), "192.0.2.1", ()),
        ((OWN,), "192.0.2.2", ()),
        ((ANY, ANY), "192.0.2.1", (ANY, ANY)),
    ],
)
def test_taking(found: tuple[Listener, ...], dialled: str, takes: tuple[Listener, ...]) -> None:
    """The most specific listener takes a connection; where none answers, nothing is said of any queue."""
    host = HostEvidence("web1", None)
    if takes:
        assert takes == taking(host, found, ip_address(dialled), "eth0")
    else:
        with pytest.raises(CouldNotLook):
            taking(host, found, ip_address(dialled), "eth0")


RESERVED = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


@given(low=st.integers(1, 20), size=st.integers(0, 20), reserved=RESERVED)
def test_usable(low: int, size: int, reserved: list[tuple[int, int]]) -> None:
    """As many local ports are usable as are in the range and in no reserved span."""
    held = {port for first, last in reserved for port in range(first, last + 1)}
    words = ",".join(f"{first}-{last}" for first, last in reserved)
    expected = len(set(range(low, low + size + 1)) - held)
    assert expected == limits._usable(low, low + size, words)  # noqa: SLF001 - a function of its own
