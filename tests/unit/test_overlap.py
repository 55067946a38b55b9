"""Does a client keep to itself what is meant for the server? By what `ip` prints, as short as it can be."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from whyrefused.case import Case
from whyrefused.evidence import HostEvidence
from whyrefused.facts.nat import overlap
from whyrefused.plan.keys.connects import PathItem
from whyrefused.probes.dials import Dial, Try
from whyrefused.records import Frame, Reply, Seen

SERVER = ("203.0.113.11/24 eth0",)


def host(name: str, addresses: tuple[str, ...], routes: tuple[str, ...]) -> HostEvidence:
    """A host with these addresses (`ADDRESS/LENGTH INTERFACE`) and rows of its main table."""
    rows = [
        f"{at}: {words.split()[1]}    inet {words.split()[0]} scope global {words.split()[1]}"
        for at, words in enumerate(addresses, 2)
    ]
    tables = "\n".join(
        f"== ip -{version} {what}\n{text}== status 0"
        for version in (4, 6)
        for what, text in (
            ("rule show", "0:\tfrom all lookup local\n"),
            ("route show table all", "".join(f"{route}\n" for route in routes) if version == 4 else ""),
        )
    )
    frames = {
        "addresses": Frame(text="\n".join(rows), status=0),
        "routes": Frame(text=f"{tables}\n== end", status=0),
    }
    return HostEvidence(name, Reply(host=name, frames=frames))


def case(word: str) -> Case:
    """A path to the server that ended so."""
    one = Try(
        address=ip_address("203.0.113.11"), word=word, milliseconds=3060, source="203.0.113.10", icmp=None, line=""
    )
    item = PathItem(host="app1", check="connects", subject="web1", wanted="", server="web1", destination="203.0.113.11",
                    port=80, server_port=None)  # fmt: skip
    seen = Seen(value=Dial(tries=(one,), no_name="", lines=()), said="", symptom=one.symptom)
    return Case(item=item, seen=seen, server="web1", port=80, protocol="tcp", bind="0.0.0.0", unit=None,  # noqa: S104
                wants_enabled=False, declared_ports={})  # fmt: skip


def web() -> HostEvidence:
    """The server, in 203.0.113.0/24."""
    return host("web1", SERVER, ("203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.11",))


HOME = "203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.10"
INNER = "203.0.113.8/29 dev {} proto kernel scope link src 203.0.113.9"
OUTER = "203.0.0.0/16 dev {} proto kernel scope link src 203.0.0.1"
DEFAULT = "default via 198.51.100.1 dev eth0"


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ((HOME, INNER.format("br-test")), True),
        ((HOME, INNER.format("eth1")), True),
        ((DEFAULT, OUTER.format("docker0")), True),  # only the engine's own guests are behind that
        ((DEFAULT, OUTER.format("eth1")), False),  # neighbours whose masks differ
        ((HOME,), False),
        ((HOME, HOME.replace("eth0", "eth1")), False),
        ((HOME.replace("eth0", "eth1"), INNER.format("eth1"), DEFAULT), False),  # the same link leads to both
        ((HOME, "203.0.113.11 dev eth1 scope link"), False),  # made on purpose
        ((HOME, "203.0.113.8/29 via 198.51.100.1 dev eth1"), False),
    ],
)
def test_of_networks(routes: tuple[str, ...], *, found: bool) -> None:
    """A network of the client's own hides the server's, where another way leads to just that."""
    fault = overlap.of_networks(case("EHOSTUNREACH"), host("app1", ("203.0.113.10/24 eth0",), routes), web())
    assert found is (fault is not None)
    if fault:
        assert ("subnet-overlap", "app1") == (fault.variant, fault.host)
        assert fault.fix[1].startswith("or, until then: ip route add 203.0.113.11 ")


@pytest.mark.parametrize("word", ["ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH"])
def test_somebody_answered(word: str) -> None:
    """Where not even a neighbour was looked for in vain, it is something else."""
    client = host("app1", ("203.0.113.10/24 eth0",), (HOME, INNER.format("br-test")))
    assert overlap.of_networks(case(word), client, web()) is None


def test_the_server_is_down_there() -> None:
    """A server whose own interface is down is nowhere."""
    down = host("web1", SERVER, ("203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.11 linkdown",))
    client = host("app1", ("203.0.113.10/24 eth0",), (HOME, INNER.format("br-test")))
    assert overlap.of_networks(case("EHOSTUNREACH"), client, down) is None


@pytest.mark.parametrize(("address", "found"), [("203.0.113.11/32", True), ("203.0.113.12/24", False)])
def test_own_address(address: str, *, found: bool) -> None:
    """The server's address on the client keeps every packet at home."""
    client = host("app1", ("203.0.113.10/24 eth0", f"{address} br-test"), (HOME,))
    fault = overlap.own_address(client, web(), ip_address("203.0.113.11"))
    assert found is (fault is not None)
    if fault:
        assert {"app1", "web1"} == {line.host for line in fault.lines}
        assert "br-test" in fault.fix[0]
