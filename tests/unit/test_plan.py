"""Which items does an inventory declare, and what is each host asked for them?

`data/plan/inventory.yml` is the inventory of the documentation; `items.yml` and `questions.yml` say what it means.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory import load
from whyrefused.inventory.validate import GRAMMAR
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.plan.items import Item, LaterItem
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.keys.firewall import FirewallItem
from whyrefused.plan.keys.ports import PortItem
from whyrefused.plan.who import asked, dialled, members, server_of
from whyrefused.probes import registry
from whyrefused.records import LATER, Connection, Host, Inventory

DATA = Path(__file__).parent / "data/plan"


@cache
def documented(*limit: str) -> Inventory:
    """The inventory of the documentation."""
    environment = {"HOME": "/", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return load([str(DATA / "inventory.yml")], limit=limit, environ=environment)


def shown(item: Item) -> str:
    """An item in one line: check, label, what is wanted, and of a path where it leads."""
    words = f"{item.check}[{item.label}] {item.wanted}"
    if isinstance(item, PathItem):
        words += f" -> {item.server or 'unknown'} {item.server_port or 'no declared port'}"
        words += ", through a proxy" if item.proxy else ""
    return words + (f" ({LATER})" if isinstance(item, LaterItem) else "")


def test_items() -> None:
    """The documented inventory declares exactly these items."""
    assert yaml.safe_load((DATA / "items.yml").read_text()) == [shown(item) for item in declared(documented())]


def test_questions() -> None:
    """For all of them each host is asked exactly this."""
    inventory = documented()
    found = questions(inventory, declared(inventory), 4)
    expected = yaml.safe_load((DATA / "questions.yml").read_text())
    assert expected == {
        host: {probe: list(arguments) for probe, arguments in probes.items()} for host, probes in found.items()
    }


def test_only_what_is_selected_is_asked() -> None:
    """One item alone asks its own host, and the host at the other end, only what it needs."""
    inventory = documented()
    items = {f"{item.check} {item.label}": item for item in declared(inventory)}

    def of(name: str) -> dict[str, set[str]]:
        return {host: set(probes) for host, probes in questions(inventory, [items[name]], 4).items()}

    assert {"app1": {"identity", "lookups", "names"}} == of("resolves app1-db.example.com")
    assert {"web1": {"identity", "proxy"}} == of("proxy web1-http_proxy")
    server = {"identity", "listeners", "proc_net", "addresses", "binding", "units", "trouble"}
    assert {"web1": server} == of("services web1-nginx")
    assert {"db1": {"identity", "nft", "iptables", "addresses"}, "app1": {"identity", "addresses"},
            "app2": {"identity", "addresses"}} == of("firewall db1-5432/tcp-allow-app")  # fmt: skip
    load = {"queues", "kernel", "processes"}
    client = {"identity", "dials", "lookups", "names", "units", "kernel", "nft", "iptables", "addresses", "routes"}
    assert {"app1": client, "db1": server | load | {"nft", "iptables", "routes"}} == of(
        "connects app1-db.example.com:5432-as-unit:app.service"
    )
    kernel = {"db1": {"identity", "kernel"}}
    assert kernel == of("headroom db1-conntrack")
    assert {"db1": kernel["db1"] | {"processes"}} == of("headroom db1-files")
    assert {"db1": kernel["db1"] | {"processes", "queues", "listeners", "proc_net"}} == of("headroom db1-backlog")


def test_labels() -> None:
    """Labels are unique within their check, and hold nothing that breaks a node id."""
    items = declared(documented())
    assert len({(item.check, item.label) for item in items}) == len(items)
    for item in items:
        assert item.label.isascii()
        assert not {" ", "::"} & {item.label, *item.label}
        assert "::" not in item.label


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        ((), {"web1", "web2", "db1", "app1", "app2", "gw1", "localhost"}),
        (("web",), {"web1", "web2", "localhost"}),
        (("web:!web2",), {"web1", "localhost"}),
        (("app",), {"app1", "app2", "localhost"}),
        (("db1",), {"db1", "localhost"}),
    ],
)
def test_limit(limit: tuple[str, ...], hosts: set[str]) -> None:
    """Only what is selected is asked; this machine too, where it is only named as a client."""
    inventory = documented(*limit)
    assert hosts == set(asked(inventory))
    items = declared(inventory)
    assert {item.host for item in items} <= hosts
    assert set(questions(inventory, items, 4)) <= hosts


def test_limit_of_this_machine() -> None:
    """This machine dials the selected servers only."""
    paths = {
        item.subject for item in declared(documented("web1")) if item.check == "connects" and item.host == "localhost"
    }
    assert {"web1:443"} == paths
    assert not [item for item in declared(documented("db")) if item.host == "localhost"]


def test_selected_client_dials_servers_that_are_not() -> None:
    """A selected client dials every server that names it; only the client is asked."""
    inventory = documented("app1")
    paths = {item.subject for item in declared(inventory) if item.check == "connects"}
    assert {"web1:443", "web2:443", "db1:5432", "db.example.com:5432 as unit:app.service"} <= paths
    assert {"app1"} == set(questions(inventory, declared(inventory), 4)) - {"localhost"}


def host(name: str, expect: dict[str, object], address: str = "", groups: tuple[str, ...] = ()) -> Host:
    """A host that declares this."""
    kind = "local" if name == "localhost" else "ssh"
    connection = Connection(kind=kind, address=address or name)  # type: ignore[arg-type] - one of the two
    return Host(name=name, connection=connection, groups=groups, expect=GRAMMAR.validate_python(expect))


def inventory(*hosts: Host, **groups: tuple[str, ...]) -> Inventory:
    """An inventory of these, all selected."""
    names = tuple(one.name for one in hosts)
    return Inventory(
        sources=(), hosts={one.name: one for one in hosts}, groups={"all": names, **groups}, selected=names
    )


@pytest.mark.parametrize(
    ("to", "server", "before"),
    [
        ("198.51.100.1:80", "web", "lb"),
        ("198.51.100.1:80", "lb", None),
        ("198.51.100.1:80", None, None),
        ("lb:80", "web", "lb"),
        ("both:80", "web", None),  # a name that is declared to lead to each of them
        ("198.51.100.1:81", "web", None),  # nothing of the kind is declared there
        ("198.51.100.9:80", "web", None),
    ],
)
def test_before(to: str, server: str | None, before: str | None) -> None:
    """A host that is dialled for another one, and declared to serve the port, is before that one."""
    connect = {"to": to, **({"server": server} if server else {})}
    known = inventory(
        host("app", {"connects": [connect], "resolves": {"both": ["198.51.100.1", "198.51.100.2"]}}),
        host("lb", {"ports": {"80/tcp": {}}}, "198.51.100.1"),
        host("web", {"ports": {"80/tcp": {}}}, "198.51.100.2"),
    )
    assert [before] == [item.before for item in declared(known) if isinstance(item, PathItem)]


def test_witnesses() -> None:
    """A few of a port's clients are looked at, whoever declares them, that dial it directly and as their login.

    For the port alone nobody asks them.
    """
    many = tuple(f"c{number}" for number in range(5))
    dialling: list[object] = [
        "a:80",
        {"to": "a:80", "as": "user:x"},
        {"to": "http://a/", "proxy": {"http": "http://p:1"}},
    ]
    known = inventory(
        host("a", {"ports": {"80/tcp": {"clients": ["many", "a"]}, "81/tcp": {}}}, "198.51.100.1"),
        host("b", {"connects": dialling}),
        *(host(name, {}) for name in many),
        many=many,
    )
    found = {item.subject: item.dialled for item in declared(known) if isinstance(item, PortItem)}
    dialled = "198.51.100.1 80"
    assert {"80/tcp": (("c0", dialled), ("c1", dialled), ("c2", dialled), ("b", "a 80")), "81/tcp": ()} == found
    asked = questions(known, [item for item in declared(known) if isinstance(item, PortItem)], 4)
    assert {"a"} == set(asked)


def test_udp_clients() -> None:
    """A UDP client cannot be connected: the item is there and says that it is not checked yet."""
    found = declared(inventory(host("a", {"ports": {"53/udp": {"clients": "b"}}}), host("b", {})))
    assert ["ports[a-53/udp] a listener that answers 0.0.0.0:53",
            "connects[b-a:53/udp] a:53/udp answers (not checked yet)"] == [shown(item) for item in found]  # fmt: skip


def test_absent_port() -> None:
    """Of a port on which nothing may listen nothing else is asked."""
    found = declared(inventory(host("a", {"ports": {"23/tcp": "absent"}})))
    assert ["ports[a-23/tcp] nothing listens on 23/tcp"] == [shown(item) for item in found]


@pytest.mark.parametrize(
    ("bind", "client", "dials"),
    [
        ("0.0.0.0", "b", "198.51.100.1"),  # noqa: S104 - as declared
        ("::", "b", "198.51.100.1"),
        ("198.51.100.7", "b", "198.51.100.7"),
        ("2001:db8::1", "b", "2001:db8::1"),
        ("127.0.0.1", "b", "198.51.100.1"),
        ("127.0.0.1", "a", "127.0.0.1"),
        ("%eth0", "b", "198.51.100.1"),
        ("198.51.100.7%eth0", "b", "198.51.100.7"),
    ],
)
def test_dialled(bind: str, client: str, dials: str) -> None:
    """Clients dial the address that a port is bound to, where it is one that they can reach."""
    server = host("a", {"ports": {"80": {"bind": bind}}}, "198.51.100.1")
    hosts = {"a": server, "b": host("b", {})}
    assert dials == dialled(hosts[client], server, server.expect.ports["80/tcp"])


@pytest.mark.parametrize(
    ("target", "port", "server"),
    [
        ("web", 80, "web"),
        ("198.51.100.1", 80, "web"),
        ("named.example.com", 80, "web"),
        ("elsewhere.example.com", 80, None),
        ("gw", 8443, "web"),
        ("gw", 22, "gw"),
        ("198.51.100.9", 8443, "web"),
    ],
)
def test_server_of(target: str, port: int, server: str | None) -> None:
    """The host behind a destination is found by name, by address, by a declared answer, and through a forward."""
    client = host("app", {"resolves": {"named.example.com": "198.51.100.1"}})
    web = host("web", {}, "198.51.100.1")
    gateway = host("gw", {"forwards": {"8443": "web:443"}}, "198.51.100.9")
    assert server == server_of(inventory(client, web, gateway), client, target, port)


def test_forwards_in_a_circle() -> None:
    """A forward is followed one step: two that lead to each other end."""
    known = inventory(host("g1", {"forwards": {"80": "g2:80"}}), host("g2", {"forwards": {"80": "g1:80"}}))
    assert "g2" == server_of(known, known.hosts["g1"], "g1", 80)


def test_no_declaration_is_dropped() -> None:
    """What a client declares itself is an item beside what the server's port demands of it."""
    wanted = [item.wanted for item in declared(documented()) if item.host == "app1" and item.check == "connects"]
    assert {"app1 connects to 198.51.100.11:443", "app1 connects to https://web1/"} <= set(wanted)


def test_sources() -> None:
    """A source is what its name says: anybody, a network, an address, a host, the members of a group."""
    ports = {"80": {"allow": ["any", "192.0.2.0/24", "2001:db8::1", "b", "g"]}}
    known = inventory(
        host("a", {"ports": ports}), host("b", {}, "192.0.2.2"), host("c", {}, "c.example.com"), g=("b", "c")
    )
    found = {item.source.name: item.source for item in declared(known) if isinstance(item, FirewallItem)}
    assert ["0.0.0.0/0", "::/0"] == list(map(str, found["any"].networks))
    assert ["192.0.2.0/24"] == list(map(str, found["192.0.2.0/24"].networks))
    assert ["2001:db8::1/128"] == list(map(str, found["2001:db8::1"].networks))
    assert (("b", "192.0.2.2"),) == found["b"].hosts
    assert (("b", "192.0.2.2"), ("c", "")) == found["g"].hosts
    assert {"a"} == {item.host for item in declared(known) if isinstance(item, FirewallItem)}


def test_a_zone_declares_no_item_and_is_asked_where_names_are() -> None:
    """Its servers go to who asks of names on that host; of a path they are spared where the server itself is met."""
    zone = {"authoritative": {"example.com": "192.0.2.53", "test": ["::53", "192.0.2.54"]}}
    dials = {"connects": ["web.example.com:80", "198.51.100.1:22", "localhost:80"]}
    web = host("web.example.com", {}, "198.51.100.1")
    named = host("www.example.com", {}, "www.example.com")
    names = {"resolves": {"db.example.com": ["198.51.100.2", "10.0.0.0/8"]}}
    other = {"connects": [{"to": "a.test:80", "server": "www.example.com"}]}
    known = inventory(
        host("a", zone), host("b", {**zone, **names}, "192.0.2.2"), host("c", {**zone, **dials}, "192.0.2.3"),
        host("d", dials, "192.0.2.4"), host("e", {**zone, **other}, "192.0.2.5"), web, named,
    )  # fmt: skip
    items = declared(known)
    assert {"b", "c", "d", "e"} == {item.host for item in items}
    found = {each: probes.get("lookups") for each, probes in questions(known, items, 4).items()}
    zones = ("@example.com 192.0.2.53", "@test ::53,192.0.2.54")
    assert {
        "b": (*zones, "db.example.com 198.51.100.2"),
        "c": (*zones, "web.example.com ~198.51.100.1"),
        "d": ("web.example.com",),
        "e": (*zones, "a.test"),
    } == {each: lookups for each, lookups in found.items() if lookups}


def test_members() -> None:
    """A host's name means the host, a group's its members, another nobody."""
    known = inventory(host("a", {}), host("b", {}), g=("a", "b"))
    assert [("a",), ("a", "b"), ()] == [members(known, name) for name in ("a", "g", "x")]


PORTS = st.dictionaries(
    st.sampled_from(["80/tcp", "443/tcp", "53/udp"]),
    st.fixed_dictionaries({}, optional={
        "bind": st.sampled_from(["::", "127.0.0.1", "%eth0"]), "clients": st.sampled_from(["a", "b", "g"]),
        "allow": st.lists(st.sampled_from(["any", "a", "g", "192.0.2.0/24"]), max_size=3, unique=True),
        "service": st.sampled_from(["nginx", "ssh@1"]), "state": st.sampled_from(["listening", "absent"]),
    }),
    max_size=3,
)  # fmt: skip
EXPECT = st.fixed_dictionaries(
    {},
    optional={
        "ports": PORTS,
        "services": st.dictionaries(
            st.sampled_from(["nginx", "ssh@1"]), st.sampled_from(["running", "stopped", "absent"])
        ),
        "resolves": st.dictionaries(
            st.sampled_from(["x.example.com"]), st.sampled_from(["192.0.2.1", "2001:db8::/64"])
        ),
        "authoritative": st.dictionaries(st.sampled_from(["com", "example.com"]), st.just(["192.0.2.53", "::53"])),
        "connects": st.lists(st.sampled_from(["a:80", "[2001:db8::1]:80", "https://x.example.com/"]), max_size=3),
        "proxy": st.sampled_from(["none", {"http": "http://p:1", "no_proxy": ["a"]}]),
        "wide": st.just("consistent"),
        "headroom": st.just({"backlog": "20%"}),
    },
)


@given(EXPECT, EXPECT)
def test_any_inventory(first: dict[str, object], second: dict[str, object]) -> None:
    """Whatever is declared: labels are unique and safe, every check has a file, and only known probes are asked."""
    known = inventory(host("a", first), host("b", second, "192.0.2.2"), g=("a", "b"))
    items = declared(known)
    assert len({(item.check, item.label) for item in items}) == len(items)
    assert not [item.label for item in items if "::" in item.label or not item.label.isascii() or " " in item.label]
    checks = {path.stem.removeprefix("test_") for path in Path(__file__).parents[2].glob("checks/test_*.py")}
    assert {item.check for item in items} <= checks
    for host_, probes in questions(known, items, 4).items():
        assert host_ in known.selected
        assert set(probes) <= set(registry())
        assert "identity" in probes
        assert all(
            list(arguments[probe == "dials" :]) == sorted(arguments[probe == "dials" :])
            for probe, arguments in probes.items()
        )
