"""Does the reader find what is looked for, and can it be linked to?"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest
from browser.reading import COUNT, LISTED, fill, settled

from whyrefused.escape import slug

TITLES = "[...document.querySelectorAll('article.finding:not([hidden]) h3')].map((it) => it.textContent)"
OPEN_ITEM = "document.activeElement.closest('tr')?.querySelector('td:nth-child(3)').textContent"
IN_SIGHT = """
(() => { const at = document.activeElement.getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; })()
"""


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("q", "web1 127.0.0.1", (1, 1)),
        ("q", "errno 111", (2, 1)),  # in the evidence
        ("q", "DB1 SSH", (2, 1)),  # a host is a word of its items too
        ("q", "reload nginx", (0, 1)),  # only the finding says it: its fix
        ("q", "no such words", (0, 0)),
        ("host", "db1", (9, 1)),
        ("host", "app", (13, 2)),  # part of a name
        ("group", "app", (13, 2)),
        ("cause", "Service is not running", (2, 1)),
        ("cause", "Incorrect port", (0, 0)),
        ("cause", "none named", (1, 0)),
        ("outcome", "error", (1, 0)),
        ("outcome", "skipped", (1, 0)),
    ],
)
def test_the_filter_finds(
    opened: Any,  # noqa: ANN401
    sample: dict[str, Any],
    field: str,
    value: str,
    shown: tuple[int, int],
) -> None:
    """Items and findings that fit are shown, wherever they were folded; emptied, all that stood there before."""
    page = opened(sample["broken"]())
    before = page.evaluate(LISTED), page.evaluate(TITLES)
    fill(page, field, value)
    items, findings = shown
    assert items == len(page.evaluate(LISTED))
    assert findings == len(page.evaluate(TITLES))
    noun = ("finding" if findings == 1 else "findings", "item" if items == 1 else "items")
    assert f"{findings} {noun[0]} of 3, {items} {noun[1]} of 29" == page.evaluate(COUNT)
    assert (items == 0) == page.page.locator("#list-none").is_visible()
    fill(page, field, "")
    assert before == (page.evaluate(LISTED), page.evaluate(TITLES))


def test_filters_add_up_and_are_cleared_at_once(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """What is shown fits all of them; one press takes them away, and the reader is back at the search."""
    page = opened(sample["broken"]())
    fill(page, "group", "app")
    fill(page, "outcome", "failed")
    fill(page, "q", "timed")
    assert [["connects", "app2 → db1:9187"]] == [it[:2] for it in page.evaluate(LISTED)]
    page.page.locator("#filter-clear").click()
    settled(page)
    assert "" == page.evaluate(COUNT)
    assert "#" not in page.page.url
    assert "filter-q" == page.evaluate("document.activeElement.id")


def test_the_fragment_says_what_is_looked_for(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """A link to a search opens it again, whatever the words, and typing leaves one entry in the history."""
    page = opened(sample["broken"]())
    entries = page.evaluate("history.length")
    fill(page, "q", "nft & root=1 #ü")
    fill(page, "q", "root")
    fill(page, "group", "db")
    fill(page, "cause", "none named")
    fragment = page.page.url.partition("#")[2]
    assert {"q": ["root"], "group": ["db"], "cause": ["none"]} == parse_qs(fragment)
    assert entries == page.evaluate("history.length")
    shown = page.evaluate(LISTED)
    again = opened(sample["broken"](), fragment=f"#{fragment}")
    assert shown == again.evaluate(LISTED)
    assert 1 == len(shown)
    assert "root" == again.evaluate("document.getElementById('filter-q').value")


def test_a_fragment_of_another_run_does_no_harm(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """A group, a cause or a finding that is not here is passed over; so is an anchor that nothing has."""
    for fragment in ("#group=gone&cause=gone&finding=000000000000", "#item-000000000000", "#nothing", "#%00", "#%"):
        page = opened(sample["broken"](), fragment=fragment)
        assert 29 == len(page.evaluate(LISTED)), fragment
        assert 3 == len(page.evaluate(TITLES)), fragment


SHOWN = "document.querySelectorAll('article.finding:not([hidden])').length"


def test_thousands_of_findings_are_shown_when_asked_for(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Of many that fit the first are shown, all are counted, and one press, a link or paper brings the others."""
    run = sample["many"](700)
    page = opened(run)
    more = page.page.locator("#findings .more")
    assert (700, False) == (page.evaluate(SHOWN), more.is_visible())
    fill(page, "q", "postgresql")
    assert (500, "The first 500 are shown. Show all 700 findings") == (page.evaluate(SHOWN), more.inner_text())
    assert page.evaluate(COUNT).startswith("700 findings of 700, ")
    more.locator("button").click()
    assert (700, False) == (page.evaluate(SHOWN), more.is_visible())
    assert page.evaluate("document.activeElement.id") == slug("finding", run.findings[500].id)

    fill(page, "q", "postgresql failed")
    assert (500, True) == (page.evaluate(SHOWN), more.is_visible())
    page.evaluate(f"location.hash = '{slug('finding', run.findings[600].id)}'")
    page.until(f"document.querySelector('#{slug('finding', run.findings[600].id)} > details').open")
    assert (700, False) == (page.evaluate(SHOWN), more.is_visible())
    assert "postgresql failed" == page.evaluate("document.getElementById('filter-q').value")

    fill(page, "q", "db00")
    assert (100, False) == (page.evaluate(SHOWN), more.is_visible())
    fill(page, "q", "postgresql")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (700, False) == (page.evaluate(SHOWN), more.is_visible())
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    fill(page, "q", "")
    assert (700, False) == (page.evaluate(SHOWN), more.is_visible())


def test_every_item_can_be_linked_to(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Followed, its link unfolds its host and itself, brings it into sight and puts the focus on it."""
    run = sample["large"](10_000)
    for result in (run.results[0], run.results[4_711], run.results[-1]):
        page = opened(run, fragment=f"#{slug('item', result.id)}")
        assert result.subject == page.evaluate(OPEN_ITEM)
        assert page.evaluate(IN_SIGHT)
        detail = page.page.locator("#list .detail")
        assert result.id == detail.locator("code").first.inner_text()
        assert page.page.url.endswith(detail.locator("a.self").get_attribute("href"))


def test_every_finding_can_be_linked_to(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Followed, its link unfolds it, even when a filter had hidden it."""
    run = sample["many"](30)
    anchor = slug("finding", run.findings[20].id)
    page = opened(run, fragment="#q=db0001")
    assert 1 == len(page.evaluate(TITLES))
    page.evaluate(f"location.hash = '{anchor}'")
    page.until(f"document.querySelector('#{anchor} > details').open")
    assert 30 == len(page.evaluate(TITLES))
    assert page.page.locator(f"#{anchor} .where").is_visible()


def test_what_a_finding_explains_is_linked(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Twenty of its items by name, and all of them in the list."""
    page = opened(sample["large"](1_000))
    explains = page.page.locator(".explains").first
    explains.locator("summary").click()
    page.until("document.querySelectorAll('.explains a').length === 21")
    assert "all 100 items in the list" == explains.locator("a").last.inner_text()
    explains.locator("a").last.click()
    settled(page)
    assert "1 finding of 1, 100 items of 1,000, all of one finding" == page.evaluate(COUNT)


def test_the_numbers_of_the_overview_lead_to_what_they_count(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Each number of items, followed, shows as many."""
    page = opened(sample["broken"]())
    links = page.evaluate("[...document.querySelectorAll('.counts td a')].map((it) => [it.hash, it.textContent])")
    assert 12 == len(links)
    for fragment, number in links:
        page.evaluate(f"location.hash = '{fragment}'")
        settled(page)
        assert int(number) == len(page.evaluate(LISTED)), fragment


def test_a_path_that_fails_leads_to_its_finding(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """From the matrix of clients and servers."""
    page = opened(sample["broken"]())
    page.page.locator(".matrix a", has_text="timed-out").click()
    assert page.page.url.endswith(slug("finding", sample["undetermined"]().id))
