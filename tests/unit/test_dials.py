"""Both dialers tell the same of the same situation, made with real sockets on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import threading
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from whyrefused.probes import dials
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., dict[str, dials.Dial]]

DIALERS = {
    "python3": ("-ISc", "dial.py"),
    "perl": ("-e", "dial.pl"),
}


@pytest.fixture(params=[name for name in DIALERS if shutil.which(name)])
def dial(request: pytest.FixtureRequest) -> Run:
    """Dials with one of the two programs."""
    option, program = DIALERS[request.param]
    text = (files("whyrefused.probes") / "remote" / program).read_text()

    def run(*keys: str, patience: str = "8") -> dict[str, dials.Dial]:
        command = [request.param, option, text, patience, *keys]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        return dict(dials.parse(Frame(text=ran.stdout, status=ran.returncode)))

    return run


@contextlib.contextmanager
def listening(address: str = "127.0.0.1", *, backlog: int = 5) -> Iterator[socket.socket]:
    """A socket that listens on a free port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
        listener.bind((address, 0))
        listener.listen(backlog)
        yield listener


def port_of(listener: socket.socket) -> int:
    """On which port does it listen?"""
    return int(listener.getsockname()[1])


def serve(listener: socket.socket, treat: Callable[[socket.socket], None]) -> None:
    """Treat the first connection that comes like this."""

    def work() -> None:
        with contextlib.suppress(OSError):
            taken, _ = listener.accept()
            treat(taken)

    threading.Thread(target=work, daemon=True).start()


def reset(taken: socket.socket) -> None:
    """Close with a RST (socket(7), SO_LINGER of 0)."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    taken.close()


def greet(taken: socket.socket) -> None:
    """Say something, then close."""
    taken.sendall(b"220 ready\r\n")
    taken.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connected(dial: Run, address: str) -> None:
    """A listener that waits for the client to speak is connected to; so it is from the same machine's address."""
    with listening(address) as listener:
        key = dials.key(address, port_of(listener))
        found = dial(key)[key]
    assert ("connected", "ok", address, address) == (
        found.symptom, found.tries[0].word, str(found.tries[0].address), found.tries[0].source
    )  # fmt: skip


@pytest.mark.parametrize(
    ("treat", "word", "symptom"),
    [(socket.socket.close, "CLOSED", "reset"), (reset, "ECONNRESET", "reset"), (greet, "ok", "connected")],
)
def test_what_follows(dial: Run, treat: Callable[[socket.socket], None], word: str, symptom: str) -> None:
    """A server that closes what it took is told from one that speaks first."""
    with listening() as listener:
        serve(listener, treat)
        key = dials.key("127.0.0.1", port_of(listener))
        found = dial(key)[key]
    assert (word, symptom) == (found.tries[0].word, found.symptom)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.1.1"])
def test_refused(dial: Run, address: str) -> None:
    """A port that nobody listens on refuses, by RST and so without an ICMP error."""
    with listening(address) as listener:
        port = port_of(listener)
    key = dials.key(address, port)
    found = dial(key)[key]
    assert ("refused", "ECONNREFUSED", None) == (found.symptom, found.tries[0].word, found.tries[0].icmp)


def test_timed_out(dial: Run) -> None:
    """A full accept queue drops what comes: the dialer gives up after the seconds it was given."""
    with listening(backlog=0) as listener, contextlib.ExitStack() as filled:
        for _ in range(3):
            client = filled.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003 - the name of the call says it
            client.connect_ex(listener.getsockname())
        key = dials.key("127.0.0.1", port_of(listener))
        found = dial(key, patience="1")[key]
    assert ("timed-out", "ETIMEDOUT") == (found.symptom, found.tries[0].word)
    assert found.tries[0].milliseconds >= 900


def test_no_name(dial: Run) -> None:
    """A name without an address is no try at all (RFC 6761: .invalid never has one)."""
    found = dial("nowhere.invalid 80")["nowhere.invalid 80"]
    assert ("dns-failure", ()) == (found.symptom, found.tries)
    assert found.no_name in {"EAI_NONAME", "EAI_AGAIN", "EAI_NODATA"}


def test_addresses_in_turn(dial: Run) -> None:
    """The addresses of a name are tried until one connects."""
    with listening() as listener:
        key = dials.key("localhost", port_of(listener))
        found = dial(key)[key]
    assert "connected" == found.symptom
    assert ["ECONNREFUSED"] * (len(found.tries) - 1) + ["ok"] == [one.word for one in found.tries]
    assert "127.0.0.1" == str(found.tries[-1].address)


def test_local_error(dial: Run) -> None:
    """What never left the machine is the machine's own error, with its name."""
    found = dial("fe80::1 80")["fe80::1 80"]
    assert ("local-error", "EINVAL", "") == (found.symptom, found.tries[0].word, found.tries[0].source)


def test_many(dial: Run) -> None:
    """More paths than are dialled at once are all dialled, each told apart."""
    with listening(backlog=200) as listener:
        open_port = port_of(listener)
        with listening() as other:
            closed = port_of(other)
        keys = [f"127.0.{number}.1 {open_port}" for number in range(40)]
        wanted = dict.fromkeys([f"127.0.0.1 {open_port}"], "connected")
        wanted |= {f"127.0.{number}.2 {closed}": "refused" for number in range(100)}
        wanted |= {key: "refused" for key in keys if key not in wanted}
        found = dial(*wanted)
    assert wanted == {key: one.symptom for key, one in found.items()}
