"""What does a person read? One HTML file that stands alone: no request, no script needed, nothing from outside runs.

Findings and counts are written out; the items are `packed`, and the page's script shows the few that fit the window.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections import Counter
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from whyrefused import __version__
from whyrefused.escape import slug, visible
from whyrefused.report.overview import checks, overview, reasons
from whyrefused.report.packed import LETTERS, WORST_FIRST, cut, packed, sorted_results
from whyrefused.report.reach import matrix
from whyrefused.report.totals import counted, outcomes, totals
from whyrefused.report.view import BRIEF, FULL, Budget, blocks, cards, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment, Template

    from whyrefused.records import Result, Run
    from whyrefused.report.totals import Totals
    from whyrefused.report.view import Card, Causes

MEANING = {
    "passed": "as declared",
    "failed": "not as declared",
    "error": "could not be decided",
    "skipped": "does not apply",
}
"""What each outcome says of an item."""
EVERYWHERE = ("all", "ungrouped")
"""Groups of Ansible's own that part nothing."""
SCRIPTS = ("rows.js", "list.js", "page.js")
EVERY_PAGE = ("page.html", "macros.html", "overview.html", "items.html")
"""The others are compiled, which takes long, on pages that have something to say there."""
WITHOUT_SCRIPT = 500
"""How many hosts, and how many items, stand on the page for a browser that runs no script; the worst first."""
WITHOUT_SCRIPT_EVIDENCE = 1_000_000
"""How many characters of evidence those items show."""
ALL_OPEN = 3
"""So many findings stand open; of more, only the first does."""


def page(run: Run, css: str = "", *, causes: Causes) -> str:
    """What is the report of this run? `css` is added to our style; `causes` gives id -> (title, paragraph)."""
    style, script = _inert(_package("page.css") + css, "style"), _inert(_script(), "script")
    hosts = sorted({*run.hosts, *(it.host for it in run.results)})
    groups = {name: members for name, members in sorted(run.groups.items()) if name not in EVERYWHERE}
    results = sorted_results(run.results)
    found = cards(run, results, causes)
    keys = _keys(found, causes)
    said, unsaid = reasons(results)
    of = totals(run)
    asked = dict(run.earlier)
    return _template("page.html").render(
        run=run,
        of=of,
        headline=headline(run, of),
        spoken=outcomes(of),
        shares=_shares(of),
        meaning=MEANING,
        title=_title(run, of),
        policy=_policy(style, script),
        style=_markup(style),
        script=_markup(script),
        cards=found,
        full=FULL,
        brief=BRIEF,
        opened=len(found) if len(found) <= ALL_OPEN else 1,
        reasons=said,
        unsaid=unsaid,
        overview=overview(found, results, groups),
        checks=checks(results),
        matrix=matrix(results),
        plain=_plain(results, hosts, groups),
        asked=asked,
        rows=_markup(packed(results, hosts, groups, [it.finding for it in found], list(keys), _in_row(hosts, asked))),
        filters={
            "groups": list(groups),
            "causes": keys,
            "outcomes": [it for it in MEANING if getattr(of, it)],
        },
        foreign=sorted(run.foreign),
        manual=[(slug("cause", id_), title, _paragraphs(text)) for id_, (title, text) in _listed(causes)],
    )


def _keys(found: Sequence[Card], causes: Causes) -> dict[str, str]:
    """Which causes can be filtered by: id -> title? All that are documented, and what else was found."""
    others = {it.finding.cause: it.title for it in found if it.finding.cause not in causes}
    return {it: causes[it][0] for it in ordered(causes)} | dict(sorted(others.items()))


def _in_row(hosts: Sequence[str], asked: Mapping[str, str]) -> list[str]:
    """When was each asked, where an earlier run had asked some?"""
    return [_moment(asked[it]) if it in asked else "" for it in hosts] if asked else []


def _plain(results: Sequence[Result], hosts: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What stands on the page for a browser that runs no script? The hosts and items that need attention most."""
    counts: dict[str, Counter[str]] = {host: Counter() for host in hosts}
    for it in results:
        counts[it.host][it.outcome] += 1
    worst = sorted(hosts, key=lambda it: (-counts[it]["failed"], -counts[it]["error"], bool(counts[it]), it))
    shown = worst[:WITHOUT_SCRIPT]
    of: dict[str, list[str]] = {host: [] for host in shown}
    for group, members in groups.items():
        for host in members:
            if host in of:
                of[host].append(group)
    budget = Budget(WITHOUT_SCRIPT_EVIDENCE)
    items = sorted(results, key=lambda it: WORST_FIRST[it.outcome])[:WITHOUT_SCRIPT]
    return {
        "hosts": [(host, of[host], counts[host]) for host in shown],
        "more_hosts": len(hosts) - len(shown),
        "items": [(it, *blocks(it.evidence, budget)) for it in items],
        "more_items": len(results) - len(items),
    }


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


def _script() -> str:
    """Our one script: its parts in the order in which they need each other."""
    parts = "\n".join(map(_package, SCRIPTS))
    letters = json.dumps({short: long for long, short in LETTERS.items()})
    return f'"use strict";\n(() => {{\nconst LETTERS = {letters};\n{parts}\n}})();'


def _package(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _markup(text: str) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - see _templates

    return Markup(text)  # noqa: S704 - our own style and script; `_inert` has closed the only way out


def _finalize(value: Any) -> Any:  # noqa: ANN401 - whatever an expression gives
    """Every `{{ … }}` passes here before it is escaped: what no one can see is named."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def warm_up() -> None:
    """Compile what every page has now, in a thread of the caller's, while something else takes its time."""
    for part in EVERY_PAGE:
        _template(part)


def _template(name: str) -> Template:
    return _templates().get_template(name)


@functools.cache
def _templates() -> Environment:
    # jinja2 costs 40 ms to import, and whoever wants `terminal` or `summary` has no page to make.
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - see above

    environment = Environment(
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=FunctionLoader(lambda name: _package(f"html/{name}")),
    )
    environment.globals.update(counted=counted, cut=cut, moment=_moment, slug=slug, version=__version__)
    return environment
