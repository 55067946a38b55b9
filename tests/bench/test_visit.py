"""What does the standard audit do to a host? Counts that no load spoils: they hold in every run of the tests."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from bench import declared, standard, started
from lab import Counts, Lab, audit, unavailable

from whyrefused import script
from whyrefused.probes import registry
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Host

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "")

AT_MOST = {"root": 23, "auditor": 26}
"""Processes that the script starts, subshells and its own shell included."""
FILE = "/tmp/visit.sh"  # noqa: S108 - on a host of the lab


@pytest.fixture(scope="module")
def host() -> Iterator[tuple[Lab, Host]]:
    """A lab with one host on which all is as declared."""
    with Lab(f"visit-{os.getpid()}") as made:
        (one,) = made.boot("h01")
        standard.prepare(made, [one])
        yield made, one


def _asked(lab: Lab) -> dict[str, tuple[str, ...]]:
    return dict(standard.asked(lab.folder / "inventory.yml"))


def _answered(lab: Lab, one: Host, asked: dict[str, tuple[str, ...]]) -> dict[str, Frame | Missing]:
    one.write(FILE, script.script(asked, standard.TOKEN))
    return script.split(lab.ssh(one.name, f"sh {FILE}").encode(), standard.TOKEN, asked)


@pytest.mark.parametrize("user", AT_MOST)
def test_processes(host: tuple[Lab, Host], user: str) -> None:
    """The script of the standard audit starts few processes."""
    lab, one = host
    one.write(FILE, script.script(_asked(lab), standard.TOKEN))
    assert 16 < started.by(lab, one.name, FILE, user) <= AT_MOST[user]


def test_one_connection_and_one_command(host: tuple[Lab, Host]) -> None:
    """Its sshd counts one of each, and all items pass."""
    lab, one = host
    before = one.ssh_counts()
    run = audit.audit(lab, inventory=lab.folder / "inventory.yml")
    assert Counts(connections=1, execs=1) == one.ssh_counts() - before
    assert declared.ITEMS == len(run.of("passed")), run


def test_what_explains_is_not_asked(host: tuple[Lab, Host]) -> None:
    """On a host where all is well nobody reads journals, nameservers, tables of sockets or rules that are none."""
    lab, one = host
    asked = _asked(lab)
    frames = _answered(lab, one, asked)
    told = {name: frame.text for name, frame in frames.items() if isinstance(frame, Frame)}
    assert set(asked) == set(told)
    assert "end\n" == told["trouble"]
    assert {f"{name}\tunneeded" for name in declared.NAMES} == set(told["lookups"].split("\n")) - {""}
    assert "counted tcp 4\ncounted udp 0\n" == told["proc_net"]
    assert told["iptables"].startswith("== unneeded by nft\n")
    assert 3 == told["units"].count("LoadState=unneeded")


def test_a_silent_resolver_costs_its_own_frame(host: tuple[Lab, Host]) -> None:
    """All else is answered, and the visit takes no longer than the probes that ask for names may."""
    lab, one = host
    asked = {**_asked(lab), "names": ("nowhere.example.net", *declared.NAMES)}
    one.run(
        "cp -a /etc/resolv.conf /etc/resolv.conf.kept; echo nameserver 198.18.255.9 >/etc/resolv.conf;"
        " ip route add 198.18.255.9/32 dev eth0; ip neigh add 198.18.255.9 lladdr 02:00:00:00:00:99 dev eth0"
    )
    try:
        begun = time.monotonic()
        frames = _answered(lab, one, asked)
        took = time.monotonic() - begun
    finally:
        one.run(
            "ip neigh del 198.18.255.9 dev eth0; ip route del 198.18.255.9/32;"
            " mv /etc/resolv.conf.kept /etc/resolv.conf"
        )
    assert {name for name, frame in frames.items() if not isinstance(frame, Frame) or frame.status} == set()
    names = registry()["names"].parse(frames["names"])
    assert {name: name not in declared.NAMES for name in names} == {name: one.silent for name, one in names.items()}
    assert took < script.PATIENCE + registry()["names"].SECONDS + 20
