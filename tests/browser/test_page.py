"""What does a reader see of the page in a real browser, with scripts and without, on every width?"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from browser.reading import UNFOLD

from whyrefused import report

if TYPE_CHECKING:
    from pathlib import Path


def test_without_scripts_all_of_it_reads(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Findings, counts, paths and what failed are there, no dead control is, and it says where the items are."""
    run = sample["broken"]()
    page = opened(run, scripts=False)
    text = page.evaluate("document.body.innerText")
    for found in run.findings:
        assert [] == [it for it in (found.title, *found.fix, *found.verify) if it not in text]
    assert "21 passed, 6 failed, 1 error" in text
    assert "could not look: nft needs root" in text
    assert "This browser runs no script here" in text
    assert "refused" == page.evaluate("document.querySelector('.matrix td.failed').innerText")
    assert page.evaluate("document.getElementById('filter').hidden")
    assert 0 == page.evaluate("document.querySelectorAll('button:not(#filter button)').length")
    assert [4, 29] == page.evaluate(
        "['hosts', 'items'].map((it) => document.querySelectorAll(`.${it} tbody tr`).length)"
    )


JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
"""What a CI server sends along with a file of a build: https://www.jenkins.io/doc/book/security/configuring-content-security-policy/"""


def test_a_server_that_forbids_scripts_and_styles_leaves_the_findings(browser: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Under Jenkins' own policy the page is bare, and says all the same."""
    run = sample["broken"]()
    text = report.page(run, causes=sample["CAUSES"])
    browser.show(1280, 900)
    browser.page.route(
        "http://ci.invalid/**",
        lambda it: it.fulfill(
            body=text, headers={"Content-Security-Policy": JENKINS, "Content-Type": "text/html; charset=utf-8"}
        ),
    )
    browser.page.goto("http://ci.invalid/report.html")
    shown = browser.page.locator("body").inner_text()
    for found in run.findings:
        assert [] == [it for it in (found.title, *found.fix, *found.verify) if it not in shown]
    assert "This browser runs no script here" in shown
    assert browser.page.locator("#filter").is_hidden()
    browser.page.unroute_all()


def test_with_scripts_what_is_for_those_without_costs_no_element(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """It is one text, and not shown."""
    page = opened(sample["broken"]())
    assert 0 == page.evaluate("document.querySelectorAll('noscript *').length")
    assert "This browser runs no script here" not in page.evaluate("document.body.innerText")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
def test_no_width_scrolls_sideways(opened: Any, sample: dict[str, Any], width: int, scripts: bool) -> None:  # noqa: ANN401, FBT001
    """Even with words of 300 letters everywhere, and everything unfolded."""
    page = opened(sample["poisoned_run"]("x" * 300), width, scripts=scripts)
    page.evaluate(UNFOLD)
    assert width == page.evaluate("document.documentElement.scrollWidth")


def test_hosts_that_were_asked_earlier_say_when(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """In the list, beside their groups; whoever was asked by this run has no such word."""
    page = opened(sample["resumed"]())
    said = page.evaluate("[...document.querySelectorAll('#list tr.host')].map((it) => it.innerText)")
    asked = {text.split()[0]: "asked 2026-11-22 05:40" in text for text in said}
    assert {"web1": True, "app2": True, "app1": False, "db1": False} == asked


def test_both_schemes_paint_their_own_ground(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Background and colour are set in each scheme, not left to the browser."""
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    assert ["rgb(246, 246, 244)", "rgb(26, 29, 33)"] == opened(sample["broken"]()).evaluate(colours)
    assert ["rgb(18, 20, 23)", "rgb(230, 231, 233)"] == opened(sample["broken"](), dark=True).evaluate(colours)


def test_commands_are_copied_with_one_press(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Each command has its button, which answers."""
    page = opened(sample["broken"]())
    commands = sum(len(it.fix) + len(it.verify) for it in sample["broken"]().findings)
    assert commands == page.evaluate("document.querySelectorAll('button.copy').length")
    page.page.locator("button.copy").first.click()
    page.until("['Copied', 'Selected'].includes(document.querySelector('button.copy').textContent)")


def test_a_folded_finding_gets_its_buttons_when_it_is_unfolded(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Of many findings only the first stands open; the others say what, how wide and what to do first."""
    run = sample["many"](30)
    page = opened(run)
    assert 1 == page.evaluate("document.querySelectorAll('.finding > details[open]').length")
    last = page.page.locator(".finding").last
    assert "sudo systemctl restart" in last.inner_text()
    assert 0 == last.locator("button.copy").count()
    last.locator("summary").first.click()
    last.locator("button.copy").nth(2).wait_for()  # the browser tells of the unfolding a moment later
    assert last.locator("button.copy").count() == 3


def test_paper_gets_findings_and_items_unfolded(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Printing unfolds what the findings fold and draws the items of a small run, and folds it again."""
    folded = "document.querySelectorAll('.finding details:not([open])').length"
    page = opened(sample["broken"]())
    before = page.evaluate(folded)
    assert 0 == page.evaluate(f"dispatchEvent(new Event('beforeprint')), {folded}")
    page.page.emulate_media(media="print")
    assert page.page.locator("#list").is_visible()
    page.page.emulate_media(media="screen")
    assert before == page.evaluate(f"dispatchEvent(new Event('afterprint')), {folded}")


def test_paper_of_a_large_run_says_where_the_items_are(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Thousands of hosts are not for paper."""
    page = opened(sample["large"](40_000))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.page.emulate_media(media="print")
    assert [False, True] == [page.page.locator(it).is_visible() for it in ("#list", ".paper")]
    page.page.emulate_media(media="screen")


def test_a_picture_has_the_size_asked_for(
    browser: Any,  # noqa: ANN401
    chromium: dict[str, Any],
    sample: dict[str, Any],
    tmp_path: Path,
) -> None:
    """`screenshot` gives a PNG of the window, or of the whole page."""
    report.write(tmp_path / "page.html", report.page(sample["broken"](), causes=sample["CAUSES"]), 0o600)
    take = partial(chromium["screenshot"], browser, tmp_path / "page.html")
    sizes = [struct.unpack(">II", it[16:24]) for it in (take((800, 600), dark=True), take((800, 0)))]
    assert (800, 600) == sizes[0]
    assert sizes[1][0] == 800
    assert sizes[1][1] > 1500
