"""Is the page readable, linked, inert and the same every time?"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import runpy
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused import report
from whyrefused.records import Line
from whyrefused.report.packed import unpacked

if TYPE_CHECKING:
    from whyrefused.records import Run

DATA = Path(__file__).parent / "data/report"
SAMPLE = runpy.run_path(str(DATA / "sample.py"))
CAUSES = SAMPLE["CAUSES"]
PAYLOADS = json.loads((DATA / "payloads.json").read_text())
SLUG = re.compile("(finding|item|host|test|cause)-[0-9a-f]{12}")
VOID = {"meta", "input", "link", "base", "img", "br", "hr"}


class Reading(HTMLParser):
    """A page as a list of its tags, and the text of each element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text: list[str] = []
        self.raw: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, tuple(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that ends itself."""
        self.tags.append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that the last open tag is the one that ends."""
        assert tag == self.open.pop()
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self.open and self.open[-1] in {"style", "script"}:
            _, attributes = self.tags[-1]
            kind = dict(attributes).get("type") or self.open[-1]
            self.raw[kind] = self.raw.get(kind, "") + data
        else:
            self.text.append(data)

    def values(self, name: str) -> list[str]:
        """Which values does this attribute have on the page?"""
        return [value or "" for _, attributes in self.tags for key, value in attributes if key == name]

    @property
    def words(self) -> str:
        """What does the page say, with single spaces?"""
        return " ".join(" ".join(self.text).split())


def page(run: Run, css: str = "") -> Reading:
    """How does the page of this run read?"""
    return Reading(report.page(run, css, causes=CAUSES))


def structure(reading: Reading) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Which tags and attributes, where anchors are equal to each other?"""
    return [
        (tag, tuple((key, SLUG.sub(r"\1", value or "")) for key, value in attributes))
        for tag, attributes in reading.tags
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_every_field_is_text(payload: str) -> None:
    """The page with the payload everywhere has the tags and attributes of the clean one."""
    hostile = {id_: (title + payload, text + payload) for id_, (title, text) in CAUSES.items()}
    found = Reading(report.page(SAMPLE["poisoned_run"](payload), causes=hostile))
    assert structure(page(SAMPLE["broken"]())) == structure(found)
    assert [] == re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "".join(found.text))


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_text_in_every_field_is_text(payload: str) -> None:
    """The same for any text; a character before it keeps the order in which items are sorted."""
    assert structure(page(SAMPLE["broken"]())) == structure(page(SAMPLE["poisoned_run"]("\U0010fffd" + payload)))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_a_resumed_run_is_text(payload: str) -> None:
    """The moments, and the hosts that they belong to, are text too."""
    run = SAMPLE["resumed"]()
    assert structure(page(run)) == structure(page(SAMPLE["poisoned_run"](payload, run)))


def test_when_each_was_asked() -> None:
    """Of hosts that an earlier run had asked the page says when, with scripts and without; else there is no word."""
    text = report.page(SAMPLE["resumed"](), causes=CAUSES)
    read = " ".join("".join(Reading(text).text).split())
    assert re.search("Started ?2026-11-22 05:40:01 UTC ?Resumed ?2026-11-22 06:00:01 UTC ?Finished", read)
    assert "web1 asked 2026-11-22 05:40:02 UTC" in read
    rows = unpacked(text)
    asked = dict(zip(rows["hosts"], rows["asked"], strict=True))
    moments = {"app2": "2026-11-22 05:40:01 UTC", "web1": "2026-11-22 05:40:02 UTC"}
    assert moments | {"app1": "", "db1": ""} == asked
    plain = report.page(SAMPLE["broken"](), causes=CAUSES)
    assert ("asked" in unpacked(plain), "Resumed" in plain) == (False, False)


def test_the_page_does_not_depend_on_the_order_of_answers() -> None:
    """The same run in another order gives the same bytes."""
    run, shuffled = SAMPLE["broken"](), random.Random(1)  # noqa: S311 - an order, no secret
    for _ in range(5):
        other = replace(
            run,
            results=tuple(shuffled.sample(run.results, len(run.results))),
            findings=tuple(shuffled.sample(run.findings, len(run.findings))),
            hosts=tuple(shuffled.sample(run.hosts, len(run.hosts))),
        )
        assert report.page(run, causes=CAUSES) == report.page(other, causes=CAUSES)


@pytest.mark.parametrize("name", ["broken", "healthy", "empty"])
def test_every_link_leads_somewhere_on_the_page(name: str) -> None:
    """Each link is to an anchor that exists; each anchor exists once; nothing is loaded."""
    reading = page(SAMPLE[name]())
    anchors = Counter(reading.values("id"))
    assert set() == {it for it in reading.values("href") if it.removeprefix("#") not in anchors}
    assert [] == [anchor for anchor, times in anchors.items() if times > 1]
    assert [] == [it for name in ("src", "srcset", "action", "data", "poster") for it in reading.values(name)]


def test_every_item_and_finding_has_its_anchor() -> None:
    """Each item is one row, each finding one card, and both can be linked to."""
    run = SAMPLE["broken"]()
    anchors = page(run).values("id")
    assert len(run.results) == len([it for it in anchors if it.startswith("item-")])
    assert len(run.findings) == len([it for it in anchors if re.fullmatch("finding-[0-9a-f]{12}", it)])


@pytest.mark.parametrize("css", ["", "h1 { color: red }", "\ufeffh1 {}\r\nh2 {}\r", "a::after { content: '</style>' }"])
def test_the_policy_allows_our_style_and_script_alone(css: str) -> None:
    """The hashes in the policy are those of the one style and the one script, an operator's CSS included."""
    reading = page(SAMPLE["broken"](), css)
    policy = next(it for it in reading.values("content") if "default-src" in it)
    hashes = {
        tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for tag, text in reading.raw.items()
        if tag in {"style", "script"}
    }
    assert (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    ) == policy
    assert [] == [
        name for _, attributes in reading.tags for name, _ in attributes if name.startswith("on") or name == "style"
    ]


@pytest.mark.parametrize(
    ("run", "headline"),
    [
        (SAMPLE["broken"](), "3 findings on 2 hosts"),
        (SAMPLE["healthy"](), "No findings. What was checked is as declared."),
        (replace(SAMPLE["healthy"](), complete=False), "No findings in what was checked"),
        (SAMPLE["empty"](), "Nothing was checked. This run proves nothing."),
        (
            replace(SAMPLE["healthy"](), results=SAMPLE["quiet"]()[-1:]),
            "Nothing was checked: every item was skipped. This run proves nothing.",
        ),
        (
            replace(SAMPLE["healthy"](), results=SAMPLE["failing"]()[-1:]),
            "Nothing could be decided. This run proves nothing.",
        ),
        (
            replace(SAMPLE["broken"](), findings=()),
            "No findings, but 7 items not as declared or not decided",
        ),
    ],
    ids=["broken", "healthy", "cut-short", "empty", "skipped", "undecided", "unexplained"],
)
def test_the_headline_says_how_it_stands(run: Run, headline: str) -> None:
    """A run that proves nothing says so, and so does one that found nothing."""
    assert f"{headline} {report.summary(run).removeprefix('Incomplete: ')}" in page(run).words.replace(
        " ,", ","
    ).replace(" ;", ";")


def test_a_run_that_was_cut_short_says_so_first() -> None:
    """The word stands above the headline, and in the title."""
    words = page(replace(SAMPLE["broken"](), complete=False)).words
    assert words.index("Incomplete.") < words.index("3 findings on 2 hosts")
    assert words.startswith("incomplete: ")
    assert "Incomplete" not in page(SAMPLE["broken"]()).words


def test_a_finding_says_all_that_is_known() -> None:
    """Title, cause, place, reach, the hosts' words, fix, verify and the differential stand on the page."""
    words = page(SAMPLE["broken"]()).words
    for found in SAMPLE["broken"]().findings:
        texts = [found.title, found.host, found.subject, *found.fix, *found.verify]
        texts += [part for it in found.evidence for part in (it.host, it.source, it.line)]
        texts += [part for it in found.differential.values() for part in (it.answer, it.because)]
        assert [] == [it for it in texts if " ".join(it.split()) not in words]
    assert "3 items on 3 hosts" in words
    assert "2 proven, 4 excluded, 5 unknown" in words
    assert "Also true here, and hidden by this: Firewall blocking" in words


def test_the_undetermined_says_what_is_left() -> None:
    """What is not excluded is listed, and only that."""
    left = (
        page(SAMPLE["broken"]())
        .words.partition("The evidence does not decide. Not excluded:")[2]
        .partition("Evidence")[0]
    )
    assert ["Firewall blocking", "Network misconfiguration", "Local firewall or antivirus"] == [
        title for title, _ in CAUSES.values() if title in left
    ]


def test_the_undetermined_with_nothing_left_says_that_too() -> None:
    """All excluded means that it is something else, not that all is well."""
    found = SAMPLE["undetermined"]()
    excluded = {cause: replace(it, answer="excluded") for cause, it in found.differential.items()}
    run = replace(SAMPLE["broken"](), findings=(replace(found, differential=excluded),))
    assert "Each of the documented causes is excluded, so it is something else." in page(run).words


def test_findings_come_before_items_and_the_widest_first() -> None:
    """The reader meets the findings first, by reach, the undetermined last; then what has no cause, then the counts."""
    words = page(SAMPLE["broken"]()).words
    titles = [SAMPLE[it]().title for it in ("loopback", "stopped", "undetermined")]
    parts = ("Items that could not be decided", "What was checked", "3 paths", "This browser runs no script here")
    places = [words.index(it) for it in (*titles, *parts)]
    assert sorted(places) == places


def test_what_failed_without_a_finding_is_counted() -> None:
    """No failure is lost between the findings and the table."""
    words = page(
        replace(SAMPLE["broken"](), findings=(), results=tuple(replace(it, finding=None) for it in SAMPLE["failing"]()))
    ).words
    assert "Not as declared, and no finding explains it 0 4 6" in words
    assert "Could not be decided 0 1 1" in words


def test_evidence_without_end_is_cut() -> None:
    """A megabyte from a host does not make a megabyte of page; what is left out is said."""
    flood = tuple(Line(host="web1", source="ss", line="x" * 30_000) for _ in range(1_000))
    run = replace(SAMPLE["broken"](), results=(replace(SAMPLE["failing"]()[0], evidence=flood),))
    text = report.page(run, causes=CAUSES)
    assert len(text) < 250_000
    assert "960 lines more in the JSON report." in text
    assert "(28,000 characters more)" in text


def test_evidence_of_all_items_together_is_cut_too() -> None:
    """Thousands of items with megabytes each: the worst keep theirs, and of the others it is said what is left out."""
    failed, passed = SAMPLE["failing"]()[0], SAMPLE["quiet"]()[0]
    results = [
        replace(
            failed if at % 10 == 9 else passed,
            id=f"{at}",
            evidence=(Line(host="web1", source="ss", line=f"{at} {'x' * 100_000}"),) * 40,
        )
        for at in range(4_000)
    ]
    text = report.page(replace(SAMPLE["broken"](), results=tuple(results)), causes=CAUSES)
    assert len(text) < 5_000_000
    rows = unpacked(text)
    left_out = {
        letter: {rows["sets"][rows["evidence"][at]][0] for at, it in enumerate(rows["outcome"]) if it == letter}
        for letter in "fp"
    }
    assert 0 in left_out["f"]
    assert {40} == left_out["p"]


def test_an_unknown_cause_is_shown_by_its_id() -> None:
    """A cause without a paragraph is named, without a link that leads nowhere."""
    reading = Reading(report.page(SAMPLE["broken"](), causes={}))
    assert "wrong-bind-address" in reading.words
    assert [] == [it for it in reading.values("href") if it.startswith("#cause-")]


def palettes() -> dict[str, dict[str, str]]:
    """Which colours has each scheme?"""
    css = resources.files("whyrefused.report").joinpath("page.css").read_text("utf-8")
    light, dark, paper = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", it)) for it in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    )
    return {"light": light, "dark": dark, "paper": paper}


def luminance(colour: str) -> float:
    """How bright is a colour (WCAG 2.2, relative luminance)?"""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark", "paper"])
def test_contrast_is_enough_in_each_scheme(scheme: str) -> None:
    """Every text colour reaches 4.5:1 on every ground it stands on (WCAG AA)."""
    colours = palettes()[scheme]
    grounds = ("ground", "sheet", "inset", "error-wash")
    pairs = [(ink, on) for ink in ("ink", "link", "failed", "error", "passed", "skipped") for on in grounds]
    pairs += [("muted", on) for on in grounds[:3]]
    pairs += [(it, f"{it}-wash") for it in ("failed", "error", "passed", "skipped")]
    weak = {}
    for ink, on in pairs:
        bright, dim = sorted((luminance(colours[ink]), luminance(colours[on])), reverse=True)
        if (bright + 0.05) / (dim + 0.05) < 4.5:
            weak[ink, on] = round((bright + 0.05) / (dim + 0.05), 2)
    assert {} == weak
