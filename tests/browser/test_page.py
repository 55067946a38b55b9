"""What does a real browser make of the page, clean and hostile, with scripts and without?"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile import poison
from scenarios import replay

from whyrefused import report
from whyrefused.causes import registry
from whyrefused.report.escape import slug

if TYPE_CHECKING:
    from whyrefused.records import Run

PAYLOADS = json.loads((Path(__file__).parents[1] / "unit/data/report/payloads.json").read_text())
STRUCTURE = """
[...document.querySelectorAll("*")].map((it) => it.tagName + [...it.attributes].map((at) =>
  " " + at.name + "=" + at.value.replace(/(finding|item|host|test|cause)-[0-9a-f]{12}/g, "$1")).join("")).join("\\n")
"""
SHOWN = "[...document.querySelectorAll('table.items tbody tr')].filter((it) => it.checkVisibility()).map((it) => it.id)"


@pytest.fixture
def opened(browser: Any, sample: dict[str, Any], tmp_path: Path) -> Any:  # noqa: ANN401 - loaded with runpy
    """How is a run's page opened? As a function of the run and the window."""

    def opened(run: Run, width: int = 1280, fragment: str = "", *, dark: bool = False, scripts: bool = True) -> Any:  # noqa: ANN401
        report.write(tmp_path / "page.html", report.page(run, causes=sample["CAUSES"]), 0o600)
        browser.show(width, 900, dark=dark, scripts=scripts)
        browser.open(tmp_path / "page.html", fragment)
        return browser

    return opened


def loud(browser: Any) -> list[Any]:  # noqa: ANN401 - loaded with runpy
    """What did the page load, log or raise, beside itself?"""
    events = [it for it in browser.events if it["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]
    asked = [it["params"]["request"]["url"] for it in browser.events if it["method"] == "Network.requestWillBeSent"]
    return events + [it for it in asked if not it.startswith(("file:///", "about:"))]


UNFOLD = "document.querySelectorAll('details').forEach((it) => { it.open = true; })"
FOLD = "document.querySelectorAll('details').forEach((it) => { it.open = false; })"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture(scope="module")
def show(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - loaded with runpy
    """How is a text opened as a page? As a function."""
    path = tmp_path_factory.mktemp("shown") / "page.html"

    def show(text: str) -> Any:  # noqa: ANN401
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        browser.show(1280, 900)
        browser.open(path)
        browser.evaluate(UNFOLD)
        browser.evaluate("new Promise((done) => setTimeout(done, 50))")
        return browser

    return show


@pytest.fixture(scope="module")
def elements(show: Any, sample: dict[str, Any]) -> dict[bool, list[str]]:  # noqa: ANN401
    """Which elements has the clean page, with its policy and without?"""
    text = report.page(sample["broken"](), causes=sample["CAUSES"])
    return {
        kept: show(text if kept else POLICY.sub("", text)).evaluate(STRUCTURE).splitlines() for kept in (True, False)
    }


@pytest.mark.parametrize("kept", [True, False], ids=["as-it-is", "without-its-policy"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_acts(
    show: Any,  # noqa: ANN401
    sample: dict[str, Any],
    elements: dict[bool, list[str]],
    payload: str,
    kept: bool,  # noqa: FBT001 - a case
) -> None:
    """With a payload in every field the page has the clean page's elements and title, and loads nothing."""
    text = report.page(sample["poisoned_run"](payload), causes=sample["CAUSES"])
    page = show(text if kept else POLICY.sub("", text))
    assert kept == page.evaluate("document.querySelector('meta[http-equiv]') !== null")
    assert "3 findings, 4 hosts · whyrefused" == page.evaluate("document.title")
    assert [] == loud(page)
    assert elements[kept] == page.evaluate(STRUCTURE).splitlines()


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


def test_hosts_that_mean_harm(show: Any) -> None:  # noqa: ANN401
    """What real hosts said, with payloads all over, judged by the tool: only texts differ from a harmless report."""
    causes = {code: (cause.title, cause.text) for code, cause in registry().items()}
    runs = []
    for at, story in enumerate(replay.STORIES[::20]):
        inventory, kept, _ = replay.read(story)
        runs += [poison.judged(inventory, poison.replies(kept, PAYLOADS[:-1], every, at)) for every in (7, 60)]
    run = poison.one_of(runs)
    assert run.findings
    shown = {}
    for name, of in (("hostile", run), ("clean", poison.clean(run, frozenset(causes)))):
        page = show(POLICY.sub("", report.page(of, causes=causes)))
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


def test_without_scripts_all_of_it_reads(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Counts, findings and what failed are there, no dead control is, and what is folded unfolds."""
    page = opened(sample["broken"](), scripts=False)
    text = page.evaluate("document.body.innerText")
    for found in sample["broken"]().findings:
        assert [] == [it for it in (found.title, *found.fix, *found.verify) if it not in text]
    assert "21 passed, 6 failed, 1 error" in text
    assert page.evaluate("document.getElementById('filter').hidden")
    assert 0 == page.evaluate("document.querySelectorAll('button').length")
    assert 7 == len(page.evaluate(SHOWN))


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
def test_no_width_scrolls_sideways(opened: Any, sample: dict[str, Any], width: int) -> None:  # noqa: ANN401
    """Even with words of 300 letters everywhere, and everything unfolded."""
    page = opened(sample["poisoned_run"]("x" * 300), width)
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
    assert width == page.evaluate("document.documentElement.scrollWidth")


def test_both_schemes_paint_their_own_ground(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Background and colour are set in each scheme, not left to the browser."""
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    assert ["rgb(246, 246, 244)", "rgb(26, 29, 33)"] == opened(sample["broken"]()).evaluate(colours)
    assert ["rgb(18, 20, 23)", "rgb(230, 231, 233)"] == opened(sample["broken"](), dark=True).evaluate(colours)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("text", "web1 127.0.0.1", 1),
        ("text", "errno 111", 2),  # in the evidence
        ("text", "DB1 SSH", 2),  # a host is a word of its folded items too
        ("text", "no such words", 0),
        ("host", "db1", 9),
        ("cause", "Service is not running", 2),
        ("outcome", "error", 1),
        ("outcome", "skipped", 1),
    ],
)
def test_the_filter_finds(opened: Any, sample: dict[str, Any], field: str, value: str, shown: int) -> None:  # noqa: ANN401
    """Search and filters show what fits, wherever it was folded; emptied, they show what stood there before."""
    page = opened(sample["broken"]())
    page.evaluate("document.querySelector('details.host').open = true")
    before = page.evaluate(SHOWN)
    fill(page, field, value)
    assert shown == len(page.evaluate(SHOWN))
    assert f"{shown} of 29 items" == page.evaluate("document.getElementById('filter-count').textContent")
    fill(page, field, "")
    assert before == page.evaluate(SHOWN)


def fill(page: Any, field: str, value: str) -> None:  # noqa: ANN401
    """Type or choose a value as a reader would, and wait for the page to follow."""
    page.evaluate(
        f"""new Promise((done) => {{
          const [it, value] = [document.getElementById("filter-{field}"), {json.dumps(value)}];
          if (it.options) it.selectedIndex = Math.max(0, [...it.options].findIndex((at) => at.text === value));
          else it.value = value;
          it.dispatchEvent(new Event("input", {{bubbles: true}}));
          setTimeout(done, 150);
        }})"""
    )


def test_a_link_to_a_folded_item_unfolds_it(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """An item of a folded host is in sight when its link is followed."""
    anchor = slug("item", "checks/test_services.py::test_service[web1-nginx]")
    page = opened(sample["broken"](), fragment=f"#{anchor}")
    assert anchor in page.evaluate(SHOWN)
    assert page.evaluate(
        f"(() => {{ const at = document.getElementById('{anchor}').getBoundingClientRect();"
        " return at.top >= 0 && at.bottom <= innerHeight; })()"
    )


def test_commands_are_copied_with_one_press(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Each command has its button, which answers."""
    page = opened(sample["broken"]())
    commands = sum(len(it.fix) + len(it.verify) for it in sample["broken"]().findings)
    assert commands == page.evaluate("document.querySelectorAll('button.copy').length")
    page.evaluate("document.querySelector('button.copy').click()")
    said = page.evaluate(
        "new Promise((done) => setTimeout(() => done(document.querySelector('button.copy').textContent), 200))"
    )
    assert said in {"Copied", "Selected"}


def test_paper_gets_the_findings_unfolded(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """Printing unfolds what the findings fold, and folds it again."""
    folded = "document.querySelectorAll('.finding details:not([open])').length"
    page = opened(sample["broken"]())
    before = page.evaluate(folded)
    assert 0 == page.evaluate(f"dispatchEvent(new Event('beforeprint')), {folded}")
    assert before == page.evaluate(f"dispatchEvent(new Event('afterprint')), {folded}")


def test_ten_thousand_items_open(opened: Any, sample: dict[str, Any]) -> None:  # noqa: ANN401
    """A page of 10,000 items costs the browser less than 10 s of the processor and is searched in less than 2 s."""
    page = opened(sample["large"](10_000))
    assert page.metric("ThreadTime") < 10
    before = page.metric("ThreadTime")
    fill(page, "text", "host00700 8003")
    assert "1 of 10000 items" == page.evaluate("document.getElementById('filter-count').textContent")
    assert page.metric("ThreadTime") - before < 2


def test_a_picture_has_the_size_asked_for(chromium: dict[str, Any], sample: dict[str, Any], tmp_path: Path) -> None:
    """`screenshot` writes a PNG of the window, or of the whole page."""
    report.write(tmp_path / "page.html", report.page(replace(sample["broken"]()), causes=sample["CAUSES"]), 0o600)
    chromium["screenshot"](tmp_path / "page.html", tmp_path / "a.png", 800, 600, dark=True)
    chromium["screenshot"](tmp_path / "page.html", tmp_path / "b.png", 800, 0)
    sizes = [struct.unpack(">II", (tmp_path / it).read_bytes()[16:24]) for it in ("a.png", "b.png")]
    assert (800, 600) == sizes[0]
    assert sizes[1][0] == 800
    assert sizes[1][1] > 1500
