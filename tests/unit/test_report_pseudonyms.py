"""What does a report for strangers tell of a fleet? Everything but who and where it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.evidence import Evidence
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.private import private
from whyrefused.records import Connection, Host, Inventory, Line, Private, Result, Run
from whyrefused.report import page, shareable, to_json
from whyrefused.report.packed import unpacked

if TYPE_CHECKING:
    import ipaddress

PRIVATE = Private(
    hosts=frozenset({"web1", "db-07", "dns", "error", "shop.example.pl", "198.51.100.7"}),
    users=frozenset({"root", "deploy"}),
)


def run(*lines: str, host: str = "web1") -> Run:
    """Make a run with one item, of which these are the host's words."""
    result = Result(
        id=f"checks/test_ports.py::test_listens[{host}-443/tcp]", host=host, check="ports", subject="443/tcp",
        outcome="error", expected="listens", observed=lines[0] if lines else "nothing",
        evidence=tuple(Line(host=host, source="ss -Htulnpe", line=line) for line in lines),
    )  # fmt: skip
    return Run(
        started="2026-01-02T03:04:05Z", finished="2026-01-02T03:04:06Z", inventory=("/srv/fleet/hosts.yml",),
        hosts=(host,), complete=True, results=(result,), findings=(), groups={"dns": (host,)}, private=PRIVATE,
    )  # fmt: skip


def told(text: str) -> str:
    """What becomes of this line?"""
    return shareable(run(text)).results[0].evidence[0].line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp LISTEN 0 511 127.0.0.1:443 0.0.0.0:* [::1]:80 [::]:*", None),
        ('users:(("nginx",pid=97,fd=5)) nginx.service /etc/nginx/nginx.conf', None),
        ("net.ipv4.tcp_abort_on_overflow = 1; net.core.somaxconn = 128", None),
        ("nginx 1.22.1 at 03:04:05, root@localhost, fe80 is no address", None),
        ("tcp ESTAB 0 0 198.51.100.7:22 203.0.113.9:51000", "tcp ESTAB 0 0 host-1:22 ipv4-1:51000"),
        ("ip saddr 10.1.0.0/16 drop # 10.1.0.0", "ip saddr ipv4-1/16 drop # ipv4-1"),
        ("to [2001:db8::7]:80, 2001:DB8::7%eth0 ::ffff:198.51.100.9", "to [ipv6-1]:80, ipv6-1%eth0 ipv6-2"),
        ("IP 198.51.100.7.51000 > 203.0.113.9.443: Flags", "IP host-1.51000 > ipv4-1.443: Flags"),
        ("link/ether 02:00:5e:10:00:ff", "link/ether mac-1"),
        ("https://shop.example.pl/ http://app.example.com:8080/x.html", "https://host-5/ http://name-1:8080/x.html"),
        ("host WEB1, web1.example.com, web1.service, db-07-443, cobweb1", None),
        ("/home/alice/.ssh/config as deploy", "/home/user-1/.ssh/config as user-2"),
        ("ip-10-1-2-3 2: 0100007F:0050 C6336407:0016", None),
    ],
)
def test_line(text: str, expected: str | None) -> None:
    """Addresses, names and users are replaced, each by one stand-in; what every machine has stays."""
    special = {
        "host WEB1": "host host-6, name-1, host-6.service, host-2-443, cobweb1",
        "ip-10-1-2": "dashed-1 2: kernel-1:0050 kernel-2:0016",
    }
    assert (special.get(text[:9], text) if expected is None else expected) == told(text)


def test_who_was_asked_earlier_is_not_told() -> None:
    """The moments stay; the hosts have the stand-ins that they have elsewhere."""
    earlier, moment = (("web1", "2026-01-02T02:04:05Z"),), "2026-01-02T03:04:05Z"
    shared = shareable(replace(run(), earlier=earlier, resumed=moment, notes=("--resume: asked 2026-01-02T02:04:05Z",)))
    assert (((shared.hosts[0], "2026-01-02T02:04:05Z"),), moment) == (shared.earlier, shared.resumed)
    assert shared.notes[1] == "--resume: asked 2026-01-02T02:04:05Z"
    assert "web1" not in page(shared, causes={}) + to_json(shared)


def test_words_of_our_own_stay() -> None:
    """A host may be called as an outcome or a group is: the report still says what happened."""
    shared = shareable(run("web1 is asked", host="error"))
    (result,) = shared.results
    assert ("error", "ports", {"dns"}) == (result.outcome, result.check, set(shared.groups))
    assert (result.host, result.host, (result.host,)) == (
        result.evidence[0].host, shared.groups["dns"][0], shared.hosts,
    )  # fmt: skip
    assert f"checks/test_ports.py::test_listens[{result.host}-443/tcp]" == result.id
    assert "replaced by stand-ins" in shared.notes[0]


def test_nothing_private_is_in_page_and_json() -> None:
    """Whatever shows the run shows none of them."""
    given_ = run("web1 db-07 shop.example.pl 198.51.100.7 deploy@203.0.113.77 /home/bob/x 2001:db8::9", host="db-07")
    shared = shareable(replace(given_, foreign=(("test_own.py::test_it", "failed", "db-07 said 203.0.113.77"),)))
    made = page(shared, causes={})
    for text in (made, json.dumps(unpacked(made)), to_json(shared)):
        assert [] == re.findall(r"web1|db-07|shop\.example|198\.51|203\.0|deploy|bob|2001:db8|/srv/fleet", text)
        assert "host-2" in text


def test_a_zone_is_private() -> None:
    """Its name is told to nobody either, though it may have no dot by which it would be known."""
    expect = GRAMMAR.validate_python({"authoritative": {"corp": ["192.0.2.53"]}})
    way = Connection(kind="ssh", address="a")
    known = Inventory(
        sources=(), hosts={"a": Host(name="a", connection=way, groups=(), expect=expect)}, groups={}, selected=("a",)
    )
    assert "corp" in private(known, (), Evidence({})).hosts


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(
    lambda it: (
        not (it.is_loopback or it.is_unspecified or str(it) == "255.255.255.255" or getattr(it, "ipv4_mapped", None))
    )
)


@settings(max_examples=1000)
@given(address=ADDRESSES, before=st.sampled_from(["", " ", "[", "(", '"', "/", "@", "=", ",", "src:"]),
       after=st.sampled_from(["", " ", "]:80", ")", '"', "/24", ",", "%eth0", ";", ". "]))  # fmt: skip
def test_no_address_is_told(address: ipaddress.IPv4Address | ipaddress.IPv6Address, before: str, after: str) -> None:
    """However an address stands in a line, it is not told."""
    assert str(address) not in told(f"x {before}{address}{after} y")


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """Any words can be shared; and what was replaced stays as it is."""
    once = told(text)
    assert once == told(once)
