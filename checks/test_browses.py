"""browses: each declared page opens in a real browser on its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.browses import BrowseItem


def look(declared: BrowseItem, evidence: Evidence) -> Seen:
    """What did the host's own browser say?"""
    host = evidence[declared.host]
    page = host.browse(declared.page)
    if page.unable:
        raise CouldNotLook(f"{declared.host}: {page.unable}")
    again = page.runs.get("again")
    if page.declared.word == "NO_ANSWER" and again and again.word == "ok":
        raise CouldNotLook(f"{declared.host}: the browser had no answer in time once, and opened it the next time")
    lines = tuple(
        host.line(page.browser, line) for line in (*(hop.line for hop in page.declared.hops), page.declared.line)
    )
    return Seen(value=page, said=page.declared.line, lines=lines, symptom=page.declared.symptom)


def test_browses(declared: BrowseItem, seen: Seen) -> None:
    """The page opens."""
    assert seen.value.declared.word == "ok", declared.wanted
