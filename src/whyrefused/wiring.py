"""What the plugin's hooks do once a check has been collected: pytest's words <-> the run's."""

from __future__ import annotations

import gc
import os
import re
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from whyrefused import bundles, livelog, options, ssh
from whyrefused.audit import Audit
from whyrefused.claim import AUDITS, claimed, left
from whyrefused.console import told, without_variables
from whyrefused.escape import terminal
from whyrefused.judge import Question
from whyrefused.opening import begin, end
from whyrefused.publish import leave_the_page, take
from whyrefused.records import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whyrefused.audit import Verdicts
    from whyrefused.plugin import State
    from whyrefused.records import Outcome

Keywords = dict[str, Literal[1]]


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
            settings = options.settings(state.config)
            state.reading = state.reading or begin(state.config)
            state.signals.install()
            state.audit = Audit(settings, end(state.reading))
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


def refuse_bad_input(state: State) -> None:
    """Is the inventory wrong, or the command line? Then the run ends here, in the process that people see."""
    try:
        state.signals.install()
        Audit(options.settings(state.config), end(begin(state.config)))
    except BadInput as bad:
        leave_the_page(state)
        raise pytest.UsageError(terminal(str(bad))) from bad


def tell(state: State, items: Sequence[pytest.Item]) -> None:
    """Say to the process that people see that this worker is about to visit hosts."""
    shared = getattr(state.config, "workerinput", {}).get("whyrefused")
    if shared and state.audit and next(_questions(items), None):
        os.close(os.open(Path(shared) / AUDITS, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


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
    if audit.settings.resume is not None and audit.journal is not None:
        with suppress(OSError, ValueError):
            audit.files, audit.left = left(audit.journal)


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
