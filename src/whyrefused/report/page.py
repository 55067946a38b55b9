"""What does a person read? One HTML file that stands alone: no request, no script needed, nothing from outside runs."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections import Counter
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from whyrefused import __version__
from whyrefused.report.escape import slug, visible
from whyrefused.report.totals import counted, outcomes, totals
from whyrefused.report.view import WORST_FIRST, cut, laid_out, ordered, overview, quiet

if TYPE_CHECKING:
    from jinja2 import Template

    from whyrefused.records import Run
    from whyrefused.report.totals import Totals
    from whyrefused.report.view import Causes

MEANING = {
    "passed": "as declared",
    "failed": "not as declared",
    "error": "could not be decided",
    "skipped": "does not apply",
}
"""What each outcome says of an item."""


def page(run: Run, css: str = "", *, causes: Causes) -> str:
    """What is the report of this run? `css` is added to our style; `causes` gives id -> (title, paragraph)."""
    style, script = _inert(_package("page.css") + css, "style"), _inert(_package("page.js"), "script")
    hosts = sorted({*run.hosts, *(it.host for it in run.results)})
    cards, rows = laid_out(run, causes, hosts)
    attention = [it for it in rows if it.result.outcome in {"failed", "error"}]
    of = totals(run)
    return _template().render(
        run=run,
        of=of,
        headline=headline(run, of),
        spoken=outcomes(of),
        shares=_shares(of),
        meaning=MEANING,
        title=_title(run, of),
        moment=_moment,
        policy=_policy(style, script),
        style=_markup(style),
        script=_markup(script),
        cards=cards,
        overview=overview(cards),
        unexplained=Counter(it.result.outcome for it in attention if not it.finding),
        attention=attention,
        quiet=quiet(run, rows, hosts),
        filters={
            "hosts": list(enumerate(hosts)),
            "causes": sorted({(it.cause, it.title) for it in rows if it.title}),
            "outcomes": [it for it in MEANING if getattr(of, it)],
        },
        checked=sorted(Counter(it.check for it in run.results if it.outcome in {"passed", "failed"}).items()),
        foreign=sorted(run.foreign),
        manual=[(slug("cause", id_), title, _paragraphs(text)) for id_, (title, text) in _listed(causes)],
        counted=counted,
        cut=cut,
        slug=slug,
        version=__version__,
    )


def headline(run: Run, of: Totals) -> str:
    """Which sentence says how it stands?"""
    wrong = of.failed + of.error
    if not of.items:
        return "Nothing was checked. This run proves nothing."
    if not of.decided:
        how = "was checked: every item was skipped" if not of.error else "could be decided"
        return f"Nothing {how}. This run proves nothing."
    if of.findings:
        return f"{counted(of.findings, 'finding')} on {counted(len({it.host for it in run.findings}), 'host')}"
    if wrong:
        return f"No findings, but {counted(wrong, 'item')} not as declared or not decided"
    if not run.complete:
        return "No findings in what was checked"
    return "No findings. What was checked is as declared."


def _title(run: Run, of: Totals) -> str:
    state = "" if run.complete else "incomplete: "
    return f"{state}{counted(of.findings, 'finding')}, {counted(of.hosts, 'host')} · whyrefused"


def _listed(causes: Causes) -> list[tuple[str, tuple[str, str]]]:
    return [(id_, causes[id_]) for id_ in ordered(causes)]


def _paragraphs(text: str) -> list[str]:
    """A docstring is wrapped for its file; a blank line parts its paragraphs."""
    return [" ".join(it.split()) for it in text.split("\n\n") if it.strip()]


def _shares(of: Totals) -> list[tuple[str, float, float]]:
    """Outcome, start and width of each part of the bar, in percent."""
    shares, start = [], 0.0
    for outcome in WORST_FIRST:
        width = 100 * getattr(of, outcome) / (of.items or 1)
        if width:
            shares.append((outcome, round(start, 3), round(width, 3)))
        start += width
    return shares


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return text


def _inert(text: str, element: str) -> str:
    """The same style or script, unable to end its element, and hashed as the browser will: with plain newlines."""
    text = visible(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    return text.replace("</", "<\\/") if element == "style" else text


def _policy(style: str, script: str) -> str:
    """Which content may act? Our one style and our one script, by hash."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(it.encode()).digest()).decode() for it in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _package(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _markup(text: str) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - see _template

    return Markup(text)  # noqa: S704 - our own style and script; `_inert` has closed the only way out


def _finalize(value: Any) -> Any:  # noqa: ANN401 - whatever an expression gives
    """Every `{{ … }}` passes here before it is escaped: what no one can see is named."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def warm_up() -> None:
    """Compile the page's template now, in a thread of the caller's, while something else takes its time."""
    _template()


@functools.cache
def _template() -> Template:
    # jinja2 costs 40 ms to import, and whoever wants `terminal` or `summary` has no page to make.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - see above

    environment = Environment(
        autoescape=True, finalize=_finalize, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_package("page.html"))
