"""Does an undetermined path get a second look at both ends, at the cost of one more connection each, and no other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from . import faults
from .audit import audit
from .audit_fleet import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from . import Host, Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

SECOND = {"second look, client", "second look, /proc/net/snmp"}


@pytest.fixture(scope="module")
def healthy_fleet(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


def counted(fleet: Fleet, *options: str | Path, user: str = "auditor") -> tuple[Audited, dict[str, tuple[int, int]]]:
    """What does an audit say, and how many connections and commands did it cost each host?"""
    hosts: tuple[Host, ...] = (fleet.app, fleet.web, fleet.database)
    before = [host.ssh_counts() for host in hosts]
    run = audit(fleet.lab, "--connect-timeout=1.5", *options, inventory=fleet.inventory(user))
    spent = {host.name: host.ssh_counts() - then for host, then in zip(hosts, before, strict=True)}
    return run, {name: (one.connections, one.execs) for name, one in spent.items()}


def sources(run: Audited) -> set[str]:
    """Where do the lines of evidence of its findings come from?"""
    return {line["source"] for finding in run.findings for line in finding["evidence"]}


def test_a_rule_that_the_login_may_not_read(healthy_fleet: Fleet, tmp_path: Path) -> None:
    """Client and server are asked once more, the database is not; the counters tell whose resets these are not."""
    kept = tmp_path / "evidence.json"
    with faults.port_rejected(80).on(healthy_fleet.web):
        run, costs = counted(healthy_fleet, "--save-evidence", kept)
    assert costs == {"app1": (2, 2), "web1": (2, 2), "db1": (1, 1)}
    assert {"undetermined"} == {finding["cause"] for finding in run.findings}
    assert sources(run) >= SECOND
    assert "the server's TCP answered the 5 connects to a closed port, not these" in run.said
    again = audit(healthy_fleet.lab, "--evidence", kept, inventory=healthy_fleet.inventory("auditor"))
    assert again.findings == run.findings


def test_never(healthy_fleet: Fleet) -> None:
    """Where it is not wanted each host has one connection, and nothing of a second look is told."""
    with faults.port_rejected(80).on(healthy_fleet.web):
        run, costs = counted(healthy_fleet, "--second-look=never")
    assert set(costs.values()) == {(1, 1)}
    assert {"undetermined"} == {finding["cause"] for finding in run.findings}
    assert not sources(run) & SECOND


def test_what_is_decided_is_not_looked_at_again(healthy_fleet: Fleet) -> None:
    """A named cause costs nothing more; nor does a healthy fleet."""
    with faults.nginx_stopped().on(healthy_fleet.web):
        run, costs = counted(healthy_fleet)
    assert {"service-not-running"} == {finding["cause"] for finding in run.findings}
    assert set(costs.values()) == {(1, 1)}
    run, costs = counted(healthy_fleet)
    assert not run.findings, run
    assert set(costs.values()) == {(1, 1)}
