"""Is every fault of `scenarios/` named right on real hosts, and does a healthy fleet stay without a finding?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import pytest

from whyrefused.causes import ORDER, registry
from whyrefused.records import Symptom

from . import story, unavailable
from .scenario import play, scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from .scenario import Ended

TOGETHER = int(os.environ.get("WHYREFUSED_SCENARIOS", "4"))
"""Scenarios that are played at once: mostly they wait, for boots and for connects that time out."""

CANARY = "c4n4ry"
"""Whatever a scenario has as a password is this, and it comes back from no host and stands in no report."""

ALL = scenarios()
SELDOM = pytest.mark.skipif(
    not os.environ.get("WHYREFUSED_ACCURACY"), reason="a variant that `make accuracy` plays: set WHYREFUSED_ACCURACY"
)


@pytest.fixture(scope="module")
def playing(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Ended]]]:
    """Begin all selected scenarios, a few at a time."""
    wanted = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
              and item.path == request.path and "name" in item.callspec.params
              and not any(mark.args[0] for mark in item.iter_markers("skipif"))}  # fmt: skip
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {one.name: pool.submit(play, one) for one in ALL if one.name in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.lab
@pytest.mark.scenarios
@pytest.mark.parametrize("name", [pytest.param(one.name, marks=SELDOM if one.seldom else ()) for one in ALL])
def test_scenario(name: str, playing: dict[str, Future[Ended]], record_scenario: Callable[[Ended], None]) -> None:
    """The symptom is as stated; root finds just these causes; an ordinary login finds no other than these."""
    ended = playing[name].result()
    scenario = ended.scenario
    record_scenario(ended)
    assert [one["symptom"] for one, _ in ended.met] == [symptom for _, symptom in ended.met]
    root, ordinary = ended.audits["root"], ended.audits["auditor"]
    assert CANARY not in "".join((ended.evidence, *(root.said, ordinary.said), *root.written.values()))
    assert scenario.finds == set(root.named), root
    assert scenario.unprivileged == {cause for cause, _, _ in ordinary.named}, ordinary
    assert {cause for cause, _, _ in ordinary.named} <= {cause for cause, _, _ in root.named} | {"undetermined"}
    if scenario.finds:
        assert root.status == 1
    else:
        assert not root.of("failed"), root
        assert not ordinary.of("failed"), ordinary
    if story.wanted():
        story.keep(ended)


def test_no_lab_no_scenarios() -> None:
    """Where the lab cannot run, the scenarios are at least read."""
    assert ALL
    assert unavailable() is None or all(one.finds is not None for one in ALL)


def test_all_variants_are_documented() -> None:
    """A variant that a scenario states is one of its cause's."""
    stated = {(cause, variant) for one in ALL for cause, variant, _ in one.finds}
    known = {(code, variant) for code, cause in registry().items() for variant in cause.variants}
    assert stated - known <= {("undetermined", symptom) for symptom in get_args(Symptom)}


def test_all_causes_have_scenarios() -> None:
    """There are at least seventy; four of each cause, a dozen healthy ones, eight pairs."""
    groups = [one.group for one in ALL if not one.seldom]
    assert len(groups) >= 70
    assert dict.fromkeys(ORDER, True) == {cause: groups.count(cause) >= 4 for cause in ORDER}
    assert groups.count("healthy") >= 12
    assert groups.count("pairs") >= 8
