"""Does a listener on X answer a client that dials Y? By tables, and by what this machine's kernel does."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.facts.addresses import answers, meets, plain, together
from whyrefused.probes import addresses, listeners
from whyrefused.records import Frame

DATA = Path(__file__).parent / "data/addresses"


def flat(file: str, key: str) -> list[tuple[str, str | None, str, bool | None]]:
    """The cases of a table: listener, interface, the other address, and what must be said."""
    rows = yaml.safe_load((DATA / file).read_text())
    return [(row["listener"], row.get("interface"), text, said) for row in rows for text, said in row[key].items()]


def listener(text: str) -> listeners.Listener:
    """The listener that ss prints like this."""
    local, _, flags = text.partition(" ")
    row = f"tcp LISTEN 0 5 {local} *:* ino:1 sk:1 cgroup:/a.service {flags} <->"
    return listeners.parse(Frame(text=row, status=0))[0]


@pytest.mark.parametrize(("bound", "interface", "dialled", "said"), flat("answers.yml", "answers"))
def test_answers(bound: str, interface: str | None, dialled: str, said: bool | None) -> None:  # noqa: FBT001 - of a table
    """A listener takes this address, does not, or it is not told."""
    assert said is answers(listener(bound), ipaddress.ip_address(dialled), interface)


@pytest.mark.parametrize(("bound", "_", "bind", "said"), flat("meets.yml", "meets"))
def test_meets(bound: str, _: None, bind: str, said: bool | None) -> None:  # noqa: FBT001 - as above
    """A listener is what `bind` declares, is not, or it is not told."""
    assert said is meets(listener(bound), bind)


EVERY = "0.0.0.0"  # noqa: S104 - what is declared
OWN = addresses.parse(Frame(text="""\
1: lo    inet 127.0.0.1/8 scope host lo
1: lo    inet6 ::1/128 scope host
2: eth0    inet 192.0.2.10/24 scope global eth0
2: eth0    inet6 2001:db8::a/64 scope global
2: eth0    inet6 fe80::1/64 scope link""", status=0))  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "bind", "said"),
    [
        (("127.0.0.1:80", "192.0.2.10:80"), EVERY, True),
        (("192.0.2.10:80",), EVERY, False),
        (("127.0.0.1:80",), EVERY, False),
        (("127.0.0.1:80", "192.0.2.10%eth0:80"), EVERY, True),
        (("127.0.0.1:80", "192.0.2.10%eth1:80"), EVERY, False),
        (("[::1]:80", "[2001:db8::a]:80"), "::", True),
        (("[::1]:80", "[2001:db8::a]:80"), EVERY, False),
        (("127.0.0.1:80", "192.0.2.10:80"), "192.0.2.10", False),
        (("127.0.0.1:80", "192.0.2.10:80"), f"{EVERY}%eth0", False),
        ((), EVERY, False),
    ],
)
def test_together(bound: tuple[str, ...], bind: str, *, said: bool) -> None:
    """One listener for each address of the host, loopback too, answers what a wildcard would."""
    assert said is together([listener(one) for one in bound], bind, OWN)


V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


@given(V4)
def test_plain(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address and its mapped form are one; other IPv6 addresses are themselves."""
    assert address == plain(address) == plain(ipaddress.ip_address(f"::ffff:{address}"))


@given(V4 | V6, st.sampled_from(["", " v6only:0", " v6only:1"]))
def test_bound_to_one(address: ipaddress.IPv4Address | ipaddress.IPv6Address, flag: str) -> None:
    """A listener on one address takes that one; asked as a declaration it says the same."""
    bound = listener((f"[{address}]" if address.version == 6 else str(address)) + ":80" + flag)
    if not plain(address).is_unspecified:
        assert answers(bound, address) is True
        assert meets(bound, str(address)) is True


LOOPBACK = st.sampled_from(["127.0.0.1", "127.0.1.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::ffff:127.0.1.1"])
BOUND = LOOPBACK | st.sampled_from(["0.0.0.0", "::", "::ffff:0.0.0.0"])  # noqa: S104 - closed again at once


def text_of(address: str, port: int, *, v6only: bool) -> str:
    """How does ss print a listener that is bound like this?"""
    if ":" not in address:
        return f"{address}:{port}"
    star = address == "::" and not v6only
    return f"*:{port} v6only:0" if star else f"[{address}]:{port} v6only:{int(v6only)}"


@contextlib.contextmanager
def listening(address: str, *, v6only: bool) -> Any:  # noqa: ANN401 - a context manager of a socket
    """A real listener; None where the kernel refuses to bind it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as bound:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        try:
            bound.bind((address, 0))
        except OSError:
            yield None
            return
        bound.listen(5)
        yield bound


def connects(address: str, port: int) -> bool:
    """Does a client get through?"""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        client.settimeout(3)
        return client.connect_ex((address, port)) == 0


@settings(max_examples=150, deadline=None)
@given(address=BOUND, v6only=st.booleans(), dialled=LOOPBACK)
def test_kernel(address: str, v6only: bool, dialled: str) -> None:  # noqa: FBT001 - drawn
    """What is said of a listener is what a real connection to it does."""
    with listening(address, v6only=v6only) as bound:
        if bound is not None:
            port = bound.getsockname()[1]
            said = answers(listener(text_of(address, port, v6only=v6only)), ipaddress.ip_address(dialled), "lo")
            assert said is connects(dialled, port)


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed")
@pytest.mark.parametrize("v6only", [True, False])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"])  # noqa: S104 - as above
def test_kernel_by_ss(address: str, v6only: bool) -> None:  # noqa: FBT001 - a table of two
    """From the real listener through ss and its parser to the verdict, each loopback address is told right."""
    with listening(address, v6only=v6only) as bound:
        if bound is None:
            assert (address, v6only) == ("::ffff:127.0.0.1", True)
            return
        port = bound.getsockname()[1]
        printed = subprocess.run(["sh", "-c", listeners.fragment(())], stdout=subprocess.PIPE, check=True)
        rows = listeners.parse(Frame(text=printed.stdout.decode("utf-8", "surrogateescape"), status=0))
        mine = [row for row in rows if (row.protocol, row.port) == ("tcp", port)]
        for dialled in ("127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"):
            said = [answers(row, ipaddress.ip_address(dialled)) for row in mine]
            assert [connects(dialled, port)] == said
