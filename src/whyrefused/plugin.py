"""pytest's hooks, and nothing else: the wiring between pytest and a run.

Loaded in every pytest run of its environment, so it imports nothing heavy; what it needs is loaded with the first
check that is collected.
"""

from __future__ import annotations

import argparse
import base64
import inspect
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from whyrefused import garbage
from whyrefused.collect.stop import Stop
from whyrefused.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from whyrefused.audit import Audit, Verdicts
    from whyrefused.claim import Claim
    from whyrefused.junit import Junit
    from whyrefused.opening import Reading
    from whyrefused.records import Outcome, Run, Seen

CHECKS = ("services", "ports", "firewall", "wide", "proxy", "resolves", "connects", "configured_in", "headroom",
          "forwards", "browses")  # fmt: skip
STATE = pytest.StashKey["State"]()
KEYWORDS = pytest.StashKey[Any]()


class State:
    """What one pytest process knows of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.audit: Audit | None = None
        self.reading: Reading | None = None
        self.problem: str | None = None  # what is wrong with the inventory or the command line
        self.broken: str | None = None  # the traceback of a fault of our own
        self.verdicts: Verdicts | None = None
        self.running = ""  # the id of the item that runs now
        self.outcomes: dict[str, Outcome] = {}
        self.foreign: dict[str, tuple[str, str, str]] = {}
        self.run: Run | None = None
        self.unwritten: list[str] = []
        self.shared: str | None = None
        self.stop = Stop()
        self.signals = Signals(self.stop)
        self.claim: Claim | None = None  # the files that this run alone writes
        self.junit: Junit | None = None
        self.kept: Path | None = None  # the journal, where the reports could not be written or the run was cut short
        self.bundled: bool | None = None  # one item of pytest for each host and check; None: not known yet
        self.parameters: dict[str, list[Any]] = {}  # of the check that is collected at this moment


def _positive(kind: type[float]) -> Callable[[str], float]:
    """A number above 0; what is none is a usage error."""

    def read(text: str) -> float:
        number = kind(text)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return number

    read.__name__ = "number"
    return read


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our options; testinfra's and pytest-html's mean here what they mean there."""
    group = parser.getgroup("whyrefused", "why was the connection refused?")
    add = group.addoption
    add("--inventory", action="append", metavar="PATH", help="Ansible inventory; may be given again")
    add("--limit", action="append", metavar="PATTERN", help="Ansible host pattern: only these hosts")
    add("--forks", type=_positive(int), metavar="N", help="hosts visited at once (32)")
    add(
        "--connect-timeout",
        type=_positive(float),
        default=4.0,
        metavar="S",
        help="seconds for one TCP connect of a path (4)",
    )
    add(
        "--host-timeout",
        type=_positive(float),
        default=60.0,
        metavar="S",
        help="seconds that one host may take in all (60)",
    )
    add(
        "--second-look",
        choices=("auto", "never"),
        default="auto",
        help="auto: where the first look leaves a path undetermined, dial it a dozen times more while both ends look",
    )
    add("--findings", metavar="FILE", help="write results and findings as JSON (reports/latest.json)")
    add("--shareable", metavar="FILE", help="write the page once more, for strangers: names, addresses, users replaced")
    add("--save-evidence", metavar="FILE", help="keep what the hosts said, redacted, in one file")
    add(
        "--evidence",
        metavar="FILE",
        help="judge saved evidence, or the journal of a killed run; nobody is visited",
    )
    add(
        "--resume",
        action="store_true",
        help="go on where a run that was to write the same files was cut short: who had answered is not visited again",
    )
    add(
        "--resume-age",
        type=_positive(float),
        default=3600.0,
        metavar="S",
        help="with --resume: answers that are older than so many seconds are asked for again (3600)",
    )
    add("--vault-id", action="append", default=[], metavar="ID", help="passed to ansible-inventory")
    add("--vault-password-file", action="append", default=[], metavar="FILE", help="passed to ansible-inventory")
    add(
        "--items",
        choices=("auto", "each", "host"),
        help="each: one item of pytest for each declared item; host: one for each host and check, which reports them "
        "one by one; auto: host above 200 declared items, unless a conftest.py follows each",
    )
    parser.addini("whyrefused_items", "the same as --items, where that is not given", default="auto")
    add("--no-inventory-cache", action="store_true", help="read the inventory anew, and keep nothing of it")
    parser.addini("whyrefused_cache", "keep what was made of an inventory for the next run", type="bool", default=True)
    parser.addini("whyrefused_inventory", "inventory where --inventory is not given", type="args", default=[])


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | pytest.ExitCode | None:
    """Find pytest's configuration where it would be without our options.

    pytest looks for its rootdir before it knows any plugin's options, and so takes the value of `--inventory PATH` for
    a test path: run from a project's folder, that project's configuration would not be read. `--inventory=PATH` is not
    mistaken, so the run is started again with its options written that way.
    """
    given = list(config.invocation_params.args)
    # After --help pytest has read no further.
    joined = unmistakable(given, getattr(config.option, "file_or_dir", []))
    return None if joined == given else pytest.main(joined)


def unmistakable(given: list[str], tests: list[str]) -> list[str]:
    """Which command line says the same with no option's value standing alone? Only values that are paths matter.

    >>> unmistakable(["-x", "--inventory", "/", "checks"], ["checks"])
    ['-x', '--inventory=/', 'checks']
    """
    joined: list[str] = []
    for word in given:
        if joined and _alone(joined[-1], word) and word not in tests:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _alone(option: str, word: str) -> bool:
    return option.startswith("--") and "=" not in option and not word.startswith("-") and Path(word).exists()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Each check is a mark too; and a report that could never be written stops the run before it begins."""
    html = getattr(config.option, "htmlpath", None)
    if html:
        try:
            mode = 0o700 if config.getoption("inventory") else 0o777
            for folder in (*reversed(Path(html).parent.parents), Path(html).parent):
                folder.mkdir(mode, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(f"--html {html}: {error.strerror}") from error
    if html and (config.getoption("inventory") or config.getini("whyrefused_inventory")):
        # Our page always is; else pytest-html writes a style sheet beside it, now, and through links.
        config.option.self_contained_html = True
    config.stash[STATE] = State(config)
    for name in (*CHECKS, "paths"):
        config.addinivalue_line("markers", f"{name}: items of the check `{'connects' if name == 'paths' else name}`")
    # The controller of pytest-xdist does not collect.
    if config.getoption("inventory") and not config.option.help and config.getoption("dist", "no") == "no":
        from whyrefused import opening  # noqa: PLC0415 - an audit is wanted

        config.stash[STATE].signals.install()
        config.stash[STATE].reading = opening.begin(config)


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_metadata(metadata: dict[str, Any]) -> None:
    """pytest-metadata prints what it finds in the environment of CI: a URL there may hold a token."""
    from whyrefused.redact import redact  # noqa: PLC0415 - where that plugin is

    for name, value in metadata.items():
        if isinstance(value, str):
            metadata[name] = redact(value)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """From here on pytest ends a session in good order, whatever happens: a signal that came before is obeyed now."""
    state = session.config.stash[STATE]
    state.signals.tearing = True
    if state.stop.by and not state.signals.patient:
        raise session.Interrupted(f"interrupted ({state.stop.by})")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list[pytest.Item] | None:
    """A check of which the inventory declares nothing has no items, not even a skipped one."""
    if (
        not name.startswith("test_")
        or not inspect.isfunction(obj)
        or "declared" not in inspect.signature(obj).parameters
    ):
        return None
    from whyrefused import wiring  # noqa: PLC0415 - the first check is collected: now it is needed

    return wiring.items(collector.config.stash[STATE], _check_of(collector), collector, obj)


def _check_of(node: pytest.Item | pytest.Collector) -> str:
    return node.path.stem.removeprefix("test_")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every declared item becomes an item of pytest; testinfra's `host` gets the hosts of the inventory."""
    state = metafunc.config.stash[STATE]
    if "declared" in metafunc.fixturenames:
        from whyrefused import wiring  # noqa: PLC0415 - as above

        check = _check_of(metafunc.definition)
        metafunc.parametrize("declared", state.parameters.pop(check, []) or wiring.parameters(state, check))
    elif "_testinfra_host" in metafunc.fixturenames and metafunc.config.getoption("inventory"):
        from whyrefused import wiring  # noqa: PLC0415 - as above

        wiring.feed_testinfra(state)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """A wrong inventory ends the run here, before any connection."""
    state = config.stash[STATE]
    if state.problem:
        raise pytest.UsageError(state.problem)
    _stop_if_broken(state)


def _stop_if_broken(state: State) -> None:
    if state.broken:
        pytest.exit(state.broken, returncode=pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """All have selected: what is left of one host and check is one item now. Who only collects sees each.

    A worker's controller is told that hosts will be visited before it is told of the items.
    """
    if hasattr(session.config, "workerinput"):
        from whyrefused import wiring  # noqa: PLC0415 - as above

        wiring.tell(session.config.stash[STATE], session.items)
    if session.config.stash[STATE].bundled and not session.config.option.collectonly:
        from whyrefused import bundles  # noqa: PLC0415 - as above

        session.items[:] = bundles.bundled(session.items)


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Which inventory is it, and how much of it?"""
    audit = config.stash[STATE].audit
    if audit is None:
        return None
    from whyrefused import console  # noqa: PLC0415 - as above

    return console.opening(audit, bundled=bool(config.stash[STATE].bundled))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """All hosts of the selected items are visited here, at once, before the first item runs."""
    state = session.config.stash[STATE]
    if state.audit and not session.config.option.collectonly and not session.testsfailed:
        from whyrefused import wiring  # noqa: PLC0415 - as above

        state.signals.tearing = False
        wiring.visit(state, session.items)
        session.testscollected = wiring.many(session.items)
        _stop_if_broken(state)
        # A worker's own controller waits for each of its items.
        if state.stop.by and not hasattr(session.config, "workerinput"):
            wiring.run_out(state, session.items)
            raise session.Interrupted(f"interrupted ({state.stop.by})")
    try:
        return (yield)
    except KeyboardInterrupt:
        if state.audit and state.stop.by:
            from whyrefused import wiring  # noqa: PLC0415 - as above

            state.signals.tearing = False
            wiring.run_out(state, session.items)
        raise


@pytest.hookimpl(specname="pytest_runtest_protocol", tryfirst=True)
def pytest_runtest_protocol_of_bundle(item: pytest.Item) -> bool | None:
    """What is one item for each host and check is judged by now: each of its items is told of by itself."""
    state = item.config.stash[STATE]
    if not state.bundled:
        return None
    from whyrefused import wiring  # noqa: PLC0415 - as above

    return wiring.run_bundle(state, item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A signal tears tests of others, which may take for ever; ours end by themselves, and are told of whole."""
    state = item.config.stash[STATE]
    state.running = item.nodeid
    signals = state.signals
    signals.tearing = "declared" not in getattr(item, "fixturenames", ())
    try:
        return (yield)
    except KeyboardInterrupt:
        signals.tearing = False
        if state.stop.by:
            from whyrefused import wiring  # noqa: PLC0415 - as above

            wiring.log(item, "failed", f"interrupted ({state.stop.by})")
        raise
    finally:
        signals.tearing = False


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - whyrefused.evidence.Evidence, loaded late
    """What is known of all hosts of this run."""
    audit = request.config.stash[STATE].audit
    return audit.evidence if audit else None


@pytest.fixture
def seen(pytestconfig: pytest.Config, declared: object) -> Seen:  # noqa: ARG001 - the item it belongs to
    """What the check looks at. What could not be looked at ends the item as an error; here, so that it is one."""
    # pytest's own `request` would cost as much as all else of an item's set-up.
    state = pytestconfig.stash[STATE]
    judged = state.audit.judged(state.running) if state.audit else None
    if judged is None:
        pytest.skip("not visited")
    if judged.miss is not None:
        raise judged.miss
    if judged.seen is None:
        pytest.skip(judged.why or "nothing was looked at")
    return judged.seen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Our failures have no traceback: wanted, saw, cause, fix."""
    audit = item.config.stash[STATE].audit
    judged = audit.judged(item.nodeid) if audit else None
    option, style = item.config.option, item.config.option.tbstyle
    if judged is not None:
        option.tbstyle = "value"  # the one that reads no source: a traceback would cost ten milliseconds, for nothing
    try:
        report = yield
    finally:
        option.tbstyle = style
    if audit is not None:
        from whyrefused import console  # noqa: PLC0415 - as above

        console.inert(report)
        # pytest keeps all three reports of an item until its end.
        report.keywords = item.stash.setdefault(KEYWORDS, report.keywords)
    if judged is not None and audit is not None:
        vars(report)["whyrefused"] = judged.outcome  # TestReport keeps extra attributes, through xdist too
        if report.failed and call.excinfo is not None:
            from whyrefused import console  # noqa: PLC0415 - as above

            report.longrepr = console.told(audit.verdicts, report.nodeid)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """From here on outcomes are counted."""
    session.config.stash[STATE].signals.session = session
    session.config.pluginmanager.register(Counter(session.config), "whyrefused-counter")
    session.config.pluginmanager.register(Last(), "whyrefused-last")


class Counter:
    """Counts how each item ended, ours and others, in the process that sees them all."""

    def __init__(self, config: pytest.Config) -> None:
        self._state = config.stash[STATE]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How did this phase of an item end?"""
        ours = hasattr(report, "whyrefused")
        outcome: Outcome = "error" if report.failed and report.when != "call" else report.outcome
        if report.when == "call" or outcome != "passed":
            if ours:
                self._state.outcomes[report.nodeid] = outcome
            else:
                self._state.foreign[report.nodeid] = (report.nodeid, outcome, report.longreprtext)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist's WorkerController
        """The workers of pytest-xdist share what the hosts said: one visit, whatever their number."""
        if self._state.shared is None:
            config = self._state.config
            if config.getoption("inventory") or config.getini("whyrefused_inventory"):
                from whyrefused import publish, wiring  # noqa: PLC0415 - as above

                # A worker could only say in vain what is wrong.
                wiring.refuse_bad_input(self._state)
                self._state.claim = publish.reserve_files(config)
            own = self._state.claim.folder if self._state.claim else None
            self._state.shared = str(own) if own else tempfile.mkdtemp(prefix="whyrefused-")
            self._state.signals.patient = True
            self._state.stop.share(self._state.shared)
        node.workerinput["whyrefused"] = self._state.shared

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Only a run that visits hosts has files of its own; now a worker knows."""
        if (Path(self._state.shared or "") / "audits").exists():
            from whyrefused import publish  # noqa: PLC0415 - as above

            publish.heard(self._state)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - as above
        """What did a worker find? All find the same."""
        packed = getattr(node, "workeroutput", {}).get("whyrefused")
        if packed and self._state.verdicts is None:
            self._state.verdicts = pickle.loads(base64.b64decode(packed))  # noqa: S301 - our own process wrote it


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The reports are written; a run that checked nothing is not green."""
    state = session.config.stash[STATE]
    state.signals.tearing = False
    if state.stop.by and state.reading and not state.reading.done():
        from whyrefused import opening  # noqa: PLC0415 - as above

        opening.abandon()
    if state.audit and state.verdicts is None:
        state.verdicts = state.audit.verdicts
    if hasattr(session.config, "workeroutput"):
        if state.verdicts:
            session.config.workeroutput["whyrefused"] = base64.b64encode(pickle.dumps(state.verdicts)).decode()
    elif session.config.option.collectonly:
        pass
    elif state.verdicts and state.verdicts.results:
        from whyrefused import publish  # noqa: PLC0415 - as above

        publish.report(state, session)
    elif state.stop.by and (state.reading or state.shared):
        from whyrefused import publish  # noqa: PLC0415 - as above

        publish.report_nothing(state, session)


class Last:
    """What comes after all others have written."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Everything is in its place, and the status tells the whole story."""
        state = session.config.stash[STATE]
        if state.claim:
            from whyrefused import publish  # noqa: PLC0415 - as above

            publish.conclude(state, session)
        if state.shared and not (state.kept and state.kept.parent == Path(state.shared)):
            shutil.rmtree(state.shared, ignore_errors=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Signals do again what they did, and Python looks for garbage as it did."""
    garbage.as_before()
    state = config.stash.get(STATE, None)
    if state is not None:
        state.signals.restore()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The findings, and the sentence in which a run ends."""
    state = terminalreporter.config.stash[STATE]
    if state.run is not None:
        from whyrefused import console  # noqa: PLC0415 - as above

        for line in console.closing(state):
            terminalreporter.write_line(line)
