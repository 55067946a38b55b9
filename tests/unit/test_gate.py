"""No endpoint gets more connects at once than its cap, whoever is visited when; and every host is visited, once."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from bench import grown
from bench.gated import connects
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.collect import gate
from whyrefused.collect.crew import Crew
from whyrefused.collect.stop import Stop
from whyrefused.inventory import load
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.probes import dials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from whyrefused.records import Inventory
    from whyrefused.script import Asked

INVENTORY = """
all:
  hosts:
    db1: {ansible_host: 192.0.2.1}
    gw1: {ansible_host: 192.0.2.2}
    app1: {ansible_host: 192.0.2.3}
  vars: {expect: {}}
  children:
    db:
      hosts: {db1: {}}
      vars: {expect: {ports: {5432/tcp: {}, 2222/tcp: {service: ssh}}}}
    gateways:
      hosts: {gw1: {}}
      vars: {expect: {forwards: {15432/tcp: "db1:5432"}}}
    app:
      hosts: {app1: {}}
      vars: {expect: {resolves: {db.example.test: [192.0.2.1]}}}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """A server with three names, one of which is a router's forward."""
    path = tmp_path_factory.mktemp("gate") / "hosts.yml"
    path.write_text(INVENTORY)
    return load((str(path),))


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (("192.0.2.1 5432", "db1 5432", "db.example.test 5432", "192.0.2.2 15432"), {("db1", 5432): 4}),
        (("192.0.2.2 80",), {("gw1", 80): 1}),
        (("Elsewhere.example 80",), {("elsewhere.example", 80): 1}),
        (("127.0.0.1 80", "localhost 80"), {("app1", 80): 2}),
        (("db1 5432 - CONNECT+http://gw1:3128",), {("db1", 5432): 1, ("gw1", 3128): 1}),
        (("db1 5432 - CONNECT+http://gw1",), {("db1", 5432): 1}),
        (("db1 5432 - CONNECT+http://gw1:99999",), {("db1", 5432): 1}),
        (tuple(f"name{n} 80 - HEAD+http://gw1:3128" for n in range(50)), {("gw1", 3128): 32}),
        (tuple(f"name{n} 80 {who} HEAD+http://gw1:3128" for n in range(50) for who in ("user:a", "user:b")),
         {("gw1", 3128): 64}),
    ],
)  # fmt: skip
def test_what_is_dialled(small: Inventory, keys: Asked, found: Mapping[gate.Endpoint, int]) -> None:
    """An endpoint is one by whatever name, address or forward it is dialled; a proxy is one too."""
    told = gate.dialled(small, "app1", ("4", *keys))
    assert found == {end: many for end, many in told.items() if not end[0].startswith("name")}


def test_caps(small: Inventory) -> None:
    """What may be sshd gets fewer: it drops the eleventh."""
    assert (8, 8, 32, 32) == tuple(
        gate.cap(small, end) for end in (("x", 22), ("db1", 2222), ("db1", 5432), ("gw1", 2222))
    )


def asked_of(clients: list[list[int]]) -> dict[str, dict[str, Asked]]:
    """Each of these clients dials these ports of one server."""
    return {
        f"c{number}": {"identity": (), **({"dials": ("4", *(f"db1 {port}" for port in ports))} if ports else {})}
        for number, ports in enumerate(clients)
    }


@settings(deadline=None, max_examples=25)
@given(
    clients=st.lists(st.lists(st.integers(1, 4), max_size=4, unique=True), min_size=1, max_size=30),
    forks=st.integers(1, 12),
    most=st.integers(1, 4),
)
def test_never_more(small: Inventory, clients: list[list[int]], forks: int, most: int) -> None:
    """Whatever they dial: nobody is left out or visited twice, and no port has more than `most` at once."""
    asked = asked_of(clients)
    hosts = {**small.hosts, **dict.fromkeys(asked, small.hosts["app1"])}
    inventory = type(small)(sources=(), hosts=hosts, groups={"all": tuple(hosts)}, selected=tuple(hosts))
    lock, seen, open_, peak = threading.Lock(), [], Counter[str](), Counter[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "CAP", most)
        crew = Crew(asked, forks, Stop(), gate.Gate(inventory, asked))
        ended = threading.Semaphore(0)

        def work() -> None:
            while (turn := crew.next()) is not None:
                name, _ = turn
                keys = asked[name].get("dials", ())[1:]
                with lock:
                    seen.append(name)
                    open_.update(keys)
                    peak.update({key: open_[key] - peak[key] for key in keys if open_[key] > peak[key]})
                threading.Event().wait(0.001)
                with lock:
                    open_.subtract(keys)
                crew.leave(name)
                crew.leave(name)  # an overdue visit ends twice
            ended.release()

        crew.start(work)
        assert all(ended.acquire(timeout=60) for _ in range(forks))
    assert sorted(asked) == sorted(seen)
    assert max(peak.values(), default=0) <= most


def test_who_starves_waits_again(small: Inventory) -> None:
    """A visit for which this machine had no room gives its turns back."""
    asked = asked_of([[1], [1]])
    hosts = {**small.hosts, **dict.fromkeys(asked, small.hosts["app1"])}
    inventory = type(small)(sources=(), hosts=hosts, groups={"all": tuple(hosts)}, selected=tuple(hosts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "CAP", 1)
        crew = Crew(asked, 1, Stop(), gate.Gate(inventory, asked))
        first = crew.next()
        assert first is not None
        crew.again(first[0])
        later = {turn[0] for _ in asked if (turn := crew.next()) and crew.leave(turn[0]) is None}
    assert set(asked) == later


def test_told_to_end_while_it_waits(small: Inventory) -> None:
    """Whoever waits for an endpoint hears that the run is to end."""
    asked = asked_of([[1], [1]])
    hosts = {**small.hosts, **dict.fromkeys(asked, small.hosts["app1"])}
    inventory = type(small)(sources=(), hosts=hosts, groups={"all": tuple(hosts)}, selected=tuple(hosts))
    stop, turns = Stop(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "CAP", 1)
        crew = Crew(asked, 2, stop, gate.Gate(inventory, asked))
        assert crew.next() is not None
        waiting = threading.Thread(target=lambda: turns.append(crew.next()))
        waiting.start()
        waiting.join(0.5)
        assert (True, []) == (waiting.is_alive(), turns)
        stop.ask("SIGTERM")
        waiting.join(60)
    assert turns == [None]


def test_real_connects() -> None:
    """Twenty clients may run their real scripts at once, one for each: three servers count who is connected."""
    clients, servers, most = 20, 3, 4
    made = connects(clients=clients, servers=servers, cap=most)
    assert (clients, clients, {"connected"}) == (made.visits, len(made.hosts), made.symptoms)
    assert (clients,) * servers == made.taken
    assert all(one <= most for one in made.peaks), made.peaks


def test_matrix_is_linear(tmp_path: Path) -> None:
    """A client's script holds its endpoints and nothing of other clients; the largest argument of a kernel has room."""
    inventory = load((str(grown.matrix(tmp_path, 20, 50)[0]),))
    items = declared(inventory)
    asked = questions(inventory, items, 4.0)
    mine = {host: probes["dials"] for host, probes in asked.items() if "dials" in probes}
    assert (20 * 50, 20, {51}) == (
        sum(one.check == "connects" for one in items), len(mine), {len(keys) for keys in mine.values()},
    )  # fmt: skip
    keys = tuple(f"192.0.2.{n % 256} {n}" for n in range(10_000, 12_000))
    nothing, few, many = (len(dials.fragment(("4", *keys[:size]))) for size in (0, 500, 2_000))
    assert many - nothing == pytest.approx(4 * (few - nothing), rel=0.01)
    assert many < 131_072  # MAX_ARG_STRLEN, execve(2)
    assert not re.search(r"c0\d\d", "".join(map(str, mine["c001"])))
