"""Why could a unit not take its port, by its own last words?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.facts import bind_errors
from whyrefused.probes.trouble import Said, Trouble


def said(*lines: str) -> tuple[Said, ...]:
    """These lines."""
    return tuple(Said(by_systemd=False, job="", line=line) for line in lines)


def trouble(*lines: str, earlier: tuple[str, ...] = ()) -> Trouble:
    """A unit that said this when it last started."""
    return Trouble(
        unit="a.service",
        journal=said(*lines),
        earlier=said(*earlier),
        unheard="",
        needs=(),
        mentions=(),
        network="",
        sockets_seen=False,
        unix=(),
    )


@pytest.mark.parametrize(
    ("line", "kind", "ports"),
    [
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", "in-use", (80,)),
        ("[ALERT] Binding [/x:2] for proxy x: cannot bind socket (Address already in use) for [0.0.0.0:80]", "in-use",
         (80,)),
        ("OSError: [Errno 98] Address already in use", "in-use", ()),
        ("12:22:53 [emerg] x.conf:22 bind() to 0.0.0.0:80 failed (98: Address already in use)", "in-use", (80,)),
        ("listen tcp :8080: bind: address already in use", "in-use", (8080,)),
        ("Error: listen EADDRINUSE: address already in use :::3000", "in-use", (3000,)),
        ("(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80", "in-use", (80,)),
        ("error: Bind to port 22 on 0.0.0.0 failed: Address already in use.", "in-use", (22,)),
        ("dnsmasq: failed to create listening socket for port 53: Address already in use", "in-use", (53,)),
        ("web.socket: Failed to create listening socket ([::]:80): Address already in use", "in-use", (80,)),
        ('could not bind IPv4 address "0.0.0.0": Address already in use', "in-use", ()),
        ("OSError: [Errno 99] Cannot assign requested address", "not-available", ()),
        ("nginx: bind() to 203.0.113.9:80 failed (99: Cannot assign requested address)", "not-available", (80,)),
        ("E bind(5, {AF=2 0.0.0.0:443}, 16): Permission denied", "not-permitted", (443,)),
        ("listen tcp :80: bind: permission denied", "not-permitted", (80,)),
    ],
)  # fmt: skip
def test_error(line: str, kind: str, ports: tuple[int, ...]) -> None:
    """The daemons' own words for bind(2)'s errors, and the ports that they name."""
    found = bind_errors.of(trouble("starting", line, "exiting"))
    assert found is not None
    assert (kind, ports) == (found.kind, found.ports)
    assert line == found.said.line


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("nginx: [emerg] unknown directive in /etc/nginx/nginx.conf:3",),
        ("open /etc/app/key.pem: Permission denied",),
        ("PermissionError: [Errno 13] Permission denied: '/var/lib/app'",),
        ("a.service: Failed to locate executable /usr/bin/a: Permission denied",),
    ],
)
def test_no_error(lines: tuple[str, ...]) -> None:
    """A file that is denied, and any other reason, is none of these."""
    assert bind_errors.of(trouble(*lines)) is None


def test_python_trace() -> None:
    """Python names the call some lines above the error."""
    found = bind_errors.of(
        trouble("self.socket.bind(self.server_address)", "PermissionError: [Errno 13] Permission denied")
    )
    assert found is not None
    assert "not-permitted" == found.kind


def test_last() -> None:
    """The last line of its kind counts; a unit that is well has none."""
    found = bind_errors.of(trouble("bind 1.1.1.1:1: Address already in use", "bind: Cannot assign requested address"))
    assert found is not None
    assert "not-available" == found.kind
    assert bind_errors.of(None) is None


def test_again() -> None:
    """What a start before the last said counts only for one that is started again and again."""
    just_begun = trouble("starting", earlier=("OSError: [Errno 98] Address already in use",))
    assert bind_errors.of(just_begun) is None
    assert bind_errors.of(just_begun, again=True) is not None


@given(lines=st.lists(st.text(max_size=200), max_size=12))
def test_any_text(lines: list[str]) -> None:
    """Whatever a daemon says, the ports it may mean are numbers."""
    found = bind_errors.of(trouble(*lines))
    assert found is None or all(0 <= port <= 99999 for port in found.ports)
