"""Do the options of pytest, Ansible and the tool mean what they mean there, and is each host visited once at most?"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from . import Counts, faults
from .audit import ROOT, audit
from .audit_fleet import ITEMS, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from . import Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

ONCE, NEVER = Counts(connections=1, execs=1), Counts(connections=0, execs=0)
EVERYBODY_ONCE = {"app1": ONCE, "web1": ONCE, "db1": ONCE}
NOBODY = {"app1": NEVER, "web1": NEVER, "db1": NEVER}


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


@pytest.fixture(scope="module")
def broken(hosts: Fleet) -> Iterator[Fleet]:
    """Stop the web server."""
    with faults.nginx_stopped().on(hosts.web):
        yield hosts


@contextmanager
def visits(hosts: Fleet) -> Iterator[dict[str, Counts]]:
    """How often was each host visited meanwhile, by its own sshd's log? Filled in at the end."""
    before = {host.name: host.ssh_counts() for host in hosts.lab.hosts.values()}
    found: dict[str, Counts] = {}
    yield found
    found |= {host.name: host.ssh_counts() - before[host.name] for host in hosts.lab.hosts.values()}


def watched(hosts: Fleet, *options: str | Path) -> tuple[Audited, Mapping[str, Counts]]:
    """What does the audit say, and whom did it visit?"""
    inventory = hosts.inventory()
    with visits(hosts) as seen:
        run = audit(hosts.lab, *options, inventory=inventory)
    return run, seen


def test_one_connection_and_one_command_per_host(hosts: Fleet) -> None:
    """An audit is one TCP connection and one exec on each host, counted in its sshd's log."""
    run, seen = watched(hosts)
    assert (0, EVERYBODY_ONCE) == (run.status, seen), run


@pytest.mark.parametrize(
    ("pattern", "judged", "visited"),
    [
        ("web", {"web1", "localhost"}, {"web1"}),
        ("app:db", {"app1", "db1"}, {"app1", "db1"}),
        ("all:!db", {"app1", "web1", "localhost"}, {"app1", "web1"}),
        ("d*", {"db1"}, {"db1"}),
    ],
)
def test_limit(hosts: Fleet, pattern: str, judged: set[str], visited: set[str]) -> None:
    """`--limit` takes Ansible's patterns; only these hosts are visited, and the machine itself where it is a client."""
    run, seen = watched(hosts, "--limit", pattern)
    assert judged == {one["host"] for one in run.results}, run
    assert {name: ONCE if name in visited else NEVER for name in seen} == seen


def test_limit_that_matches_nobody(hosts: Fleet) -> None:
    """A pattern that matches no host is a mistake on the command line: exit status 4, naming it, nobody visited."""
    run, seen = watched(hosts, "--limit", "nosuch")
    assert (4, NOBODY, {}) == (run.status, seen, run.found), run
    assert "nosuch" in run.said


@pytest.mark.parametrize(
    ("option", "value", "checks", "judged"),
    [
        ("-k", "services and web1", {"services"}, {"web1"}),
        ("-m", "group_web and not connects", {"services", "ports", "firewall", "proxy"}, {"web1"}),
        ("-m", "resolves", {"resolves"}, {"app1"}),
    ],
)
def test_selection(hosts: Fleet, option: str, value: str, checks: set[str], judged: set[str]) -> None:
    """`-k` and `-m` select items, groups and checks; hosts whose items are all deselected are not visited."""
    run, seen = watched(hosts, option, value)
    assert (0, checks, judged) == (
        run.status, {one["check"] for one in run.results}, {one["host"] for one in run.results}
    ), run  # fmt: skip
    assert {name: ONCE if name in judged else NEVER for name in seen} == seen
    assert sorted(judged) == run.found["run"]["hosts"]


def test_mark_of_a_check(hosts: Fleet) -> None:
    """`-m firewall` judges the rules of every host that declares any, and nothing else."""
    run, seen = watched(hosts, "-m", "firewall")
    assert {"firewall web1 80/tcp allow any", "firewall db1 6379/tcp allow app"} == run.of("passed"), run
    assert (2, ONCE, ONCE) == (len(run.results), seen["web1"], seen["db1"])


def test_selection_of_nothing(hosts: Fleet) -> None:
    """A run that checked nothing is not green: pytest's own 5, and nobody is visited."""
    run, seen = watched(hosts, "-k", "nosuch")
    assert (5, NOBODY) == (run.status, seen), run


def test_collect_only(hosts: Fleet) -> None:
    """`--collect-only` lists every item, connects to nobody, and writes no report of what it did not see."""
    run, seen = watched(hosts, "--collect-only")
    assert (0, NOBODY, {}) == (run.status, seen, run.found), run
    assert ITEMS == run.said.count("<Function test_")


def test_own_tests_beside_ours(hosts: Fleet, tmp_path: Path) -> None:
    """An operator's own test with testinfra's `host` is run on every host of the inventory, and counts."""
    own = tmp_path / "test_own.py"
    own.write_text(
        "def test_name(host):\n"
        "    assert host.run('hostname').stdout.strip() in {'app1', 'web1', 'db1'}\n\n"
        "def test_redis(host):\n"
        "    assert host.service('redis-server').is_running\n"
    )
    run, _ = watched(hosts, "-v", ROOT / "checks", own)
    assert 1 == run.status, run
    assert {"passed": ITEMS} == run.outcomes
    assert {
        ("test_name", "app1", "PASSED"), ("test_name", "web1", "PASSED"), ("test_name", "db1", "PASSED"),
        ("test_redis", "app1", "FAILED"), ("test_redis", "web1", "FAILED"), ("test_redis", "db1", "PASSED"),
    } == {
        (name, host, outcome)
        for name in ("test_name", "test_redis") for host in ("app1", "web1", "db1") for outcome in ("PASSED", "FAILED")
        if any(f"::{name}[" in line and host in line and f"] {outcome}" in line for line in run.said.splitlines())
    }  # fmt: skip


def test_first_failure_ends_it(broken: Fleet) -> None:
    """After `-x` the report says that it is incomplete, and every item that did not run is in it, saying so."""
    run, _ = watched(broken, "-x")
    assert (1, False, ITEMS) == (run.status, run.found["run"]["complete"], len(run.results)), run
    skipped = [one["observed"] for one in run.results if one["outcome"] == "skipped"]
    assert ({"failed": 1}, True) == ({"failed": run.outcomes["failed"]}, len(skipped) > ITEMS / 2)
    assert all("not run" in said for said in skipped)
    assert "<b>Incomplete.</b>" in run.written["page.html"]
    assert [["service-not-running"], run.ids("failed")] == [
        [one["cause"] for one in run.findings], set(run.findings[0]["explains"])
    ]  # fmt: skip


def test_junit(broken: Fleet) -> None:
    """`--junitxml` holds the same items and failures, each failure naming the cause."""
    run, _ = watched(broken)
    suite = ET.fromstring(run.written["junit.xml"]).find("testsuite")  # noqa: S314 - as above
    assert suite is not None
    assert (str(ITEMS), str(run.outcomes["failed"]), "0") == (
        suite.get("tests"), suite.get("failures"), suite.get("errors")
    )  # fmt: skip
    assert all("service-not-running" in (one.get("message") or "") for one in suite.iter("failure"))


def test_two_processes_make_one_visit(broken: Fleet) -> None:
    """With pytest-xdist's `-n 2` every host is visited once, and results and findings are the same as without."""
    run, seen = watched(broken, "-n", "2")
    plain, _ = watched(broken)
    assert (1, EVERYBODY_ONCE, True) == (run.status, seen, run.found["run"]["complete"]), run
    assert (plain.named, plain.outcomes) == (run.named, run.outcomes)
    assert [steady(plain)] == [steady(run)]


def steady(run: Audited) -> list[tuple[str, str, str | None]]:
    """Which verdicts does a run hold, without what differs from one visit to the next?"""
    return [(one["id"], one["outcome"], one["finding"]) for one in run.results]


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one-process", "two-processes"])
def test_saved_evidence_judges_alike(broken: Fleet, tmp_path: Path, processes: tuple[str, ...]) -> None:
    """What `--save-evidence` kept, `--evidence` judges the same, without a connection; only its owner may read it."""
    kept = tmp_path / "evidence.json"
    live, seen = watched(broken, f"--save-evidence={kept}", *processes)
    again, unseen = watched(broken, f"--evidence={kept}")
    assert (EVERYBODY_ONCE, NOBODY, 0o600) == (seen, unseen, kept.stat().st_mode & 0o777), live
    assert live.results == again.results
    assert live.findings == again.findings
    assert (1, 1) == (live.status, again.status)
