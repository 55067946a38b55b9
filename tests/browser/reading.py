"""How is a page looked at? What the tests of this folder ask of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAYLOADS = json.loads((Path(__file__).parents[1] / "unit/data/report/payloads.json").read_text())
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
STRUCTURE = r"""(() => {
const alike = (name, value) => name === "height" ? "" : value
  .replace(/(finding|item|host|test|cause)-[0-9a-f]{12}/g, "$1").replace(/^#finding=[0-9a-f]{12}$/, "#finding=")
  .replace(/^#group=[A-Za-z0-9*_.%+-]*&/, "#group=&");
return [...document.querySelectorAll("*")].map((it) =>
  it.tagName + [...it.attributes].map((at) => ` ${at.name}=${alike(at.name, at.value)}`).join("")).join("\n");
})()
"""
"""Every element and attribute, where anchors are equal to each other, group names that are coded in a link too, and
the heights of what is not drawn."""
READY = "document.documentElement.classList.contains('ready')"
COUNT = "document.getElementById('filter-count').textContent"
UNFOLD = """
dispatchEvent(new Event("beforeprint"));  // which draws what is out of the list's window too
document.querySelectorAll("details").forEach((it) => { it.open = true; });
for (const row of document.querySelectorAll("#list .host button[aria-expanded=false]")) row.click();
for (const row of document.querySelectorAll("#list .item button[aria-expanded=false]")) row.click();
"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"
"""Where no script may run, this promise is never kept."""
LISTED = """
[...document.querySelectorAll("#list .item")].map((it) => [...it.querySelectorAll(".clip")].map((at) => at.textContent))
"""
"""Check, subject, expected, observed and the cause of each item that is drawn."""


def loud(browser: Any) -> list[Any]:  # noqa: ANN401 - loaded with runpy
    """What did the page load, log or raise, beside itself?"""
    events = [it for it in browser.events if it["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]
    asked = [it["params"]["request"]["url"] for it in browser.events if it["method"] == "Network.requestWillBeSent"]
    return events + [it for it in asked if not it.startswith(("file:///", "about:"))]


def fill(page: Any, field: str, value: str) -> None:  # noqa: ANN401
    """Type or choose a value as a reader would, and wait until the page has followed."""
    at = page.page.locator(f"#filter-{field}")
    if field in {"group", "cause", "outcome"}:
        at.select_option(label=value or "all")
    else:
        at.fill(value)
    settled(page)


def settled(page: Any) -> None:  # noqa: ANN401
    """Wait until what was typed has been followed."""
    page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 0)), 200))")
