"""Do the counts of the overview add up?"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

from whyrefused.report.overview import GROUPS, HOSTS, REASONS, checks, overview, reasons
from whyrefused.report.packed import sorted_results
from whyrefused.report.view import cards

SAMPLE = runpy.run_path(str(Path(__file__).parent / "data/report/sample.py"))
CAUSES = SAMPLE["CAUSES"]


def test_causes_by_group() -> None:
    """Findings, hosts, items and the items of each group, the widest cause first, then what has none."""
    run = SAMPLE["broken"]()
    found = overview(cards(run, sorted_results(run.results), CAUSES), run.results, dict(sorted(run.groups.items())))
    assert ["app", "db", "monitored", "web"] == [name for _, name in found.groups]
    assert [
        ("wrong-bind-address", 1, 3, 3, (2, 0, 1, 1)),
        ("service-not-running", 1, 1, 2, (0, 2, 2, 0)),
        ("undetermined", 1, 1, 1, (1, 0, 0, 0)),
    ] == [(it.key, it.findings, it.hosts, it.items, it.groups) for it in found.causes]
    assert [("error", 0, 1, 1, (0, 1, 1, 0))] == [
        (it.key, it.findings, it.hosts, it.items, it.groups) for it in found.rest
    ]


def test_only_the_groups_in_most_trouble_have_a_column() -> None:
    """Those in which nothing failed have none; how many more are in trouble is said."""
    run = SAMPLE["many"](95)
    groups = {**run.groups, "calm": ("elsewhere",)}
    found = overview(cards(run, run.results, CAUSES), run.results, groups)
    assert GROUPS == len(found.groups)
    assert 2 == found.more
    assert "calm" not in [name for _, name in found.groups]
    assert {10} == set(found.causes[0].groups) - {9}


def test_a_reason_stands_once() -> None:
    """A host that is not reached is one line, however many of its items could not be decided; failures come first."""
    error = SAMPLE["failing"]()[-1]
    down = [
        replace(error, id=f"{it}", host="web7", observed="not reached: timed out", check="ports") for it in range(14)
    ]
    root = [replace(error, id=f"root{it}", host=f"db{it:02}") for it in range(20)]
    failed = replace(error, id="x", outcome="failed", observed="odd")
    explained = replace(error, id="y", observed="explained", finding="why")
    found, more = reasons([*down, *root, failed, explained])
    assert 0 == more
    assert [
        ("failed", "odd", 1, ("db1",), 0),
        ("error", error.observed, 20, tuple(f"db{it:02}" for it in range(20)), 0),
        ("error", "not reached: timed out", 14, ("web7",), 0),
    ] == [(it.outcome, it.said, it.items, it.hosts, it.more) for it in found]


def test_hosts_that_nobody_reaches_are_one_line() -> None:
    """A rack without power: the addresses differ, the reason does not; another reason is another line."""
    error = SAMPLE["failing"]()[-1]
    down = [
        replace(
            error, id=f"{it}-{at}", host=f"w{it:02}", observed=f"not reached: {address}:22 does not answer (w{it:02})"
        )
        for it in range(30)
        for address in (f"10.0.0.{it}", f"[2001:db8::{it}]")
        for at in range(7)
    ]
    found, _ = reasons([*down, replace(error, id="x", observed="not reached: 10.0.0.1:22 wants a password")])
    assert [
        ("not reached: 10.0.0.0:22 does not answer (w00)", 29, 210, HOSTS, 30 - HOSTS),
        ("not reached: [2001:db8::0]:22 does not answer (w00)", 29, 210, HOSTS, 30 - HOSTS),
        ("not reached: 10.0.0.1:22 wants a password", 0, 1, 1, 0),
    ] == [(it.said, it.others, it.items, len(it.hosts), it.more) for it in found]


def test_another_port_is_another_line() -> None:
    """Only hosts and addresses are passed over."""
    error = SAMPLE["failing"]()[-1]
    found, _ = reasons(
        [replace(error, id=f"{it}", observed=f"dialling 10.0.0.1:{it}: no answer in time") for it in (80, 8443)]
    )
    assert [0, 0] == [it.others for it in found]


def test_reasons_without_end_are_cut() -> None:
    """When each item has a reason of its own, the page does not list them all, and says so."""
    error = SAMPLE["failing"]()[-1]
    found, more = reasons([replace(error, id=f"{it}", observed=f"for reason {it}x") for it in range(1_000)])
    assert (REASONS, 1_000 - REASONS) == (len(found), more)


def test_every_check_is_counted() -> None:
    """By outcome; the sum is all there is."""
    results = SAMPLE["broken"]().results
    found = dict(checks(results))
    assert (2, 0) == (found["ports"]["failed"], found["ports"]["passed"])
    assert len(results) == sum(it.total() for it in found.values())
