"""Every fault of a server in one whole run, beside hosts that are well: verdicts, reason, time, what servers saw.

The reports are those of one run over all of them at once, so no fault may spoil another host's items.
"""

from __future__ import annotations

import html
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hostile import servers, shells, whole
from hostile.servers import KEY, OTHER_KEY, BorrowedKey, Server
from hostile.support import Known, keygen
from hostile.whole import Declared, Ran

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

DEADLINE = 30
"""Seconds of --host-timeout."""
SLACK = 4
"""Seconds that a busy machine with all these servers on it may take beyond; one is what is promised of an idle one."""
WELL = ("well-1", "well-2", "well-3")

# fault: (reason, words of the message)
REASONS = {
    "silent": ("login-hangs", "no SSH banner"),
    "drip": ("login-hangs", "no SSH banner"),
    "banner-then-silence": ("login-hangs", "no key exchange"),
    "endless-ignore": ("login-hangs", "no key exchange"),
    "auth-hang": ("login-hangs", "no answer to the login"),
    "close-at-once": ("server-refuses-connections", "MaxStartups"),
    "reset-at-once": ("server-refuses-connections", "MaxStartups"),
    "max-startups": ("server-refuses-connections", "Exceeded MaxStartups"),
    "banner-then-close": ("server-refuses-connections", "before the login"),
    "banner-then-reset": ("server-refuses-connections", "before the login"),
    "banner-flood": ("not-ssh", "welcome"),
    "banner-one-line-flood": ("not-ssh", "floods"),
    "long-version": ("not-ssh", "too long"),
    "garbage": ("not-ssh", "not an SSH server"),
    "http": ("not-ssh", "HTTP/1.1 400"),
    "http-closed": ("not-ssh", "HTTP/1.1 400"),
    "smtp": ("not-ssh", r"220 mail.example.com ESMTP \x1b[31m"),
    "ssh-1": ("not-ssh", "SSH-1.5"),
    "exchange-begun": ("login-hangs", "no key exchange"),
    "login-banner-flood": ("not-ssh", "before the login was done"),
    "borrowed-key": ("not-ssh", "breaks the SSH protocol"),
    "keys-exchanged-for-ever": ("command-timed-out", "no line for 15 s"),
    "huge-packet": ("not-ssh", "breaks the SSH protocol"),
    "bad-packet": ("not-ssh", "breaks the SSH protocol"),
    "old-algorithms": ("incompatible", "no algorithm in common"),
    "unknown-key": ("host-key-unknown", "SHA256:"),
    "changed-key": ("host-key-changed", "HOST KEY CHANGED"),
    "other-type-of-key": ("host-key-changed", "HOST KEY CHANGED"),
    "revoked-key": ("host-key-revoked", "HOST KEY REVOKED"),
    "auth-denied": ("login-refused", "SHA256:"),
    "auth-cut": ("cut-off", "during the login"),
    "auth-disconnect": ("login-refused", r"go away \x1b[2J"),
    "auth-partial": ("login-refused", "another factor"),
    "keyboard-interactive": ("login-refused", "keyboard-interactive"),
    "password-only": ("login-refused", "the server takes: password"),
    "session-refused": ("no-session", "MaxSessions"),
    "session-hang": ("no-session", "no session was opened"),
    "exec-refused": ("no-command", "ForceCommand"),
    "exec-hang": ("no-command", "not accepted"),
    "never-ends": ("not-our-output", "timed out after 'begun'"),
    "output-drip": ("command-timed-out", "no line for 15 s"),
    "answer-drips": ("command-timed-out", "did not end"),
    "whole-and-never-ends": ("command-timed-out", "no line for 15 s"),
    "frozen": ("no-answer", "keepalive"),
    "frozen-in-the-middle": ("no-answer", "keepalive"),
    "rekey-stuck": ("no-answer", "keepalive"),
    "endless-stdout": ("too-large", ""),
    "endless-stderr": ("too-large", ""),
    "endless-both": ("too-large", ""),
    "endless-past-window": ("too-large", ""),
    "ignore-flood": ("too-large", ""),
    "empty-data-flood": ("too-large or command-timed-out", ""),
    "unknown-stream-flood": ("too-large", ""),
    "no-exit-status": ("cut-off", "without an exit status"),
    "two-statuses": ("cut-off", "two exit statuses"),
    "cut-close": ("cut-off", "closed by the peer"),
    "cut-reset": ("cut-off", ""),
    "disconnect": ("cut-off", r"maintenance \x1b]0;x\x07"),
    "bit-flip": ("cut-off", "damaged"),
    "unknown-channel": ("cut-off", ""),
    "whole-and-no-status": ("cut-off", "without an exit status"),
    "whole-and-two-statuses": ("cut-off", "two exit statuses"),
    "whole-and-disconnect": ("cut-off", "bye"),
    "half": ("cut-off", "ends before its last line"),
    "all-but-the-last-line": ("cut-off", "ends before its last line"),
    "all-but-the-last-byte": ("cut-off", "ends before its last line"),
    "another-count": ("cut-off", "ends before its last line"),
    "exit-signal": ("killed", "SIGKILL"),
    "hasty-signal": ("killed", "SIGKILL"),
    "hasty-good": ("not-our-output", "good"),
    "whole-and-signal": ("killed", "SIGSEGV"),
    "status-then-open": ("not-our-output", "good"),
    "whole-and-left-open-failed": ("not-our-output", "exit status 3"),
    "good": ("not-our-output", "exit status 0"),
    "output-after-exit": ("not-our-output", "late"),
    "invalid-utf8": ("not-our-output", r"\xff\xfe"),
    "forced-command": ("not-our-output", r"Welcome to the menu \x1b[1m"),
    "script-echoed": ("not-our-output", "exit status 0"),
    "nothing-printed": ("not-our-output", "it printed nothing"),
    "no-shell": ("not-our-output", "exit status 127 (it is not there)"),
    "shell-not-permitted": ("not-our-output", "exit status 126 (it may not be run)"),
    "answer-of-another-run": ("not-our-output", ""),
    "whole-and-status-255": ("not-our-output", "exit status 255"),
    "whole-and-status-1": ("not-our-output", "exit status 1"),
    "whole-and-status-minus-1": ("not-our-output", "exit status 4294967295"),
    "named-otherwise": ("not-the-declared-host", "calls itself 'silent'"),
    "another-socket-1": ("not-the-declared-host", "another-socket-2"),
    "another-socket-2": ("not-the-declared-host", "another-socket-1"),
    "name-does-not-resolve": ("name", "nameserver"),
    "closed-port": ("refused", "ECONNREFUSED"),
}
PASSED = {
    # fault: a word of the note that goes with it
    "healthy": "",
    "crowded": "",
    "slowly": "",
    "asks-back": "",
    "keys-exchanged-again": "",
    "login-banner": "",
    "noise-behind": "",
    "login-noise": r"\xff\xfe\x00\x1b]0;owned\x07",
    "login-noise-1-mib": "xxx",
    "left-open": "keeps the session open",
    "clock-ahead": "ahead of this machine's",
    "clock-behind": "behind this machine's",
}
PARTLY = {"twice": "answered twice"}
"""The connection is well, and each answer is missing."""

ELSEWHERE = {"echo"}
"""Behaviours for the transport alone."""
REFUSED_EARLY = ("borrowed-key", "unknown-key", "changed-key", "other-type-of-key", "revoked-key")
ALLOWED = ("connect", "auth publickey", "channel session", "exec sh -s")


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One run over all faults, and the servers of it."""

    ran: Ran
    servers: dict[str, Server]


def started(stack: ExitStack) -> dict[str, Server]:
    """Start a server for every fault, and some that are well."""
    keys = {"other-type-of-key": OTHER_KEY, "changed-key": type(KEY).generate(), "borrowed-key": BorrowedKey.made()}
    made = {}
    for fault in (*REASONS, *PASSED, *PARTLY, *WELL):
        act = shells.ACTS.get(fault, shells.ACTS["healthy"] if fault in (*WELL, "crowded") else None)
        made[fault] = stack.enter_context(Server(fault, keys.get(fault), act=act))
    return made


def trust(known: Known, running: dict[str, Server]) -> None:
    """Know all their keys, as a client does that met them before they changed."""
    lines = []
    for fault, server in running.items():
        key = KEY if fault in ("changed-key", "other-type-of-key") else server.host_key
        line = f"[127.0.0.1]:{server.port} {key.get_name()} {key.get_base64()}\n"
        lines += [] if fault == "unknown-key" else [f"@revoked {line}" if fault == "revoked-key" else line]
    known.known_hosts.write_text("".join(lines))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Run the tool once over all faults."""
    folder = tmp_path_factory.mktemp("matrix")
    known = Known(config=folder / "ssh_config", known_hosts=folder / "known_hosts")
    known.config.write_text(f"UserKnownHostsFile {known.known_hosts}\nGlobalKnownHostsFile none\nIdentityFile none\n")
    with ExitStack() as stack:
        running = started(stack)
        trust(known, running)
        hosts = [Declared.of(fault, server) for fault, server in running.items()]
        hosts = [one for one in hosts if one.name not in ("closed-port", "name-does-not-resolve")]
        running.pop("closed-port").__exit__()
        hosts += [
            Declared(name="closed-port", port=1),
            Declared(name="name-does-not-resolve", port=22, address="nothing.invalid", more=_without_ports()),
        ]
        ran = whole.run(
            folder / "run", hosts, keygen(folder / "id"), known.config, f"--host-timeout={DEADLINE}", "--forks=200"
        )
        yield Matrix(ran=ran, servers=running)


def _without_ports() -> dict[str, object]:
    # A name is no address that could be bound.
    return {"expect": {"ports": {"22/tcp": {}}, "resolves": {"localhost": ["127.0.0.1"]}}}


def test_no_behaviour_is_left_out() -> None:
    """Every behaviour of the servers is in the matrix."""
    known = {*servers.RAW, *servers.SPOKEN, *servers.ACTS, *shells.ACTS}
    assert known - ELSEWHERE <= {*REASONS, *PASSED, *PARTLY}


def test_one_verdict_for_each_item(matrix: Matrix) -> None:
    """Every declared item of every host is in every report, once."""
    hosts = {*REASONS, *PASSED, *PARTLY, *WELL}
    assert hosts == set(matrix.ran.by_host)
    assert {len(whole.ITEMS)} == {len(found) for found in matrix.ran.by_host.values()}
    assert len(hosts) * len(whole.ITEMS) == matrix.ran.junit.count("<testcase ")
    ids = [one["id"] for one in matrix.ran.found["results"]]
    assert len(ids) == len(set(ids))
    assert 1 == matrix.ran.status


@pytest.mark.parametrize("fault", REASONS)
def test_fault(fault: str, matrix: Matrix) -> None:
    """No item of such a host passes or fails, and all give the one right reason, in each report."""
    reason, words = REASONS[fault]
    assert ["error", "error"] == matrix.ran.outcomes(fault)
    (told,) = matrix.ran.reasons(fault)
    assert (True, True) == (told.partition(": ")[0] in reason.split(" or "), words in told), told
    assert told.isprintable()
    assert told in html.unescape(re.sub(r"<[^>]*>", "", matrix.ran.page))


@pytest.mark.parametrize("fault", [*PASSED, *WELL])
def test_whole_answer(fault: str, matrix: Matrix) -> None:
    """A host that answers in full is judged, whatever else it does; the reader is told what else."""
    assert ["passed", "passed"] == matrix.ran.outcomes(fault), matrix.ran.reasons(fault)
    word = PASSED.get(fault, "")
    assert (word != "", True) == (bool(matrix.ran.notes(fault)), word in "".join(matrix.ran.notes(fault)))


@pytest.mark.parametrize("fault", PARTLY)
def test_answer_that_tells_nothing(fault: str, matrix: Matrix) -> None:
    """What came cannot be used, and each item says why."""
    assert ["error", "error"] == matrix.ran.outcomes(fault)
    assert all(PARTLY[fault] in told for told in matrix.ran.reasons(fault))


@pytest.mark.parametrize("fault", [*REASONS, *PASSED, *PARTLY, *WELL])
def test_what_the_server_saw(fault: str, matrix: Matrix) -> None:
    """One connection, one login, one session and one command at most; and nothing of us before its key is trusted."""
    server = matrix.servers.get(fault)
    if server is None or fault == "name-does-not-resolve":
        return
    reason = REASONS.get(fault, ("",))[0]
    assert [] == [event for event in server.events if not event.startswith(ALLOWED)]
    assert max(server.count("auth"), server.count("channel"), server.count("exec")) <= 1
    tries = 3 if reason == "server-refuses-connections" or fault == "crowded" else 1
    assert 1 <= server.count("connect") <= tries
    if fault in REFUSED_EARLY:
        assert ["connect"] == server.events


@pytest.mark.parametrize("fault", [*REASONS, *PASSED, *PARTLY, *WELL])
def test_time_of_each_host(fault: str, matrix: Matrix) -> None:
    """No connection is held beyond the host's deadline."""
    server = matrix.servers.get(fault)
    if server is not None:
        assert all(seconds <= DEADLINE + SLACK for seconds in server.held)


def test_time_of_the_run(matrix: Matrix) -> None:
    """The whole run takes one deadline, and what pytest and the hosts that are well take."""
    (visited,) = re.findall(r"visited \d+ hosts in ([\d.]+) s", matrix.ran.said)
    assert float(visited) <= DEADLINE + SLACK


def test_memory_of_the_run(matrix: Matrix) -> None:
    """The whole process stays below 256 MiB."""
    assert matrix.ran.peak <= 256


def test_terminal_and_reports_are_inert(matrix: Matrix) -> None:
    """No control byte and no markup of a host comes out anywhere."""
    for text in (matrix.ran.said, matrix.ran.junit, matrix.ran.page):
        assert [] == re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert [0, 0] == [text.count("<script>alert") for text in (matrix.ran.junit, matrix.ran.page)]
