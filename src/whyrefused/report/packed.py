"""How do a hundred thousand items fit into one page? As columns of numbers and a table of texts, deflated.

The page's script inflates and reads them (`rows.js` has the same names); `unpacked` does so here. What stands in the
page is base64, which no text from outside can leave, and every text in it is `visible` and set with `textContent`.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from itertools import groupby
from typing import TYPE_CHECKING, Any

from whyrefused.escape import slug, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.records import Finding, Line, Result

LINES = 40
"""How many lines of evidence one item or finding shows; findings.json has them all."""
LENGTH = 2_000
"""How many characters of one text the page shows."""
WORDS = 24_000_000
"""How many characters of evidence all items together show. What failed comes first."""
WORST_FIRST = {"failed": 0, "error": 1, "skipped": 2, "passed": 3}
LETTERS = {"failed": "f", "error": "e", "skipped": "s", "passed": "p"}
BLOCK = re.compile('<script type="application/json" id="rows">"([A-Za-z0-9+/=]*)"</script>')


def cut(text: str) -> str:
    """How much of a text fits on the page?"""
    return text if len(text) <= LENGTH else f"{text[:LENGTH]} … ({len(text) - LENGTH:,} characters more)"


def sorted_results(results: Iterable[Result]) -> list[Result]:
    """In which order do items stand? By host, the worst first."""
    return sorted(results, key=lambda it: (it.host, WORST_FIRST[it.outcome], it.check, it.subject, it.id))


class _Table(dict[Any, int]):
    """Which number has each different value? The next one, when it is new."""

    def __missing__(self, value: object) -> int:
        number = self[value] = len(self)
        return number


def packed(  # noqa: PLR0913, PLR0917 - all that a list shows
    results: Sequence[Result], hosts: Sequence[str], groups: Mapping[str, Sequence[str]], found: Sequence[Finding],
    causes: Sequence[str], asked: Sequence[str] = (),
) -> str:  # fmt: skip
    """Which word holds these items, sorted? `found` and `causes` are numbered in the order that they have here.

    `asked` says for each host when that was, if it was before the run.
    """
    words, templates, said, sets = _Table(), _Table(), _Table(), _Table()
    known, ranks = {it.id: at for at, it in enumerate(found, 1)}, {it: at for at, it in enumerate(causes, 1)}
    sizes = dict.fromkeys(hosts, 0)
    for it in results:
        sizes[it.host] += 1
    document = {
        "hosts": [visible(it) for it in hosts],
        "groups": [visible(it) for it in groups],
        "members": _members(hosts, groups),
        "causes": list(causes),
        "findings": [[slug("finding", it.id), ranks.get(it.cause, 0)] for it in found],
        "sizes": list(sizes.values()),
        "outcome": "".join([LETTERS[it.outcome] for it in results]),
        "anchor": "".join([slug("item", it.id)[5:] for it in results]),
        "finding": [known.get(it.finding or "", 0) for it in results],
        "check": [words[it.check] for it in results],
        "subject": [words[it.subject] for it in results],
        "expected": [words[cut(it.expected)] for it in results],
        "observed": [words[cut(it.observed)] for it in results],
        "template": [templates[_template(it)] for it in results],
        "evidence": _evidence(results, words, said, sets),
        "sets": list(sets),
        "said": list(said),
        "templates": list(templates),
        "words": [visible(it) for it in words],
        **({"asked": [visible(it) for it in asked]} if asked else {}),
    }
    text = json.dumps(document, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def unpacked(page: str) -> dict[str, Any]:
    """What does this page hold of the items?"""
    found = BLOCK.search(page)
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(found[1]))) if found else {}
    return document


def _members(hosts: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[list[int]]:
    """In which groups is each host?"""
    of: dict[str, list[int]] = {host: [] for host in hosts}
    for at, members in enumerate(groups.values()):
        for host in members:
            if host in of:
                of[host].append(at)
    return list(of.values())


def _template(it: Result) -> str:
    """The id, with what the row says elsewhere left open: no visible text holds these two characters."""
    text = visible(it.id)
    for mark, value in (("\1", visible(it.subject)), ("\0", visible(it.host))):
        text = text.replace(value, mark) if value else text
    return text


def _evidence(results: Sequence[Result], words: _Table, said: _Table, sets: _Table) -> list[int]:
    """Which set of quotes has each item? The first number of a set counts the lines that are left out."""
    left, found = WORDS, [0] * len(results)
    for at in sorted(range(len(results)), key=lambda at: WORST_FIRST[results[at].outcome]):
        lines = results[at].evidence
        shown = lines[:LINES] if left > 0 else ()
        numbers = [len(lines) - len(shown)]
        for (host, source), same in groupby(shown, key=_speaker):
            text = "\n".join([cut(it.line) for it in same])
            quote = (words[host], words[cut(source)], words[text])
            if quote not in said:
                left -= len(text)
            numbers.append(said[quote])
        found[at] = sets[tuple(numbers)]
    return found


def _speaker(line: Line) -> tuple[str, str]:
    return line.host, line.source
