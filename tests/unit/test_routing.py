"""Where do a host's packets go? By what `ip` printed on a real router."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from whyrefused.evidence import HostEvidence
from whyrefused.facts import routing
from whyrefused.records import CouldNotLook, Frame, Reply

TEXT = (Path(__file__).parent / "data/probes/routes/router.txt").read_text()


def host(*edits: tuple[str, str]) -> HostEvidence:
    """What is known of a router that answered this, after some edits."""
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return HostEvidence("gw1", Reply(host="gw1", frames={"routes": Frame(text=text, status=0)}))


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("10.9.0.2", "10.9.0.0/24 dev inside proto kernel scope link src 10.9.0.1"),
        ("10.9.0.1", "local 10.9.0.1 dev inside table local proto kernel scope host src 10.9.0.1"),
        ("10.77.1.1", "blackhole 10.77.0.0/16"),
        ("10.78.1.1", "unreachable 10.78.0.0/16"),
        ("192.0.2.1", "default via 198.18.1.1 dev eth0"),
        ("2001:db8:7::1", "unreachable 2001:db8:7::/64 dev lo metric 1024 pref medium"),
        ("2001:db9::1", "default via 2001:db8:18:1::1 dev eth0 metric 1024 pref medium"),
    ],
)
def test_to(address: str, route: str) -> None:
    """The longest prefix of the tables in their order leads the packet."""
    found = routing.to(host(), ip_address(address))
    assert found
    assert route == found.line


def test_no_route() -> None:
    """Without a default route there is none for strangers; a `throw` is as good as none."""
    assert routing.to(host(("default via 198.18.1.1 dev eth0 \n", "")), ip_address("192.0.2.1")) is None
    thrown = routing.to(host(("blackhole 10.77", "throw 10.77")), ip_address("10.77.1.1"))
    assert thrown is None


def test_the_lower_metric_wins() -> None:
    """Of two routes to one network the one with the lower metric is taken."""
    more = "10.9.0.0/24 via 198.18.1.1 dev eth0 metric 50\n10.9.0.0/24 dev inside proto"
    found = routing.to(host(("10.9.0.0/24 dev inside proto", more)), ip_address("10.9.0.2"))
    assert found
    assert frozenset({"inside"}) == routing.devices(found)


@pytest.mark.parametrize("rule", ["100: from 10.8.0.0/24 lookup vpn", "100: not from all fwmark 0x1 prohibit"])
def test_rules_that_choose(rule: str) -> None:
    """Where a rule may choose another table, which has a route, nobody knows; an empty table changes nothing."""
    edit = ("32766:\tfrom all lookup main", f"{rule}\n32766:\tfrom all lookup main")
    route = ("blackhole 10.77.0.0/16", "default dev wg0 table vpn\nblackhole 10.77.0.0/16")
    with pytest.raises(CouldNotLook, match="a rule chooses"):
        routing.to(host(edit, route), ip_address("192.0.2.1"))
    if "lookup" in rule:
        assert routing.to(host(edit), ip_address("192.0.2.1"))


@pytest.mark.parametrize("kind", ["prohibit", "unreachable", "blackhole"])
def test_rules_that_end_the_way(kind: str) -> None:
    """A rule for the destination alone is as good as a route of its kind; the host's own addresses come before it."""
    rule = f"100:\tfrom all to 192.0.2.0/24 {kind}\n101:\tfrom all to 10.9.0.1 {kind}"
    edited = host(("32766:\tfrom all lookup main", f"{rule}\n32766:\tfrom all lookup main"))
    found = [routing.to(edited, ip_address(text)) for text in ("192.0.2.1", "10.9.0.2", "10.9.0.1")]
    assert [kind, "unicast", "local"] == [each.kind for each in found if each]


def test_besides() -> None:
    """The routes by other interfaces that also lead there, the longest prefix first, and no hole."""
    found = routing.to(host(), ip_address("10.9.0.2"))
    assert found
    others = routing.besides(host(), ip_address("10.9.0.2"), found)
    assert ["default via 198.18.1.1 dev eth0"] == [each.line for each in others]


def test_own_networks() -> None:
    """Networks behind interfaces that are up; one whose cable is out leads nowhere."""
    assert ["10.9.0.0/24", "198.18.1.0/24"] == [str(each.network) for each in routing.own_networks(host(), 4)]
    down = host(("src 10.9.0.1 \nblackhole", "src 10.9.0.1 linkdown \nblackhole"))
    assert ["198.18.1.0/24"] == [str(each.network) for each in routing.own_networks(down, 4)]


def test_several_gateways() -> None:
    """A route over two gateways lists both."""
    found = routing.to(host(), ip_address("10.80.1.1"))
    assert found
    assert (("10.9.0.2", "inside"), ("10.9.0.3", "inside")) == found.ways


@pytest.mark.parametrize(
    ("edits", "off"),
    [
        ((), ""),
        ((("ipv4/ip_forward:1", "ipv4/ip_forward:0"), ("eth0/forwarding:1", "eth0/forwarding:0")), "ipv4/ip_forward"),
        ((("eth0/forwarding:1", "eth0/forwarding:0"),), "ipv4/conf/eth0/forwarding"),
        ((("inside/forwarding:1", "inside/forwarding:0"),), ""),
    ],
)
def test_forwarding_off(edits: tuple[tuple[str, str], ...], off: str) -> None:
    """The setting of the interface that a packet comes in on decides, and the one that covers all is named."""
    assert off == routing.forwarding_off(host(*edits), 4, "eth0")
    assert "ipv6/conf/all/forwarding" == routing.forwarding_off(host(*edits), 6, "eth0")


def test_without_ip() -> None:
    """Without the command nothing is known, and it says so."""
    text = (Path(__file__).parent / "data/probes/routes/no-ip.txt").read_text()
    bare = HostEvidence("gw1", Reply(host="gw1", frames={"routes": Frame(text=text, status=0)}))
    with pytest.raises(CouldNotLook, match="not installed"):
        routing.to(bare, ip_address("192.0.2.1"))
    assert () == routing.pairs(bare)
