"""Does anything that reads text from outside break? A minute of what `make fuzz` does for as long as wanted."""

from __future__ import annotations

import re
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.changes import changed
from fuzz.growth import LINEAR, growth
from fuzz.targets import CASES, TARGETS, Broken, corpus, probe
from whyrefused.probes import registry

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

MIB = 1 << 20
FIRST = re.compile(rb"(?m)^[\w.]+")
WORD = re.compile(rb"[A-Za-z_][\w.]+")
EXAMPLES = 25
FED = {name: corpus(name) for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name: str) -> None:
    """What real hosts printed, and all that once broke it, is read or refused."""
    for data in (b"", *FED[name]):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(chance=st.randoms(use_true_random=False))
def test_changed(name: str, chance: random.Random) -> None:
    """The same with random changes."""
    TARGETS[name](changed(chance, FED[name] or (b"",))[:16_384])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    """The same with any bytes."""
    TARGETS[name](data)


def test_what_breaks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that raises what it should not, or gives no reason, does break its target."""
    monkeypatch.setattr(registry()["identity"], "parse", lambda frame: frame.text[99])
    with pytest.raises(IndexError):
        probe("identity", b"")
    TARGETS["redaction"](b"")
    monkeypatch.setattr("fuzz.targets.redact", lambda text, *_: text)
    with pytest.raises(Broken):
        TARGETS["redaction"](b"")


READERS = [name for name in TARGETS if name not in {"framing", "redaction", "escaping", "evidence", "inventory-export"}]
"""Those that read what they are fed once; the others are measured where they stand."""


def pieces(name: str) -> list[bytes]:
    """What is repeated without end: an input, each of its lines, and the signs that formats are made of."""
    fed = FED[name][:1]
    lines = sorted({line for data in fed for line in data.split(b"\n") if line}, key=len)[-4:]
    return [*fed, *(line + b"\n" for line in lines), *(b"(", b"[", b'"', b"{", b"\t", b" ", b",", b"a=", b"\\")]


def longer(name: str) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """How is an input made long? By each piece over and over, and by many of it, each with names of its own."""
    head = FED[name][0] if FED[name] else b""
    for piece in pieces(name):
        yield f"{piece[:40]!r}", lambda size, piece=piece: piece * (size // len(piece) + 1)
        yield f"{piece[:40]!r} behind", lambda size, piece=piece: head + piece * (size // len(piece) + 1)
    for which, pattern in (("lines", FIRST), ("words", WORD)):
        yield (
            f"other {which}",
            lambda size, pattern=pattern: b"\n".join(
                pattern.sub(lambda found, at=at: b"%s%d" % (found[0], at), head)
                for at in range(size // (len(head) + 1) + 1)
            ),
        )


@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_the_input(name: str) -> None:
    """Eight times as much takes no more than a few times eight as long, whatever it is made long with."""
    grown = {how: ratio for how, made in longer(name) if (ratio := growth(TARGETS[name], made)) >= LINEAR}
    assert {} == grown


@pytest.mark.parametrize("name", READERS)
def test_memory(name: str) -> None:
    """1 MiB, or as much as the probe may print at most, costs 50 MiB at most: a quarter of it is tried."""
    most = getattr(registry().get(name.removeprefix("probe-")), "BYTES", MIB)
    size = min(most, MIB) // 4
    data = (FED[name] or (b"a=b\n",))[0] or b"\n"
    data = (data * (size // len(data) + 1))[:size]
    tracemalloc.start()
    try:
        TARGETS[name](data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * MIB / 4


def test_cases_have_targets() -> None:
    """No case is left that nothing reads."""
    assert {path.name for path in CASES.iterdir() if path.is_dir()} <= set(TARGETS)
