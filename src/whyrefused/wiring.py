"""What the plugin's hooks do once a check has been collected: pytest's words <-> the run's."""

from __future__ import annotations

import gc
import os
import re
import threading
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from whyrefused import bundles, junit, livelog, ssh
from whyrefused.audit import Audit, Settings, finished, nothing, now
from whyrefused.claim import AUDITS, claim, claimed, reserve
from whyrefused.collect.visit import Options
from whyrefused.escape import terminal
from whyrefused.files import write
from whyrefused.judge import Question
from whyrefused.opening import begin, named
from whyrefused.records import BadInput, Problem
from whyrefused.redact import redact
from whyrefused.status import exit_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whyrefused.audit import Verdicts
    from whyrefused.claim import Claim
    from whyrefused.plugin import State
    from whyrefused.records import Finding, Outcome, Run

Keywords = dict[str, Literal[1]]
LONG = 5_000_000  # failures times items: that section goes through all items for each failure
QUIET_FROM = 500  # failures; pytest's own section of them takes quadratic time
LATEST = Path("reports") / "latest"


def parameters(state: State, check: str) -> list[Any]:
    """Which items of this check does the inventory declare, as parameters with ids and marks?"""
    audit = _audit(state)
    if audit is None or state.config.option.collectonly:
        leave_the_page(state)  # that of the last run tells more than one of pytest-html's without items
    if audit is None:
        return []
    marked = cache(lambda host: _marks(audit, check, host))
    return [
        pytest.param(item, id=_ascii(item.label), marks=marked(item.host))
        for item in audit.items
        if item.check == check
    ]


def _ascii(label: str) -> str:
    return label.encode("ascii", "backslashreplace").decode().replace("::", "..")


def _marks(audit: Audit, check: str, host: str) -> list[pytest.MarkDecorator]:
    groups = audit.inventory.hosts[host].groups
    names = [check, *(["paths"] if check == "connects" else []), *(mark_of(group) for group in groups)]
    return [_mark(name) for name in names]


@cache
def _mark(name: str) -> pytest.MarkDecorator:
    return getattr(pytest.mark, name)  # type: ignore[no-any-return]


def items(state: State, check: str, collector: pytest.Collector, test: object) -> list[pytest.Item] | None:
    """Which items has this test of a check? None where pytest is to make them: one for each that is declared."""
    found = parameters(state, check)
    if not found or state.audit is None:
        return []
    if state.bundled is None:
        state.bundled = bundles.wanted(state.config, len(state.audit.items))
    # Where two hosts are called alike in ASCII, pytest gives one of them another name.
    if state.bundled and bundles.plain(collector, test) and len({one.id for one in found}) == len(found):
        return list(bundles.collected(collector, test, found))
    state.parameters = {check: found}
    return None


def mark_of(group: str) -> str:
    """Which mark stands for a group? `-m` takes only what Python takes for a name."""
    return "group_" + re.sub(r"\W", "_", group)


def _audit(state: State) -> Audit | None:
    """The run of this process; made with the first check that is collected."""
    if state.audit is None and state.problem is None:
        try:
            settings = _settings(state.config)
            state.reading = state.reading or begin(state.config)
            state.signals.install()
            state.audit = Audit(settings, state.reading.result())
            state.audit.stop = state.stop
            if not state.config.option.collectonly and not settings.replay and _over_ssh(state.audit):
                # Loading paramiko takes as long as a visit; who stops the run need not wait for it.
                threading.Thread(target=ssh.warm_up, daemon=True).start()
        except BadInput as bad:
            state.problem = terminal(str(bad))
            return None
        except Exception as error:  # noqa: BLE001 - pytest would tell of it with our variables, and passwords in them
            state.broken = without_variables(error)
            return None
        livelog.make_inert(state.config)
        for group in state.audit.inventory.groups:
            state.config.addinivalue_line("markers", f"{mark_of(group)}: hosts of the group {group}")
    return state.audit


def _over_ssh(audit: Audit) -> bool:
    hosts = audit.inventory.hosts
    return any(hosts[name].connection.kind == "ssh" for name in audit.inventory.selected)


def without_variables(error: BaseException) -> str:
    """What is told of a fault of our own? Its traceback, never with what the variables held (`--showlocals`)."""
    return terminal(redact("whyrefused itself failed:\n" + "".join(traceback.format_exception(error))))


def refuse_bad_input(state: State) -> None:
    """Is the inventory wrong, or the command line? Then the run ends here, in the process that people see."""
    try:
        state.signals.install()
        Audit(_settings(state.config), begin(state.config).result())
    except BadInput as bad:
        leave_the_page(state)
        raise pytest.UsageError(terminal(str(bad))) from bad


def reserve_files(config: pytest.Config) -> Claim:
    """Where do the workers of this run keep what the hosts say? Whether they will visit any is not known yet."""
    return reserve(_written(config)[0])


def tell(state: State, items: Sequence[pytest.Item]) -> None:
    """Say to the process that people see that this worker is about to visit hosts."""
    shared = getattr(state.config, "workerinput", {}).get("whyrefused")
    if shared and state.audit and next(_questions(items), None):
        os.close(os.open(Path(shared) / AUDITS, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def heard(state: State) -> None:
    """Take the files of this run: a worker is about to visit hosts, and waits for this."""
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
    state.claim = claim(_written(config), now(), spare=replayed, reserved=before)
    state.unwritten += [f"the journal: {problem}" for problem in state.claim.problems]
    state.junit = junit.take_over(config)


def _written(config: pytest.Config) -> list[Path]:
    """Which files does a run write?"""
    option = config.option
    files = (*_targets(config), option.shareable, option.save_evidence, getattr(option, "xmlpath", None))
    return [Path(file) for file in files if file]


def _targets(config: pytest.Config) -> tuple[str | Path | None, str | Path | None]:
    """Where do the page and the findings go?"""
    html, findings = getattr(config.option, "htmlpath", None), config.option.findings
    base = config.invocation_params.dir / LATEST
    return (html, findings) if html or findings else (base.with_suffix(".html"), base.with_suffix(".json"))


def _settings(config: pytest.Config) -> Settings:
    get = config.getoption
    worker = getattr(config, "workerinput", {})
    return Settings(
        options=_options(config),
        connect_timeout=get("connect_timeout"),
        replay=get("evidence"),
        save=get("save_evidence"),
        shareable=bool(get("shareable")),
        second_look=get("second_look") == "auto",
        shared=worker.get("whyrefused"),
    )


def _forks_of_environment() -> int:
    given = os.environ.get("ANSIBLE_FORKS") or "32"
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise BadInput(Problem(key="ANSIBLE_FORKS", message=f"{given!r} is not a number of hosts above 0"))
    return int(given)


def _options(config: pytest.Config) -> Options:
    get = config.getoption
    forks = get("forks") or _forks_of_environment()
    environment = os.environ
    return Options(
        forks=forks,
        host_timeout=get("host_timeout"),
        ssh=ssh.Settings(
            ssh_config=get("ssh_config", default=None),
            identity_file=get("ssh_identity_file", default=None) or environment.get("ANSIBLE_PRIVATE_KEY_FILE"),
            user=environment.get("ANSIBLE_REMOTE_USER"),
        ),
        become=bool(get("sudo", default=False)),
        become_user=get("sudo_user", default=None),
    )


def feed_testinfra(state: State) -> None:
    """Give testinfra's `host` fixture the hosts of the inventory, so that it never falls back to this machine."""
    audit = _audit(state)
    option = state.config.option
    if audit is None or option.hosts is not None:
        return
    kinds = {"local": "local://", "ssh": "whyrefused://{name}"}
    hosts = [audit.inventory.hosts[name] for name in audit.inventory.selected]
    known = {host.name: host.connection for host in hosts if host.connection.kind == "ssh"}
    ssh.register(known, audit.settings.options.ssh)
    option.hosts = ",".join(
        kinds.get(host.connection.kind, "{kind}://{address}").format(
            name=host.name, kind=host.connection.kind.replace("openssh", "ssh"), address=host.connection.address
        )
        for host in hosts
    )


def visit(state: State, items: Sequence[pytest.Item]) -> None:
    """Visit the hosts of these items and judge them all; pytest then runs them one by one."""
    audit = state.audit
    questions = list(_questions(items))
    if audit is None or not questions:
        return
    audit.expect(questions)
    # All that is loaded by now stays; pytest has the garbage collector go through everything twice at the end.
    gc.freeze()
    leave_the_page(state)
    threading.Thread(target=_warm_up_report, daemon=True).start()
    try:
        _keep(state, audit)
        alone = {item.nodeid for item in items if not isinstance(item, bundles.HostCheck)}
        audit.run(questions, pytest.skip.Exception, hold=alone.__contains__)
        state.verdicts = audit.verdicts
    except BadInput as bad:
        state.audit = None  # nothing was asked, so there is nothing to report
        raise pytest.UsageError(terminal(str(bad))) from bad
    except OSError as error:
        raise pytest.UsageError(f"{error.filename or 'evidence'}: {error.strerror}") from error
    except Exception as error:  # noqa: BLE001 - as above
        state.broken = without_variables(error)


def _warm_up_report() -> None:
    from whyrefused import report as reports  # noqa: PLC0415 - only a run that visits somebody has one

    reports.warm_up()


def _keep(state: State, audit: Audit) -> None:
    """Where is kept what is finished? Workers of one run keep it together."""
    shared = audit.settings.shared
    if shared:
        audit.stop.share(shared)
        audit.journal = claimed(Path(shared))
    else:
        take(state)
        audit.journal = state.claim.journal if state.claim and not audit.settings.replay else None


def run_out(state: State, items: Sequence[pytest.Item]) -> None:
    """Tell what is known of the items that pytest will not come to: the run was told to end, and they are judged."""
    if state.verdicts is None:
        return
    for item in items:
        for name in _names(item):
            if name in state.verdicts.results and name not in state.outcomes:
                _tell(state.verdicts, item, name, dict.fromkeys(item.keywords, 1))


def run_bundle(state: State, item: pytest.Item) -> bool | None:
    """Tell of each of these items as pytest tells of its own, until the run is to stop (-x, --maxfail, a signal).

    None where it is an item that pytest runs.
    """
    if not isinstance(item, bundles.HostCheck):
        return None
    session, hook = item.session, item.ihook
    keywords: Keywords = dict.fromkeys(item.keywords, 1)
    for name in _names(item):
        if session.shouldfail or session.shouldstop:
            break
        location = (*item.location[:2], name.rpartition("::")[2])
        hook.pytest_runtest_logstart(nodeid=name, location=location)
        if state.verdicts and name in state.verdicts.results:
            _tell(state.verdicts, item, name, keywords)
        else:
            place = (str(item.path), (location[1] or 0) + 1, "Skipped: not visited")
            _log(item, "skipped", place, (name, keywords))
        hook.pytest_runtest_logfinish(nodeid=name, location=location)
    return True


def many(items: Sequence[pytest.Item]) -> int:
    """How many items does pytest tell of?"""
    return sum(len(_names(item)) for item in items)


def _names(item: pytest.Item) -> tuple[str, ...]:
    """Under which ids is told of this one?"""
    return tuple(one.id for one in item.questions) if isinstance(item, bundles.HostCheck) else (item.nodeid,)


def _tell(verdicts: Verdicts, item: pytest.Item, name: str, keywords: Keywords) -> None:
    one = verdicts.results[name]
    said: object = None
    if one.outcome == "skipped":
        said = (str(item.path), (item.location[1] or 0) + 1, terminal(f"Skipped: {one.observed}"))
    elif one.outcome != "passed":
        said = told(verdicts, name)
    _log(item, one.outcome, said, (name, keywords), whyrefused=one.outcome)


def log(item: pytest.Item, outcome: Outcome, said: object) -> None:
    """Tell pytest's reports how an item ended that pytest did not bring to its end."""
    _log(item, outcome, said, (item.nodeid, dict.fromkeys(item.keywords, 1)))


def _log(item: pytest.Item, outcome: Outcome, said: object, known: tuple[str, Keywords], **ours: Outcome) -> None:
    """The same of one of those that an item stands for: its id, and the item's keywords."""
    name, keywords = known
    report = pytest.TestReport(
        nodeid=name,
        location=(*item.location[:2], name.rpartition("::")[2]),
        keywords=keywords,
        outcome="failed" if outcome == "error" else outcome,
        longrepr=said,  # type: ignore[arg-type] # what a report of pytest's own would hold
        when="setup" if outcome in {"error", "skipped"} else "call",
    )
    vars(report).update(ours)  # TestReport keeps extra attributes
    item.ihook.pytest_runtest_logreport(report=report)


def _questions(items: Sequence[pytest.Item]) -> Iterator[Question]:
    for item in items:
        if isinstance(item, bundles.HostCheck):
            yield from item.questions
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if isinstance(item, pytest.Function) and "declared" in parameters:
            look = getattr(item.module, "look", None)
            yield Question(id=item.nodeid, item=parameters["declared"], look=look, test=item.function)


def leave_the_page(state: State) -> None:
    """Let pytest-html write no page. It keeps its options; the page is ours (docs/decisions/0005-report.md)."""
    if state.config.pluginmanager.hasplugin("html"):
        base = import_module("pytest_html.basereport").BaseReport
        for plugin in list(state.config.pluginmanager.get_plugins()):
            if isinstance(plugin, base):
                state.config.pluginmanager.unregister(plugin)


def opening(audit: Audit, *, bundled: bool) -> str:
    """Which inventory is it, and how much of it?"""
    hosts, items = len(audit.inventory.selected), len(audit.items)
    sources = terminal(", ".join(audit.inventory.sources))
    words = "; run as one for each host and check: --items" if bundled else ""
    return f"inventory: {sources} ({hosts} hosts, {items} items declared{words})"


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


def report(state: State, session: pytest.Session) -> None:
    """Write the page and the findings, and set the exit status that tells the whole story."""
    from whyrefused import report as reports  # noqa: PLC0415 - as above
    from whyrefused.causes import registry  # noqa: PLC0415 - as above

    if state.verdicts is None:
        return
    leave_the_page(state)
    run = state.run = finished(state.verdicts, state.outcomes, list(state.foreign.values()))
    state.unwritten += state.verdicts.problems
    html, findings = _targets(state.config)
    # Loading the causes takes 40 ms of a processor, and a page without findings names none.
    causes = {code: (cause.title, cause.text) for code, cause in registry().items()} if run.findings else {}
    if html:
        _write(state, html, reports.page(run, _css(state), causes=causes))
    if state.config.option.shareable:
        _write(state, state.config.option.shareable, reports.page(reports.shareable(run), _css(state), causes=causes))
    if findings:
        _write(state, findings, reports.in_parts(run))
    _be_brief(state, run)
    set_status(state, session)


def _css(state: State) -> str:
    """Which style is added to ours? pytest-html's `--css`."""
    return "\n".join(Path(path).read_text(encoding="utf-8") for path in getattr(state.config.option, "css", ()))


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
        state.kept = state.claim.journal if state.unwritten and state.run and not replayed else None
        state.claim.release(keep=state.kept is not None)
    set_status(state, session)


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


def closing(state: State) -> list[str]:
    """The findings, and the sentence in which a run ends."""
    from whyrefused.report.totals import summary  # noqa: PLC0415 - as above

    run = state.run
    if run is None:
        return []
    lines = [""] if run.findings else []
    for number, finding in enumerate(run.findings, 1):
        lines += _finding(number, finding)
    lines += [f"note: {note}" for note in run.notes]
    lines += [f"could not write {problem}" for problem in state.unwritten]
    lines += [f"what the hosts said is kept: --evidence={state.kept}"] if state.kept else []
    left = state.claim.abandoned if state.claim else ()
    lines += [f"note: a killed run left what its hosts had said: --evidence={journal}" for journal in left]
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
