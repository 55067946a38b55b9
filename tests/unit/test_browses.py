"""Which pages must a browser open, and what is its host asked for them? What does a browser's answer mean?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from whyrefused.facts import pages
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.plan.keys.browses import BrowseItem, items, questions
from whyrefused.probes import browses
from whyrefused.records import Connection, Frame, Host, Inventory

if TYPE_CHECKING:
    from whyrefused.records import Symptom


def declared(expect: dict[str, Any]) -> tuple[Inventory, list[BrowseItem]]:
    """What does an inventory declare in which app1 must open a page of web1, gw1 forwards, and px1 is a proxy?"""
    hosts = {
        name: Host(
            name=name,
            connection=Connection(kind="ssh", address=address),
            groups=(),
            expect=GRAMMAR.validate_python(declares),
        )
        for name, address, declares in [
            ("app1", "192.0.2.1", expect),
            ("web1", "192.0.2.2", {"ports": {"443/tcp": {}}}),
            ("gw1", "192.0.2.3", {"forwards": {"8443/tcp": "web1:443"}}),
            ("px1", "192.0.2.4", {"ports": {"3128/tcp": {}}}),
        ]
    }
    inventory = Inventory(sources=(), hosts=hosts, groups={}, selected=tuple(hosts))
    return inventory, list(items(inventory, hosts["app1"]))


def test_no_credentials() -> None:
    """Neither the page's nor the proxy's credentials are in an item, nor in what a host is asked."""
    inventory, found = declared(
        {"browses": ["https://u:hunter2@web1/x"], "proxy": {"https": "http://u:hunter2@px1:3128"}}
    )
    assert ["https://web1/x"] == [item.subject for item in found]
    assert "hunter2" not in repr([found, list(questions(inventory, found[0]))])


def test_subjects() -> None:
    """The same page for two users and with a profile are items of their own, each with its own place in the answer."""
    page = "http://web1/"
    _, found = declared({"browses": [page, {"url": page, "as": "user:a"}, {"url": page, "profile": "/p q"}]})
    assert [page, f"{page} as user:a", f"{page} with /p q"] == [item.subject for item in found]
    assert len({item.page.split()[0] for item in found}) == 3


@pytest.mark.parametrize(
    ("url", "proxy", "way", "server", "key"),
    [
        ("https://web1/", "none", ("web1", 443), "web1", "443/tcp"),
        ("http://web1/", "none", ("web1", 80), "web1", None),
        ("https://192.0.2.2:443/", "none", ("192.0.2.2", 443), "web1", "443/tcp"),
        ("https://gw1:8443/", "none", ("gw1", 8443), "web1", "443/tcp"),
        ("https://[2001:db8::1]/", "none", ("2001:db8::1", 443), None, None),
        ("https://web1/", {"https": "http://px1:3128"}, ("px1", 3128), "px1", "3128/tcp"),
        ("https://web1/", {"https": "px1:3128"}, ("px1", 3128), "px1", "3128/tcp"),
        ("https://web1/", {"https": "http://px1:3128", "no_proxy": ["web1"]}, ("web1", 443), "web1", "443/tcp"),
    ],
)
def test_way(url: str, proxy: object, way: tuple[str, int], server: str | None, key: str | None) -> None:
    """What the host must reach is the page's own host and port, or the declared proxy's."""
    inventory, (item,) = declared({"browses": [url], "proxy": proxy})
    path = replace(item, proxy="").path(inventory, *item.way)
    assert (way, server, key) == (item.way, path.server, path.server_port)


@pytest.mark.parametrize(
    ("word", "symptom"),
    [
        ("ok", "connected"),
        ("ERR_CONNECTION_REFUSED", "refused"),
        ("ERR_PROXY_CONNECTION_FAILED", "proxy-error"),
        ("ERR_TUNNEL_CONNECTION_FAILED", "proxy-error"),
        ("ERR_MANDATORY_PROXY_CONFIGURATION_FAILED", "proxy-error"),
        ("HTTP_502", "proxy-error"),
        ("ERR_NAME_NOT_RESOLVED", "dns-failure"),
        ("ERR_CONNECTION_TIMED_OUT", "timed-out"),
        ("ERR_ADDRESS_UNREACHABLE", "unreachable"),
        ("ERR_EMPTY_RESPONSE", "reset"),
        ("ERR_UNSAFE_PORT", "local-error"),
        ("ERR_BLOCKED_BY_ADMINISTRATOR", "local-error"),
        ("ERR_WHATEVER_COMES", "local-error"),
    ],
)
def test_symptoms(word: str, symptom: Symptom) -> None:
    """What the browser said is one of the symptoms."""
    assert symptom == browses.Opened(word=word, status=0, url="", hops=(), line="").symptom


def page(*rows: str) -> browses.Browse:
    """What became of a page of which these rows were printed."""
    return browses.parse(Frame(text="".join(f"k\t{row}\n" for row in (*rows, "end")), status=0))["k"]


RUN = "run\t{}\t{}\t0\t-\thttp://a/"


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ("declared=E bare=ok again=E without-policy=ok", "policy"),
        ("declared=E bare=ok again=E without-policy=E without-profile=ok", "profile"),
        ("declared=E bare=ok again=E without-policy=E", ""),
        ("declared=E bare=ok again=ok without-policy=ok", ""),
        ("declared=E bare=ok again=F without-policy=ok", ""),
        ("declared=E bare=E", ""),
        ("declared=E", ""),
    ],
)
def test_culprit(words: str, culprit: str) -> None:
    """It is what mends the page when it alone is left out, where the failure repeats itself."""
    assert culprit == pages.culprit(page(*(RUN.format(*word.split("=")) for word in words.split())))


TAKEN_BACK = (
    "hop\tdeclared\t307\tHttpsUpgrades\thttp://a/\thttps://a/\nk\t"
    "hop\tdeclared\t307\tHttpsUpgrades\thttps://a/\thttp://a/\nk\t"
)


@pytest.mark.parametrize(
    ("hop", "led"),
    [
        (TAKEN_BACK + "hop\tdeclared\t301\tserver\thttp://a/\thttps://b:8443/", ("b", 8443)),
        ("hop\tdeclared\t301\tserver\thttp://a/\thttps://b:8443/", ("b", 8443)),
        ("hop\tdeclared\t307\tHSTS\thttp://a/\thttps://b:8443/", None),
        ("hop\tdeclared\t301\tcache\thttp://a/\thttps://b:8443/", None),
    ],
)
def test_led(hop: str, led: tuple[str, int] | None) -> None:
    """Only where the last redirect was the server's is its target what the server meant."""
    assert led == page(hop, "run\tdeclared\tE\t0\t-\thttps://b:8443/").led


@pytest.mark.parametrize("url", ["", "http://", "http://[::1", "http://a:x/", "chrome-error://chromewebdata/", "a"])
def test_no_target(url: str) -> None:
    """A URL that means no host and port breaks nothing."""
    assert browses.target(url) is None
