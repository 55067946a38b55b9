"""Which declared proxy stands on the way to a destination, and does a password of its URL stay here?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory.validate import GRAMMAR
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.proxy import ProxyItem, WayItem
from whyrefused.plan.way import parsed
from whyrefused.records import Connection, Host, Inventory

CANARY = "c4n4ry"


def inventory(**expects: object) -> Inventory:
    """Hosts with this declared of each."""
    hosts = {
        name: Host(
            name=name, connection=Connection(kind="ssh", address=f"198.51.100.{number}"), groups=(),
            expect=GRAMMAR.validate_python(expect),
        )
        for number, (name, expect) in enumerate(expects.items(), 11)
    }  # fmt: skip
    return Inventory(sources=("x",), hosts=hosts, groups={"all": tuple(hosts)}, selected=tuple(hosts))


def path(client: object, **others: object) -> PathItem:
    """The first path that this client declares."""
    found = declared(inventory(app1=client, **others))
    return next(item for item in found if isinstance(item, PathItem))


@pytest.mark.parametrize(
    ("value", "url", "host", "port", "credentials"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128", "proxy.example.com", 3128, False),
        ("proxy.example.com:3128", "http://proxy.example.com:3128", "proxy.example.com", 3128, False),
        ("http://u:p@ss@proxy:3128/", "http://proxy:3128", "proxy", 3128, True),
        ("http://u@proxy", "http://proxy", "proxy", None, True),
        ("HTTPS://[2001:db8::1]:3128", "https://[2001:db8::1]:3128", "2001:db8::1", 3128, False),
        ("http://[2001:db8::1]", "http://[2001:db8::1]", "2001:db8::1", None, False),
    ],
)
def test_parsed(value: str, url: str, host: str, port: int | None, credentials: bool) -> None:  # noqa: FBT001 - a case
    """The parts of a proxy's URL, the credentials left out."""
    found = parsed(value)
    assert (url, host, port, credentials) == (found.url, found.host, found.port, found.credentials)


@given(st.text(max_size=40))
def test_any_value(value: str) -> None:
    """Whatever a variable holds, it is read, and nothing before an @ is kept."""
    assert "@" not in parsed(value).url.partition("://")[2].partition("/")[0]


@pytest.mark.parametrize(
    ("to", "proxy", "dial"),
    [
        ("https://web.example.com/", {"https": "http://p:1"}, "web.example.com 443 - CONNECT+http://p:1"),
        ("http://web.example.com/", {"http": "http://p:1"}, "web.example.com 80 - HEAD+http://p:1"),
        ("http://web.example.com/", {"https": "http://p:1"}, "web.example.com 80"),
        ("http://web.example.com/", {"all": "http://p:1"}, "web.example.com 80 - HEAD+http://p:1"),
        ("http://web.example.com/", {"all": "http://p:1", "no_proxy": ".example.com"}, "web.example.com 80"),
        ("http://198.51.100.7/", {"all": "http://p:1", "no_proxy": "198.51.100.0/24"}, "198.51.100.7 80"),
        ("https://web.example.com/", {"https": "none"}, "web.example.com 443"),
        ("web.example.com:443", {"https": "http://p:1"}, "web.example.com 443"),
        ("https://web.example.com/", "none", "web.example.com 443"),
    ],
)
def test_dialled(to: str, proxy: object, dial: str) -> None:
    """A path is dialled through the proxy that is declared for its scheme, unless no_proxy spares it."""
    assert dial == path({"proxy": proxy, "connects": [to]}).dial
    assert dial == path({"connects": [{"to": to, "proxy": proxy}]}).dial


def test_via() -> None:
    """The proxy's host is found by name, address, or a declared answer; loopback is the client itself."""
    url = {"connects": ["https://web/"], "resolves": {"p.example.com": ["198.51.100.12"]}}
    found = {
        proxy: path({**url, "proxy": {"https": f"http://{proxy}:1"}}, proxy1={}).via
        for proxy in ("proxy1", "198.51.100.12", "p.example.com", "localhost", "127.0.0.1", "elsewhere.example.com")
    }
    assert ["proxy1", "proxy1", "proxy1", "app1", "app1", None] == list(found.values())


def test_beyond() -> None:
    """The proxy's host dials the server too: where the proxy cannot reach it, its own connect tells why."""
    known = inventory(app1={"connects": ["https://web.example.com/"], "proxy": {"https": "http://proxy1:1"}}, proxy1={})
    asked = questions(known, declared(known), 4)
    assert ("4", "web.example.com 443") == asked["proxy1"]["dials"]
    assert ("web.example.com",) == asked["proxy1"]["names"]
    assert ("proxy1",) == asked["app1"]["names"]


def test_password() -> None:
    """A password of a declared URL is asked of nobody and stands in no item."""
    url = f"http://bob:{CANARY}@proxy1:3128"
    known = inventory(
        app1={
            "proxy": {"http": url, "https": url, "all": url},
            "connects": ["https://web.example.com/", {"to": "http://web.example.com/", "proxy": {"http": url}}],
        },
        proxy1={},
    )
    found = declared(known)
    assert CANARY not in repr(found)
    assert CANARY not in repr(questions(known, found, 4))
    assert all(item.proxy_credentials for item in found if isinstance(item, PathItem))


def test_units() -> None:
    """The units that `expect` names count: services, owners of ports, who dials. One with its own proxy is apart."""
    known = inventory(
        app1={
            "proxy": "none",
            "services": {"a": "running", "b": "stopped"},
            "ports": {"80/tcp": {"service": "c"}},
            "connects": [
                {"to": "web:80", "as": "unit:d"},
                {"to": "http://web/", "as": "unit:e", "proxy": {"http": "http://p:1"}},
                {"to": "https://web/", "as": "user:f", "proxy": "none"},
                {"to": "https://web/", "proxy": "none"},
            ],
        }
    )
    found = declared(known)
    assert {("a", "c", "d")} == {item.units for item in found if isinstance(item, ProxyItem)}
    assert [
        ("unit e.service", "http://p:1"), ("/etc/environment", ""), ("login shell", "")
    ] == [(item.place, item.value) for item in found if isinstance(item, WayItem)]  # fmt: skip
