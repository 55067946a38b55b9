"""Which programs go through a proxy to a destination? What is told of each is what the program itself does."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.plan.no_proxy import READERS, meant, proxy_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL, NONE = ("curl", "wget", "Python", "Go"), ()
PROXY = "http://proxy.example.com:3128"

# no_proxy, host, port, and the programs that then go directly.
CASES = [
    ("a.test", "a.test", 80, ALL),
    ("a.test", "x.a.test", 80, ALL),
    ("a.test", "xa.test", 80, NONE),
    (".a.test", "x.a.test", 80, ALL),
    (".a.test", "a.test", 80, ("curl", "Python")),
    ("*.a.test", "x.a.test", 80, ("Go",)),
    ("*.a.test", "a.test", 80, NONE),
    ("A.Test", "a.tesT", 80, ALL),
    ("a.test:81", "a.test", 81, ("Python", "Go")),
    ("a.test:81", "a.test", 82, NONE),
    ("*", "a.test", 80, ("curl", "Python", "Go")),
    ("*,b.test", "a.test", 80, ("Go",)),
    ("b.test,a.test", "a.test", 80, ALL),
    ("b.test, a.test", "a.test", 80, ALL),
    ("b.test a.test", "a.test", 80, ("curl",)),
    ("a.test c.test", "a.test", 80, ("curl",)),
    ("127.0.0.0/8", "127.0.0.5", 80, ("curl", "Go")),
    ("127.0.0.5", "127.0.0.5", 80, ALL),
    ("0.0.5", "127.0.0.5", 80, ("wget", "Python", "Go")),
    ("", "localhost", 80, ("Go",)),
    ("localhost", "127.0.0.1", 80, ("Go",)),
    ("localhost", "localhost", 80, ALL),
    ("::1", "::1", 80, ALL),
    ("", "a.test", 80, NONE),
]


@pytest.mark.parametrize(("value", "host", "port", "direct"), CASES)
def test_reads(value: str, host: str, port: int, direct: tuple[str, ...]) -> None:
    """Each program reads the value in its own way."""
    environment = {"http_proxy": PROXY, "no_proxy": value}
    assert list(direct) == [one for one in READERS if not proxy_for(one, environment, "http", host, port)]


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[int, list[str]]]:
    """A proxy on loopback that notes what it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


COMMANDS = {
    "curl": ("curl", "-qsS", "-m", "4", "-o", "/dev/null"),
    "wget": ("wget", "--no-config", "-q", "-t", "1", "-T", "4", "-O", "/dev/null"),
}


@pytest.mark.parametrize("program", [one for one in COMMANDS if shutil.which(one)])
@pytest.mark.parametrize("case", [case for case in CASES if ":" not in case[1]], ids=str)
def test_as_the_program(
    proxy: tuple[int, list[str]], program: str, case: tuple[str, str, int, tuple[str, ...]]
) -> None:
    """The program that is installed here does what is told of it."""
    number, asked = proxy
    value, host, port, direct = case
    asked.clear()
    environment = {"PATH": os.environ["PATH"], "http_proxy": f"http://127.0.0.1:{number}", "no_proxy": value}
    # Nothing listens on loopback there; the names are not known anywhere (RFC 6761).
    subprocess.run([*COMMANDS[program], f"http://{host}:{port}/"], env=environment, capture_output=True, check=False)
    assert (program not in direct) is bool(asked)


ENTRY = st.text("ab.*:18 ", max_size=8)
HOST = st.text("ab.", min_size=1, max_size=6).filter(lambda text: not text.startswith(".") and not text.endswith("."))


@given(entries=st.lists(ENTRY, max_size=4), host=HOST, port=st.sampled_from([80, 81]))
def test_as_urllib(entries: list[str], host: str, port: int) -> None:
    """Python's own reading is ours, whatever stands there."""
    value = ",".join(entries).strip()
    bypassed = bool(urllib.request.proxy_bypass_environment(f"{host}:{port}", {"no": value} if value else {}))
    assert bypassed is not bool(proxy_for("Python", {"http_proxy": PROXY, "no_proxy": value}, "http", host, port))


@pytest.mark.parametrize(
    ("variables", "scheme", "through"),
    [
        ({"HTTP_PROXY": PROXY}, "http", ("Python", "Go")),
        ({"HTTPS_PROXY": PROXY}, "https", ("curl", "Python", "Go")),
        ({"https_proxy": PROXY}, "https", ALL),
        ({"https_proxy": PROXY}, "http", NONE),
        ({"all_proxy": PROXY}, "https", ("curl",)),
        ({"http_proxy": ""}, "http", NONE),
        ({"http_proxy": PROXY, "NO_PROXY": "a.test"}, "http", ("wget",)),
    ],
)
def test_variables(variables: dict[str, str], scheme: str, through: tuple[str, ...]) -> None:
    """Each program knows some of the variables."""
    assert list(through) == [one for one in READERS if proxy_for(one, variables, scheme, "a.test", 443)]


@pytest.mark.parametrize(
    ("entry", "host", "yes"),
    [
        (".a.test", "a.test", True),
        ("*.a.test", "x.a.test", True),
        ("a.test", "xa.test", False),
        ("198.51.100.0/24", "198.51.100.7", True),
        ("198.51.100.0/24", "a.test", False),
        ("*", "a.test", True),
    ],
)
def test_meant(entry: str, host: str, yes: bool) -> None:  # noqa: FBT001 - a case's answer
    """What the inventory declares is read as a person means it."""
    assert yes is meant((entry,), host)


@given(value=st.text(max_size=30), host=st.text(max_size=20), port=st.integers(1, 65535))
def test_any_text(value: str, host: str, port: int) -> None:
    """Whatever a host says, there is an answer."""
    for program in READERS:
        assert proxy_for(program, {"http_proxy": PROXY, "no_proxy": value}, "http", host, port) in {"", PROXY}


def test_loopback_is_free() -> None:
    """The cases with loopback addresses need nobody to listen on port 80 there."""
    with socket.socket() as one:
        assert one.connect_ex(("127.0.0.5", 80)) != 0
