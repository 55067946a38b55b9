"""Which of the addresses that a client tried decides, and whom does a name mean that nobody declared?"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.case import Case
from whyrefused.cases.expected import host_at
from whyrefused.cases.tried import deciding
from whyrefused.evidence import Evidence
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.plan.keys.connects import PathItem
from whyrefused.probes.dials import Dial, Try
from whyrefused.records import Connection, Frame, Host, Inventory, Reply, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN, OWN_6, OTHER, NOBODY = "198.18.0.11", "2001:db8:18::b", "198.18.0.12", "198.18.0.99"
CLIENT, CLIENT_6 = "198.18.0.10", "2001:db8:18::a"
ALL = (OWN, OWN_6, OTHER, NOBODY, "2001:db8:18::c", "127.0.0.1")


def address_rows(*addresses: str) -> Frame:
    """What `ip -o addr show` prints of a host with these, and loopback."""
    outer = ((2, "eth0", one, 64 if ":" in one else 24, "global") for one in addresses)
    rows = [(1, "lo", "127.0.0.1", 8, "host"), *outer]
    text = "".join(
        f"{number}: {name} {'inet6' if ':' in one else 'inet'} {one}/{length} scope {scope} {name}\\ valid_lft 9sec\n"
        for number, name, one, length, scope in rows
    )
    return Frame(text=text, status=0)


def said(client: Sequence[str] = (CLIENT, CLIENT_6), server: Sequence[str] = (OWN, OWN_6)) -> Evidence:
    """What both hosts say of their addresses; nothing where there are none."""
    hosts = {"app1": client, "web1": server}
    return Evidence(Reply(host=name, frames={"addresses": address_rows(*own)} if own else {})
                    for name, own in hosts.items())  # fmt: skip


def tried(words: str) -> Try:
    """`ADDRESS WORD`, from the client's address of that family; `ADDRESS -` where no way led there."""
    address, word = words.split()
    source = "" if word == "-" else CLIENT_6 if ":" in address else CLIENT
    return Try(address=ip_address(address), word="ENETUNREACH" if word == "-" else word, milliseconds=1, source=source,
               icmp=None, line=words)  # fmt: skip


def case(*words: str, answers: Sequence[str] = ()) -> Case:
    """A path whose tries ended so."""
    dial = Dial(tries=tuple(map(tried, words)), no_name="", lines=words)
    item = PathItem(host="app1", check="connects", subject="web:80", wanted="", server="web1", destination="web",
                    port=80, server_port="80/tcp")  # fmt: skip
    seen = Seen(value=dial, said="as the program saw it", symptom=dial.symptom)
    return Case(item=item, seen=seen, server="web1", port=80, protocol="tcp", bind="0.0.0.0", unit=None,  # noqa: S104
                wants_enabled=False, declared_ports={}, answers=tuple(map(ip_address, answers)))  # fmt: skip


@pytest.mark.parametrize(
    ("words", "answers", "decides"),
    [
        ((f"{OWN} ECONNREFUSED", f"{OTHER} ETIMEDOUT"), (), f"{OWN} ECONNREFUSED"),
        ((f"{OTHER} ETIMEDOUT", f"{OWN} ECONNREFUSED"), (), f"{OWN} ECONNREFUSED"),
        ((f"{OTHER} ETIMEDOUT", f"{NOBODY} ECONNREFUSED"), (OTHER,), f"{OTHER} ETIMEDOUT"),
        ((f"{OWN} ECONNREFUSED", f"{OTHER} ETIMEDOUT"), (OTHER,), f"{OWN} ECONNREFUSED"),
        ((f"{OWN} ECONNREFUSED", f"{OWN_6} -"), (), f"{OWN} ECONNREFUSED"),
        ((f"{OWN} ECONNREFUSED", f"{OWN_6} ETIMEDOUT"), (), f"{OWN} ECONNREFUSED"),
        ((f"{OWN} -", f"{OWN_6} ETIMEDOUT"), (), f"{OWN_6} ETIMEDOUT"),
        ((f"{OTHER} ETIMEDOUT", f"{NOBODY} ECONNREFUSED"), (), f"{NOBODY} ECONNREFUSED"),
        (("127.0.0.1 ECONNREFUSED", f"{OTHER} ETIMEDOUT"), (), f"{OTHER} ETIMEDOUT"),
    ],
    ids=["own", "own-last", "declared", "own-first", "a-way", "as-bound", "a-way-first", "last", "loopback"],
)
def test_deciding(words: tuple[str, ...], answers: tuple[str, ...], decides: str) -> None:
    """The server's own address decides, then a declared one, one that was reached, one that is bound; then the last."""
    found = deciding(case(*words, answers=answers), said(), "web1", "0.0.0.0")  # noqa: S104 - as declared
    assert found.dial is not None
    assert found.dial.last == tried(decides)
    assert found.seen.symptom == tried(decides).symptom
    assert set(found.dial.tries) == set(map(tried, words))


def test_a_family_that_the_client_does_not_speak() -> None:
    """Without an IPv6 address no IPv6 address was really tried; where nothing else was, it stays."""
    words = (f"{OTHER} ECONNREFUSED", f"{OWN_6} -")
    dial = deciding(case(*words), said(client=(CLIENT,)), "web1").dial
    assert dial is not None
    assert dial.tries == (tried(words[0]),)
    alone = deciding(case(f"{OWN_6} -", "2001:db8:18::c -"), said(client=(CLIENT,)), "web1").dial
    assert alone is not None
    assert len(alone.tries) == 2
    unasked = deciding(case(*words), said(client=()), "web1").dial
    assert unasked is not None
    assert unasked.last == tried(words[1])


def test_alike() -> None:
    """What else is the server's own, of the same family and reached as well, had to fail too, and nothing else."""
    evidence = said(server=(OWN, NOBODY, OWN_6))
    words = (f"{OWN} ECONNREFUSED", f"{OWN_6} ECONNREFUSED", f"{NOBODY} ETIMEDOUT", f"{OTHER} ECONNREFUSED")
    found = deciding(case(*words), evidence, "web1", "0.0.0.0")  # noqa: S104 - as declared
    assert found.alike == (tried(words[0]),)
    assert found.seen.symptom == "timed-out"
    view = found.ended_by(*found.alike)
    assert (view.seen.symptom, view.dialled, view.alike) == ("refused", ip_address(OWN), ())
    assert deciding(case(f"{OTHER} ETIMEDOUT", f"{NOBODY} ETIMEDOUT"), said(), "web1").alike == ()


TRIES = st.lists(
    st.builds("{} {}".format, st.sampled_from(ALL), st.sampled_from(["ECONNREFUSED", "ETIMEDOUT", "-"])),
    min_size=1, max_size=5, unique=True,
)  # fmt: skip


@given(TRIES, st.booleans(), st.booleans())
def test_order_alone(words: list[str], asked: bool, speaks: bool) -> None:  # noqa: FBT001 - drawn
    """No try is made up, what the program saw is still quoted, and whoever is nearest stays so in any order."""
    before = case(*words)
    evidence = said(client=(CLIENT, CLIENT_6) if speaks else (CLIENT,), server=(OWN, OWN_6) if asked else ())
    found = deciding(before, evidence, "web1")
    assert found.dial is not None
    assert set(found.dial.tries) <= set(map(tried, words))
    assert found.dial.lines == tuple(words)
    assert deciding(found, evidence, "web1") == found
    if asked and f"{OWN} ECONNREFUSED" in words:
        assert found.dial.last is not None
        assert str(found.dial.last.address) in {OWN, OWN_6}


def inventory(**ports: str) -> Inventory:
    """Hosts at addresses of their own, in this order, each with this port."""
    hosts = {
        name: Host(name=name, groups=(), connection=Connection(kind="ssh", address=f"198.18.0.{11 + number}"),
                   expect=GRAMMAR.validate_python({"ports": {key: {}}}))
        for number, (name, key) in enumerate(ports.items())
    }  # fmt: skip
    return Inventory(sources=(), hosts=hosts, groups={"all": tuple(hosts)}, selected=tuple(hosts))


@pytest.mark.parametrize(
    ("words", "ports", "meant"),
    [
        ((f"{OWN} x", f"{OTHER} x"), {"web1": "80/tcp", "db1": "22/tcp"}, "web1"),
        ((f"{OTHER} x", f"{OWN} x"), {"web1": "80/tcp", "db1": "22/tcp"}, "web1"),
        ((f"{OWN} x", f"{OTHER} x"), {"web1": "80/tcp", "db1": "80/tcp"}, "db1"),
        ((f"{OWN} x", f"{OTHER} x"), {"web1": "22/tcp", "db1": "22/tcp"}, None),
        ((f"{OWN} x", f"{NOBODY} x"), {"web1": "22/tcp"}, None),
        ((f"{OWN_6} x", f"{OWN} x"), {"web1": "22/tcp"}, "web1"),
        ((f"{NOBODY} x",), {"web1": "80/tcp"}, None),
        ((f"{OWN} x",), {"web1": "22/tcp"}, "web1"),
    ],
    ids=["one-serves", "in-any-order", "both-serve", "none-serves", "somebody-else", "its-own-twice", "nobody", "one"],
)
def test_host_at(words: tuple[str, ...], ports: dict[str, str], meant: str | None) -> None:
    """A name that leads to several hosts means one that is declared to serve; without such a one nobody knows."""
    found = host_at(inventory(**ports), case(*words).seen, "80/tcp", said())
    assert meant == (found.name if found else None)
