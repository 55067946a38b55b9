"""Both dialers tell the same of the same situation, made with real sockets on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from whyrefused.probes import dials
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., dict[str, dials.Dial]]

DIALERS = {
    "python3": ("-ISBc", "dial.py"),
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


def python(*keys: str) -> dict[str, dials.Dial]:
    """What the one of the two says that speaks to proxies."""
    text = (files("whyrefused.probes") / "remote" / "dial.py").read_text()
    command = [sys.executable, "-ISBc", text, "1", *keys]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return dict(dials.parse(Frame(text=ran.stdout, status=ran.returncode)))


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


def replying(head: bytes, *, then: bytes = b"") -> Callable[[socket.socket], None]:
    """A proxy, or what passes for one: answers a request with this; `then` is what the server behind it says."""

    def treat(taken: socket.socket) -> None:
        taken.settimeout(5)
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = taken.recv(4096)
            if not more:
                break
            asked += more
        taken.sendall(head + then)
        if b" 200 " not in head[:20]:
            taken.close()
        else:
            time.sleep(1)
            taken.close()

    return treat


PROXIED = [
    ("CONNECT", b"HTTP/1.1 200 Connection established\r\n\r\n", "open", "connected"),
    ("CONNECT", b"HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n", "open", "connected"),
    ("CONNECT", b"HTTP/1.1 403 Access violation\r\nServer: tinyproxy/1.11.1\r\n\r\n", "denied", "proxy-error"),
    ("CONNECT", b"HTTP/1.1 405 Not Allowed\r\nServer: nginx\r\n\r\n", "denied", "proxy-error"),
    ("CONNECT", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "auth", "proxy-error"),
    ("CONNECT", b"HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n", "upstream",
     "proxy-error"),
    ("CONNECT", b"SSH-2.0-OpenSSH_9.2\r\n", "no-proxy", "proxy-error"),
    ("CONNECT", b"", "closed", "reset"),
    ("HEAD", b"HTTP/1.1 403 Forbidden\r\nServer: nginx\r\nVia: 1.1 proxy1\r\n\r\n", "open", "connected"),
    ("HEAD", b"HTTP/1.1 403 Access denied\r\nServer: tinyproxy/1.11.1\r\n\r\n", "denied", "proxy-error"),
    ("HEAD", b"HTTP/1.1 500 Unable to connect\r\nServer: tinyproxy/1.11.1\r\n\r\n", "upstream", "proxy-error"),
    ("HEAD", b"HTTP/1.1 500 Internal Server Error\r\nServer: nginx\r\n\r\n", "open", "connected"),
    ("HEAD", b"HTTP/1.1 301 Moved\r\n\r\n", "open", "connected"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "head", "outcome", "symptom"), PROXIED)
def test_through(method: str, head: bytes, outcome: str, symptom: str) -> None:
    """What a proxy answers decides, and who it is that answers."""
    with listening() as listener:
        serve(listener, replying(head))
        key = dials.key("web.example.test", 80, "", f"{method}+http://127.0.0.1:{port_of(listener)}")
        found = python(key)[key]
    assert (outcome, symptom) == (found.outcome, found.symptom)
    assert [("127.0.0.1", "ok")] == [(str(one.address), one.word) for one in found.tries]


def test_through_asks() -> None:
    """The request names the server and nothing else; a tunnel that is closed behind the proxy is no connection."""
    with listening() as listener:
        asked: list[bytes] = []

        def treat(taken: socket.socket) -> None:
            asked.append(taken.recv(4096))
            taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            taken.close()

        serve(listener, treat)
        key = dials.key("2001:db8::1", 443, "", f"CONNECT+http://localhost:{port_of(listener)}")
        found = python(key)[key]
    assert ("closed", "reset", True) == (found.outcome, found.symptom, found.passes_on)
    assert (
        b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nUser-Agent: whyrefused\r\n\r\n" == asked[0]
    )


def test_through_a_gateway() -> None:
    """A 502 without a mark may be the server's own: a CONNECT to the same place tells."""
    with listening() as listener:
        serve(listener, replying(b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\n\r\n"))
        key = dials.key("web.example.test", 80, "", f"HEAD+http://127.0.0.1:{port_of(listener)}")

        def later() -> None:
            time.sleep(0.1)
            serve(listener, replying(b"HTTP/1.1 200 OK\r\n\r\n"))

        threading.Thread(target=later, daemon=True).start()
        found = python(key)[key]
    assert ["HEAD", "CONNECT"] == [one.method for one in found.answers]
    assert ("open", "connected") == (found.outcome, found.symptom)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1080", "not dialled through a socks5 proxy"),
        ("https://127.0.0.1:1080", "not dialled through an https proxy"),
        ("http://proxy.example.test", "not dialled: the declared proxy has no port, and programs differ in theirs"),
    ],
)
def test_not_through(proxy: str, words: str) -> None:
    """A proxy that is not spoken to is said to be none, and nothing is known of the path."""
    key = dials.key("web.example.test", 443, "", f"CONNECT+{proxy}")
    assert words == python(key)[key].unable


def test_as_nobody() -> None:
    """A user who is not there is told in words."""
    key = dials.key("127.0.0.1", 1, "user:no-such-user")
    assert python(key)[key].unable == "no such user: no-such-user"


def test_dead_proxy() -> None:
    """Nobody listens there: the tries are those of the proxy, and no answer is told."""
    with listening() as listener:
        number = port_of(listener)
    key = dials.key("web.example.test", 443, "", f"CONNECT+http://127.0.0.1:{number}")
    found = python(key)[key]
    assert (None, "refused") == (found.outcome, found.symptom)


def test_fifty_that_are_silent(dial: Run) -> None:
    """Fifty endpoints that drop what comes are dialled side by side: all are told of, and none waits for another."""
    with contextlib.ExitStack() as stack:
        keys = []
        for _ in range(50):
            listener = stack.enter_context(listening(backlog=0))
            for _ in range(3):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)  # noqa: FBT003 - the name of the call says it
                client.connect_ex(listener.getsockname())
            keys.append(dials.key("127.0.0.1", port_of(listener)))
        start = time.monotonic()
        found = dial(*keys, patience="2")
        took = time.monotonic() - start
    assert set(keys) == set(found)
    assert {"ETIMEDOUT"} == {one.tries[0].word for one in found.values()}
    assert took < sum(one.tries[0].milliseconds for one in found.values()) / 1000 / 2


def test_no_more_than_so_many_at_one_place() -> None:
    """Of a hundred paths through one proxy no more than 32 are open at once, and all are dialled."""
    open_ = peak = 0
    lock = threading.Lock()

    def answer(taken: socket.socket) -> None:
        nonlocal open_, peak
        with lock:
            open_ += 1
            peak = max(peak, open_)
        with taken:
            taken.recv(4096)
            time.sleep(0.05)
            with lock:
                open_ -= 1
            taken.sendall(b"HTTP/1.1 502 Bad Gateway\r\nServer: squid\r\n\r\n")

    with listening(backlog=128) as listener:

        def accept() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(taken,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        proxy = f"CONNECT+http://127.0.0.1:{port_of(listener)}"
        found = python(*(dials.key(f"name{number}.example.test", 80, "", proxy) for number in range(100)))
        listener.shutdown(socket.SHUT_RDWR)
    assert (100, {"502"}) == (len(found), {one.answers[0].line.split()[1] for one in found.values()})
    assert 0 < peak <= 32
