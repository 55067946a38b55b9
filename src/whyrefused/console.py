"""What does the terminal say of a run? Nothing that hosts say acts on it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from whyrefused.escape import terminal
from whyrefused.options import LATEST
from whyrefused.redact import redact

if TYPE_CHECKING:
    import pytest

    from whyrefused.audit import Audit, Verdicts
    from whyrefused.plugin import State
    from whyrefused.records import Finding


def without_variables(error: BaseException) -> str:
    """What is told of a fault of our own? Its traceback, never with what the variables held (`--showlocals`)."""
    return terminal(redact("whyrefused itself failed:\n" + "".join(traceback.format_exception(error))))


def opening(audit: Audit, *, bundled: bool) -> str:
    """Which inventory is it, and how much of it?"""
    hosts, items = len(audit.inventory.selected), len(audit.items)
    sources = terminal(", ".join(audit.inventory.sources))
    words = "; run as one for each host and check: --items" if bundled else ""
    many = f"{hosts} host{'s' if hosts != 1 else ''}, {items} item{'s' if items != 1 else ''}"
    return f"inventory: {sources} ({many} declared{words})"


def inert(report: pytest.TestReport) -> None:
    """Let nothing of a test's report act on a terminal: in a run of ours even others' tests print what hosts say."""
    if report.sections:
        report.sections = [(name, terminal(text)) for name, text in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, terminal(reason))
    elif report.longrepr is not None:
        text = report.longreprtext
        shown = terminal(text)
        if shown != text.replace("\t", "    "):
            report.longrepr = shown


def told(verdicts: Verdicts, result: str) -> str:
    """What does the terminal say of an item that is not as declared? Cause, wanted, saw, fix.

    pytest repeats the first line in its short summary.
    """
    one = verdicts.results[result]
    finding = verdicts.finding.get(one.finding or "")
    rows = [("could not look" if one.outcome == "error" else "saw", one.observed)]
    if finding:
        rows.insert(0, (finding.cause, _because(finding) or one.observed))
    rows.insert(1 if finding or one.outcome == "error" else 0, ("wanted", one.expected))
    rows += [(f"{line.host}: {line.source}", line.line) for line in one.evidence[:4]]
    rows += [("fix", line) for line in finding.fix[:3]] if finding else []
    return terminal("\n".join(f"{name}: {words}" for name, words in rows))


def _because(finding: Finding) -> str:
    ruling = finding.differential.get(finding.cause)
    return f"{ruling.because} ({finding.host})" if ruling else ""


def closing(state: State) -> list[str]:
    """The findings, and the sentence in which a run ends."""
    from whyrefused.report.totals import summary  # noqa: PLC0415 - only a run that visits somebody has one

    run = state.run
    if run is None:
        return []
    lines = [""] if run.findings else []
    for number, finding in enumerate(run.findings, 1):
        lines += _finding(number, finding)
    lines += [f"note: {note}" for note in run.notes]
    lines += [f"could not write {problem}" for problem in state.unwritten]
    more = f"--evidence={state.kept}" if state.unwritten else "--resume goes on from here"
    lines += [f"what the hosts said is kept: {more}"] if state.kept else []
    left = [journal for journal in state.claim.abandoned if journal.exists()] if state.claim else ()
    lines += [
        f"note: a killed run left what its hosts had said: --evidence={journal}, or go on: --resume" for journal in left
    ]
    lines.append(summary(run))
    option = state.config.option
    written = getattr(option, "htmlpath", None) or (None if option.findings else LATEST.with_suffix(".html"))
    if written and not state.unwritten:
        lines.append(f"Report: {written}")
    return [part for line in lines for part in terminal(line).split("\n")]


def _finding(number: int, finding: Finding) -> list[str]:
    words = [f"{number}. {finding.title}"]
    words += [f"     {line.host}: {line.source}: {line.line}" for line in finding.evidence[:3]]
    words += [f"   fix: {line}" for line in finding.fix]
    words += [f"   see: {line}" for line in finding.verify]
    words += (
        [f"   hidden behind it, to be looked at once it is mended: {', '.join(finding.hides)}"] if finding.hides else []
    )
    return [*words, f"   explains {len(finding.explains)} item{'s' if len(finding.explains) != 1 else ''}", ""]
