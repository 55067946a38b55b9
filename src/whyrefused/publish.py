"""Where does a run write, and what? Its files are taken before it begins, and written whole when all is known."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whyrefused import junit, options
from whyrefused.audit import finished, nothing
from whyrefused.claim import claim, left, remove, reserve
from whyrefused.collect import resume
from whyrefused.escape import terminal
from whyrefused.files import write
from whyrefused.moments import now
from whyrefused.opening import named
from whyrefused.records import BadInput
from whyrefused.status import exit_status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.claim import Claim
    from whyrefused.plugin import State
    from whyrefused.records import Run

LONG = 5_000_000  # failures times items: that section goes through all items for each failure
QUIET_FROM = 500  # failures; pytest's own section of them takes quadratic time


def reserve_files(config: pytest.Config) -> Claim:
    """Where do the workers of this run keep what the hosts say? Whether they will visit any is not known yet."""
    return reserve(options.written(config)[0])


def heard(state: State) -> None:
    """Take the files of this run: a worker is about to visit hosts, and waits for this."""
    leave_the_page(state)  # now: once the session ends, pytest-html would write its page over ours
    if state.claim is None or not state.claim.taken:
        try:
            take(state)
        except BadInput as bad:
            raise pytest.UsageError(terminal(str(bad))) from bad


def take(state: State) -> None:
    """Take the files that this run will write, and whatever pytest writes of its own. Raises BadInput."""
    config, option = state.config, state.config.option
    replayed = Path(option.evidence).absolute() if option.evidence else None
    before, state.claim = state.claim, None
    state.claim = claim(options.written(config), now(), spare=replayed, reserved=before)
    state.unwritten += [f"the journal: {problem}" for problem in state.claim.problems]
    state.junit = junit.take_over(config)


def leave_the_page(state: State) -> None:
    """Let pytest-html write no page. It keeps its options; the page is ours (docs/decisions/0005-report.md)."""
    if state.config.pluginmanager.hasplugin("html"):
        base = import_module("pytest_html.basereport").BaseReport
        for plugin in list(state.config.pluginmanager.get_plugins()):
            if isinstance(plugin, base):
                state.config.pluginmanager.unregister(plugin)


def report(state: State, session: pytest.Session) -> None:
    """Write the page and the findings, and set the exit status that tells the whole story."""
    from whyrefused import report as reports  # noqa: PLC0415 - only a run that visits somebody has one
    from whyrefused.causes import registry  # noqa: PLC0415 - only a run that visits somebody has one

    if state.verdicts is None:
        return
    leave_the_page(state)
    run = state.run = finished(state.verdicts, state.outcomes, list(state.foreign.values()))
    state.unwritten += state.verdicts.problems
    html, findings = options.targets(state.config)
    # Loading the causes takes 40 ms of a processor, and a page without findings names none.
    causes = {code: (cause.title, cause.text) for code, cause in registry().items()} if run.findings else {}
    if html:
        _write(state, html, reports.page(run, options.css(state.config), causes=causes))
    if state.config.option.shareable:
        _write(
            state,
            state.config.option.shareable,
            reports.page(reports.shareable(run), options.css(state.config), causes=causes),
        )
    if findings:
        _write(state, findings, reports.in_parts(run))
    _be_brief(state, run)
    set_status(state, session)


def report_nothing(state: State, session: pytest.Session) -> None:
    """Say in the reports too that a run was told to end before it knew its items: yesterday's would tell otherwise."""
    if state.claim is None or not state.claim.taken:
        try:
            take(state)
        except BadInput as bad:
            state.unwritten.append(str(bad))
            return
    state.verdicts = nothing(named(state.config).sources, state.stop.by)
    report(state, session)


def conclude(state: State, session: pytest.Session) -> None:
    """Everything else is written: put pytest's own file in its place too, and let others write there."""
    if state.junit is not None:
        try:
            state.junit.publish()
        except OSError as error:
            state.unwritten.append(f"{state.junit.path}: {error.strerror}")
    if state.claim is not None:
        replayed = bool(state.config.getoption("evidence"))
        keep = bool(state.unwritten and state.run) or _cut_short(state)
        state.kept = state.claim.journal if keep and not replayed else None
        _clear_up(state)
        state.claim.release(keep=state.kept is not None, told=not state.unwritten)
    set_status(state, session)


def _cut_short(state: State) -> bool:
    """Was the run told to end when some host had answered?"""
    verdicts = state.verdicts
    return verdicts is not None and bool(verdicts.hosts) and bool(state.stop.by or verdicts.interrupted)


def _clear_up(state: State) -> None:
    """Remove what runs before this one had left, where these reports tell all of it."""
    if state.claim is None or state.run is None or state.unwritten:
        return
    for journal in state.claim.outlived if state.run.complete and not state.stop.by else ():
        remove(journal)
    if state.claim.journal and state.config.option.resume:
        with suppress(OSError, ValueError):
            files, journals = left(state.claim.journal)
            for one in map(resume.left, journals):
                if one.files & set(files) and one.answers and one.answers.keys() <= set(state.run.hosts):
                    remove(one.path)


def _write(state: State, path: str | Path, text: str | Iterable[str]) -> None:
    try:
        write(path, text)
    except OSError as error:
        state.unwritten.append(f"{path}: {error.strerror}")


def _be_brief(state: State, run: Run) -> None:
    option = state.config.option
    wrong = sum(one.outcome in {"failed", "error"} for one in run.results)
    # For each failure pytest looks at all items that it ran; those of bundles are none.
    long = not state.bundled and wrong * len(run.results) > LONG
    if (wrong > QUIET_FROM or long) and option.tbstyle == "auto":
        option.tbstyle = "line"


def set_status(state: State, session: pytest.Session) -> None:
    """Which exit status tells the whole story?"""
    run = state.run
    if run is None or state.verdicts is None:
        return
    session.exitstatus = exit_status(
        int(session.exitstatus),
        judged=sum(one.outcome != "skipped" for one in run.results) + len(run.foreign),
        wrong=sum(one.outcome in {"failed", "error"} for one in run.results),
        unwritten=bool(state.unwritten),
        interrupted=bool(state.stop.by or state.verdicts.interrupted),
    )
