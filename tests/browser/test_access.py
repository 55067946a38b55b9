"""Can everybody use the page: by keyboard, by screen reader, in either scheme?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from browser.reading import UNFOLD, fill

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN = f"{AXE};\naxe.run(document).then((it) => it.violations.map((at) => [at.id, at.nodes.map((node) => node.html)]))"
RULES = "axe.getRules().length"


def faults(page: Any) -> list[Any]:  # noqa: ANN401 - loaded with runpy
    """Which of axe's rules does the page break?"""
    found: list[Any] = page.evaluate(RUN)
    assert page.evaluate(RULES) > 90
    return found


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [("broken", "light", 1280), ("broken", "dark", 390), ("healthy", "dark", 1280), ("empty", "light", 390)],
)
def test_axe_finds_no_fault(opened: Any, sample: dict[str, Any], name: str, scheme: str, width: int) -> None:  # noqa: ANN401
    """With all of the page unfolded."""
    page = opened(sample[name](), width, dark=scheme == "dark")
    page.evaluate(UNFOLD)
    assert [] == faults(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_fault_in_the_page_as_it_comes(opened: Any, sample: dict[str, Any], dark: bool) -> None:  # noqa: ANN401, FBT001
    """With most of it folded."""
    assert [] == faults(opened(sample["broken"](), dark=dark))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_fault_in_a_large_run(opened: Any, sample: dict[str, Any], dark: bool) -> None:  # noqa: ANN401, FBT001
    """Nor in the list that shows a window of its rows, before a search and after it."""
    page = opened(sample["large"](10_000), dark=dark)
    assert [] == faults(page)
    fill(page, "q", "host0070")
    assert [] == faults(page)


def test_axe_finds_no_fault_where_more_can_be_shown(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Nor in what is said where more findings fit than are shown."""
    page = opened(sample["many"](520), dark=True)
    fill(page, "q", "postgresql")
    assert page.page.locator("#findings .more button").is_visible()
    assert [] == page.evaluate(RUN.replace("(document)", "('#findings .more')"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_fault_without_scripts(opened: Any, sample: dict[str, Any], browser: Any, dark: bool) -> None:  # noqa: ANN401, FBT001
    """The page was laid out with no script run; then scripts are let in again, for axe."""
    page = opened(sample["broken"](), dark=dark, scripts=False)
    assert page.evaluate("!document.documentElement.classList.contains('ready')")
    page.evaluate(UNFOLD)
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert [] == faults(page)


def test_axe_would_find_some(show: Any) -> None:  # noqa: ANN401
    """On a page that is not for everybody it says so."""
    page = show("<!doctype html><title>x</title><body style='background:#fff'><p style='color:#ddd'>pale<input>")
    assert {"color-contrast", "label", "html-has-lang"} <= {rule for rule, _ in faults(page)}


def test_all_of_it_is_reached_by_keyboard(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Findings unfold, the list scrolls, its rows unfold and show their evidence, with no pointer."""
    page = opened(sample["large"](10_000))
    keyboard = page.page.keyboard
    page.page.locator(".finding summary").first.focus()
    keyboard.press("Enter")
    assert page.evaluate("!document.querySelector('.finding > details').open")
    page.page.locator("#list").focus()
    keyboard.press("End")
    page.until("document.querySelector('#list tbody tr:nth-last-child(2)').getAttribute('aria-rowindex') === '716'")
    assert page.evaluate("document.activeElement.id") == "list"
    page.until(
        "(({scrollTop: at, clientHeight: high, scrollHeight: all}) => at + high > all - 2)(document.activeElement)"
    )
    keyboard.press("Home")
    page.until("document.querySelector('#list .host b').textContent === 'host00000'")
    keyboard.press("Tab")
    keyboard.press("Space")
    page.until("document.querySelectorAll('#list .item').length === 14")
    assert "true" == page.evaluate("document.activeElement.getAttribute('aria-expanded')")
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert "nginx" in page.page.locator("#list .detail samp").inner_text()


def test_the_focus_is_not_lost_when_its_row_is_scrolled_away(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """It goes to the list, not to the top of the page."""
    page = opened(sample["large"](10_000))
    page.page.locator("#list .host button").first.focus()
    page.evaluate("document.getElementById('list').scrollTop = 9000")
    page.until("document.activeElement.id === 'list'")


def test_a_screen_reader_is_told_where_it_is(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """The list says how many rows it has and which one each is; what is found is said aloud."""
    page = opened(sample["large"](10_000))
    assert "716" == page.evaluate("document.querySelector('#list table').getAttribute('aria-rowcount')")
    page.evaluate("document.getElementById('list').scrollTop = 9000")
    page.until("document.querySelector('#list .host').getAttribute('aria-rowindex') > 100")
    fill(page, "q", "host00700 8003")
    status = page.page.get_by_role("status")
    assert "0 findings of 1, 1 item of 10,000" == status.inner_text()
    tree = page.page.locator("main").aria_snapshot()
    assert 'button "passed ports 8003/tcp"' in tree
    assert 'search "Findings and items"' in tree
