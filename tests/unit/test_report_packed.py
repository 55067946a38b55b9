"""Are the items all in the page, as they were, whatever they say?"""

from __future__ import annotations

import runpy
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused import report
from whyrefused.escape import slug, visible
from whyrefused.records import Line, Outcome, Result, Run
from whyrefused.report.packed import BLOCK, LETTERS, LINES, cut, sorted_results, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = runpy.run_path(str(Path(__file__).parent / "data/report/sample.py"))
CAUSES = SAMPLE["CAUSES"]
ANY = st.text(st.characters(exclude_categories=()), max_size=20)
# Few names, so that texts meet: a host named like a part of an id, two items that say the same.
SOME = st.sampled_from(["", "a", "web1", "</script>", '"', "\\", "\0", "\1", "\u202e", "\ud800"]) | ANY
LINES_OF = st.lists(st.builds(Line, host=SOME, source=SOME, line=SOME), max_size=4).map(tuple)
RESULTS = st.lists(
    st.builds(
        Result, id=SOME, host=SOME, check=SOME, subject=SOME, outcome=st.sampled_from(get_args(Outcome)), expected=SOME,
        observed=SOME, evidence=LINES_OF, finding=st.none() | st.just(SAMPLE["loopback"]().id),
    ),
    max_size=8, unique_by=lambda it: it.id,
)  # fmt: skip


def read(rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Which items do the columns hold? As the page's script reads them."""
    words, at = rows["words"], 0
    for host, size in zip(rows["hosts"], rows["sizes"], strict=True):
        for _ in range(size):
            number = rows["finding"][at]
            more, *quotes = rows["sets"][rows["evidence"][at]]
            subject = words[rows["subject"][at]]
            yield {
                "host": host,
                "outcome": {short: long for long, short in LETTERS.items()}[rows["outcome"][at]],
                "check": words[rows["check"][at]],
                "subject": subject,
                "expected": words[rows["expected"][at]],
                "observed": words[rows["observed"][at]],
                "id": rows["templates"][rows["template"][at]].replace("\0", host).replace("\1", subject),
                "anchor": f"item-{rows['anchor'][12 * at : 12 * at + 12]}",
                "finding": rows["findings"][number - 1][0] if number else "",
                "evidence": [[words[it] for it in rows["said"][quote]] for quote in quotes],
                "more": more,
            }
            at += 1


def meant(it: Result) -> dict[str, Any]:
    """What should stand there of an item?"""
    shown = it.evidence[:LINES]
    return {
        **{name: visible(cut(getattr(it, name))) for name in ("expected", "observed")},
        **{name: visible(getattr(it, name)) for name in ("host", "outcome", "check", "subject", "id")},
        "anchor": slug("item", it.id),
        "finding": slug("finding", it.finding) if it.finding else "",
        "evidence": [
            [visible(host), visible(source), visible("\n".join(one.line for one in same))]
            for (host, source), same in groupby(shown, key=lambda one: (one.host, one.source))
        ],
        "more": len(it.evidence) - len(shown),
    }


@settings(max_examples=150, deadline=None)
@given(RESULTS)
def test_every_item_is_there_as_it_was(results: list[Result]) -> None:
    """Each field of each item, in the order of the list; what cannot be seen is named."""
    run = replace(SAMPLE["broken"](), results=tuple(results), hosts=(), groups={})
    rows = unpacked(report.page(run, causes=CAUSES))
    assert [meant(it) for it in sorted_results(results)] == list(read(rows) if results else [])


@settings(max_examples=40, deadline=None)
@given(RESULTS.filter(bool))
def test_no_text_leaves_its_element(results: list[Result]) -> None:
    """What stands between the tags is base64, so no text can end them; and there is one such element."""
    run = replace(SAMPLE["broken"](), results=tuple(results), hosts=(), groups={})
    text = report.page(run, causes=CAUSES)
    assert 1 == len(BLOCK.findall(text))
    assert 1 == text.count("application/json")


def test_groups_and_findings_are_numbered_as_the_page_has_them() -> None:
    """The filter's numbers mean the same on both sides."""
    run: Run = SAMPLE["broken"]()
    text = report.page(run, causes=CAUSES)
    rows = unpacked(text)
    assert ["app", "db", "monitored", "web"] == rows["groups"]
    assert [["app"], ["app"], ["db", "monitored"], ["monitored", "web"]] == [
        [rows["groups"][it] for it in of] for of in rows["members"]
    ]
    assert [*CAUSES, "undetermined"] == rows["causes"]
    places = [text.index(f'id="{anchor}"') for anchor, _ in rows["findings"]]
    assert sorted(places) == places
    assert ["wrong-bind-address", "service-not-running", "undetermined"] == [
        rows["causes"][number - 1] for _, number in rows["findings"]
    ]
