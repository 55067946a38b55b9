"""Does a page of hostile text do anything but be read?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from browser.reading import PAYLOADS, POLICY, STRUCTURE, loud
from hostile import poison
from scenarios import replay

from whyrefused import report
from whyrefused.causes import registry
from whyrefused.report.overview import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable

WAYS = {"scripts": True, "no-scripts": False}


@pytest.fixture(scope="module")
def elements(show: Any, sample: dict[str, Any]) -> Callable[[bool], list[str]]:  # noqa: ANN401
    """Which elements has the clean page, where scripts run or not? As a function."""
    text = POLICY.sub("", report.page(sample["broken"](), causes=sample["CAUSES"]))
    known: dict[bool, list[str]] = {}

    def elements(scripts: bool) -> list[str]:  # noqa: FBT001 - a case
        if scripts not in known:
            known[scripts] = show(text, scripts=scripts).evaluate(STRUCTURE).splitlines()
        return known[scripts]

    return elements


@pytest.mark.parametrize("scripts", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_acts(
    show: Any,  # noqa: ANN401
    sample: dict[str, Any],
    elements: Callable[[bool], list[str]],
    payload: str,
    scripts: bool,  # noqa: FBT001 - a case
) -> None:
    """A payload in every field adds no element and loads nothing, even where no policy would stop it."""
    wanted = elements(scripts)
    text = report.page(sample["poisoned_run"](payload), causes=sample["CAUSES"])
    page = show(POLICY.sub("", text), scripts=scripts)
    assert page.evaluate("document.querySelector('meta[http-equiv]') === null")
    assert "3 findings, 4 hosts · whyrefused" == page.evaluate("document.title")
    assert [] == loud(page)
    assert wanted == page.evaluate(STRUCTURE).splitlines()


def test_the_unfolded_page_shows_every_item(show: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """What the payloads are tried on is all of it: each item and its detail are drawn."""
    page = show(report.page(sample["broken"](), causes=sample["CAUSES"]))
    assert [29, 29] == page.evaluate("['item', 'detail'].map((it) => document.querySelectorAll('#list .' + it).length)")


def test_payloads_would_act(show: Any) -> None:  # noqa: ANN401
    """On a page that writes what it is told, more than half of them run or load something, and it is seen here."""
    acted = set()
    for payload in PAYLOADS:
        page = show(f"<!doctype html><meta charset=utf-8><title>clean</title><body><p title='x'>{payload}")
        page.evaluate("document.querySelectorAll('[onfocus]').forEach((it) => it.focus())")
        title = page.evaluate("document.title")
        if title != "clean" or loud(page) or page.evaluate("document.querySelectorAll('meta').length") != 1:
            acted.add(payload)
    assert len(acted) > len(PAYLOADS) / 2, sorted(acted)


@pytest.mark.parametrize("scripts", WAYS.values(), ids=WAYS)
def test_hosts_that_mean_harm(show: Any, scripts: bool) -> None:  # noqa: ANN401, FBT001 - a case
    """What real hosts said, with payloads all over, judged by the tool: only texts differ from a harmless report."""
    causes = {code: (cause.title, cause.text) for code, cause in registry().items()}
    runs = []
    for at, story in enumerate(replay.STORIES[::20]):
        inventory, kept, _ = replay.read(story)
        runs += [poison.judged(inventory, poison.replies(kept, PAYLOADS[:-1], every, at)) for every in (7, 60)]
    run = poison.one_of(runs)
    # Reasons that differ in host and address alone are told once; a harmless word for each of them would part them.
    alike = [replace(it, observed=ADDRESS.sub("", it.observed.replace(it.host, ""))) for it in run.results]
    run = replace(run, results=tuple(alike))
    assert run.findings
    shown = {}
    for name, of in (("hostile", run), ("clean", poison.clean(run, frozenset(causes)))):
        page = show(POLICY.sub("", report.page(of, causes=causes)), scripts=scripts)
        assert [] == loud(page), name
        shown[name] = page.evaluate(STRUCTURE).splitlines()
    assert shown["clean"] == shown["hostile"]


def test_the_policy_is_in_force(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Our style and script act; what is put into the page later does not."""
    page = opened(sample["broken"]())
    assert [] == loud(page)
    assert page.evaluate("!document.getElementById('filter').hidden")
    assert "rgb(246, 246, 244)" == page.evaluate("getComputedStyle(document.body).backgroundColor")
    violated = page.evaluate(
        """new Promise((done) => {
          const seen = [];
          document.addEventListener("securitypolicyviolation", (it) => seen.push(it.effectiveDirective));
          document.body.insertAdjacentHTML("beforeend",
            '<img src="x.png" onerror="document.title=1"><p style="color:red">');
          setTimeout(() => done(seen.sort()), 200);
        })"""
    )
    assert ["img-src", "script-src-attr", "style-src-attr"] == violated
    assert "3 findings, 4 hosts · whyrefused" == page.evaluate("document.title")
