"""What the plugin's hooks do once a check has been collected: pytest's words <-> the run's."""

from __future__ import annotations

import gc
import os
import re
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whyrefused import report as reports
from whyrefused import ssh
from whyrefused.audit import PUBLIC, Audit, Settings, finished
from whyrefused.causes import registry
from whyrefused.collect.visit import Options
from whyrefused.judge import Question
from whyrefused.opening import begin
from whyrefused.records import BadInput, Problem
from whyrefused.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whyrefused.audit import Verdicts
    from whyrefused.plan.items import Item
    from whyrefused.plugin import State
    from whyrefused.records import Finding, Run

QUIET_FROM = 500  # failures; pytest's own section of them takes quadratic time
NOTHING_CHECKED = 5
LATEST = Path("reports") / "latest"


def parameters(state: State, check: str) -> list[object]:
    """Which items of this check does the inventory declare, as parameters with ids and marks?"""
    audit = _audit(state)
    if audit is None:
        return []
    return [
        pytest.param(item, id=_ascii(item.label), marks=_marks(audit, item))
        for item in audit.items
        if item.check == check
    ]


def _ascii(label: str) -> str:
    return label.encode("ascii", "backslashreplace").decode().replace("::", "..")


def _marks(audit: Audit, item: Item) -> list[pytest.MarkDecorator]:
    groups = audit.inventory.hosts[item.host].groups
    names = [item.check, *(["paths"] if item.check == "connects" else []), *(mark_of(group) for group in groups)]
    return [getattr(pytest.mark, name) for name in names]


def mark_of(group: str) -> str:
    """Which mark stands for a group? `-m` takes only what Python takes for a name."""
    return "group_" + re.sub(r"\W", "_", group)


def _audit(state: State) -> Audit | None:
    """The run of this process; made with the first check that is collected."""
    if state.audit is None and state.problem is None:
        try:
            settings = _settings(state.config)
            state.reading = state.reading or begin(state.config)
            if not state.config.option.collectonly and not settings.replay:
                # Loading paramiko takes as long as a visit; who stops the run need not wait for it.
                threading.Thread(target=ssh.warm_up, daemon=True).start()
            state.audit = Audit(settings, state.reading.result())
        except BadInput as bad:
            state.problem = reports.terminal(str(bad))
            return None
        except Exception as error:  # noqa: BLE001 - pytest would tell of it with our variables, and passwords in them
            state.broken = without_variables(error)
            return None
        for group in state.audit.inventory.groups:
            state.config.addinivalue_line("markers", f"{mark_of(group)}: hosts of the group {group}")
    return state.audit


def without_variables(error: BaseException) -> str:
    """What is told of a fault of our own? Its traceback, never with what the variables held (`--showlocals`)."""
    return reports.terminal(redact("whyrefused itself failed:\n" + "".join(traceback.format_exception(error))))


def refuse_bad_input(state: State) -> None:
    """Is the inventory wrong, or the command line? Then the run ends here, in the process that people see."""
    try:
        Audit(_settings(state.config), begin(state.config).result())
    except BadInput as bad:
        raise pytest.UsageError(reports.terminal(str(bad))) from bad


def _settings(config: pytest.Config) -> Settings:
    get = config.getoption
    worker = getattr(config, "workerinput", {})
    return Settings(
        options=_options(config),
        connect_timeout=get("connect_timeout"),
        replay=get("evidence"),
        save=get("save_evidence"),
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
    _take_over_html(state)
    threading.Thread(target=reports.warm_up, daemon=True).start()
    try:
        audit.run(questions, pytest.skip.Exception)
    except BadInput as bad:
        state.audit = None  # nothing was asked, so there is nothing to report
        raise pytest.UsageError(reports.terminal(str(bad))) from bad
    except OSError as error:
        raise pytest.UsageError(f"{error.filename or 'evidence'}: {error.strerror}") from error
    except Exception as error:  # noqa: BLE001 - as above
        state.broken = without_variables(error)


def _questions(items: Sequence[pytest.Item]) -> Iterator[Question]:
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if isinstance(item, pytest.Function) and "declared" in parameters:
            look = getattr(item.module, "look", None)
            yield Question(id=item.nodeid, item=parameters["declared"], look=look, test=item.function)


def _take_over_html(state: State) -> None:
    """pytest-html keeps its options; the page is ours (docs/decisions/0005-report.md)."""
    if state.config.pluginmanager.hasplugin("html"):
        base = import_module("pytest_html.basereport").BaseReport
        for plugin in list(state.config.pluginmanager.get_plugins()):
            if isinstance(plugin, base):
                state.config.pluginmanager.unregister(plugin)


def opening(audit: Audit) -> str:
    """Which inventory is it, and how much of it?"""
    hosts, items = len(audit.inventory.selected), len(audit.items)
    sources = reports.terminal(", ".join(audit.inventory.sources))
    return f"inventory: {sources} ({hosts} hosts, {items} items declared)"


def inert(report: pytest.TestReport) -> None:
    """Let nothing of a test's report act on a terminal: in a run of ours even others' tests print what hosts say."""
    report.sections = [(name, reports.terminal(text)) for name, text in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, reports.terminal(reason))
    elif report.longrepr is not None:
        text = report.longreprtext
        shown = reports.terminal(text)
        if shown != text.replace("\t", "    "):
            report.longrepr = shown


def told(verdicts: Verdicts, result: str) -> str:
    """What does the terminal say of an item that is not as declared? Cause, wanted, saw, fix.

    pytest repeats the first line in its short summary.
    """
    one = verdicts.results[result]
    finding = next((finding for finding in verdicts.findings if finding.id == one.finding), None)
    rows = [("could not look" if one.outcome == "error" else "saw", one.observed)]
    if finding:
        rows.insert(0, (finding.cause, _because(finding) or one.observed))
    rows.insert(1 if finding or one.outcome == "error" else 0, ("wanted", one.expected))
    rows += [(f"{line.host}: {line.source}", line.line) for line in one.evidence[:4]]
    rows += [("fix", line) for line in finding.fix[:3]] if finding else []
    return reports.terminal("\n".join(f"{name}: {words}" for name, words in rows))


def _because(finding: Finding) -> str:
    ruling = finding.differential.get(finding.cause)
    return f"{ruling.because} ({finding.host})" if ruling else ""


def report(state: State, session: pytest.Session) -> None:
    """Write the page and the findings, and set the exit status that tells the whole story."""
    if state.verdicts is None:
        return
    _take_over_html(state)
    run = state.run = finished(state.verdicts, state.outcomes, list(state.foreign.values()))
    option = state.config.option
    html, findings = getattr(option, "htmlpath", None), option.findings
    base = state.config.invocation_params.dir / LATEST
    if not html and not findings:
        html, findings = base.with_suffix(".html"), base.with_suffix(".json")
    causes = {code: (cause.title, cause.text) for code, cause in registry().items()}
    if html:
        css = "\n".join(Path(path).read_text(encoding="utf-8") for path in getattr(option, "css", ()))
        _write(state, html, reports.page(run, css, causes=causes))
    if findings:
        _write(state, findings, reports.to_json(run))
    _set_status(state, session, run)


def _write(state: State, path: str | Path, text: str) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        reports.write(Path(path), text, PUBLIC)
    except OSError as error:
        state.unwritten.append(f"{path}: {error.strerror}")


def _set_status(state: State, session: pytest.Session, run: Run) -> None:
    judged = sum(one.outcome != "skipped" for one in run.results)
    if (
        sum(one.outcome in {"failed", "error"} for one in run.results) > QUIET_FROM
        and state.config.option.tbstyle == "auto"
    ):
        state.config.option.tbstyle = "line"
    if session.exitstatus == pytest.ExitCode.OK and not judged and not run.foreign:
        session.exitstatus = NOTHING_CHECKED
    if session.exitstatus == pytest.ExitCode.OK and state.unwritten:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def closing(state: State) -> list[str]:
    """The findings, and the sentence in which a run ends."""
    run = state.run
    if run is None:
        return []
    lines = [""] if run.findings else []
    for number, finding in enumerate(run.findings, 1):
        lines += _finding(number, finding)
    lines += [f"note: {note}" for note in run.notes]
    lines += [f"could not write {problem}" for problem in state.unwritten]
    lines.append(reports.summary(run))
    option = state.config.option
    written = getattr(option, "htmlpath", None) or (None if option.findings else LATEST.with_suffix(".html"))
    if written and not state.unwritten:
        lines.append(f"Report: {written}")
    return [part for line in lines for part in reports.terminal(line).split("\n")]


def _finding(number: int, finding: Finding) -> list[str]:
    words = [f"{number}. {finding.title}"]
    words += [f"     {line.host}: {line.source}: {line.line}" for line in finding.evidence[:3]]
    words += [f"   fix: {line}" for line in finding.fix]
    words += [f"   see: {line}" for line in finding.verify]
    words += (
        [f"   hidden behind it, to be looked at once it is mended: {', '.join(finding.hides)}"] if finding.hides else []
    )
    return [*words, f"   explains {len(finding.explains)} item{'s' if len(finding.explains) != 1 else ''}", ""]
