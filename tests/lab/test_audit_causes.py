"""Does the audit name each fault of a real host, with proof and a fix that mends it, whoever logs in?

Each fault is put into one host of a healthy fleet, seen by a plain connect, audited as root, as an ordinary user and
through sudo, and mended with the words of the finding.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from . import faults
from .audit import audit
from .audit_fleet import AS_IT_WAS, DATABASE, ITEMS, LISTEN, PATHS, WEB, fleet
from .faults import SITE, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Host, Lab, Symptom
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

CANARY = "s3cr3t-c4n4ry"
PROXY = f"http://deploy:{CANARY}@203.0.113.9:3128"
PORT, ALLOW = "ports web1 80/tcp", "firewall web1 80/tcp allow any"

TITLES = {
    "service-not-running": "Service is not running",
    "wrong-port": "Incorrect port",
    "wrong-bind-address": "Listening on the wrong address",
    "server-firewall": "Firewall blocking",
    "dns": "Incorrect DNS settings",
    "proxy": "Proxy server issues",
}
"""The titles of the documentation, which the first line of every report must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault and all that must be said of it."""

    fault: Fault
    host: str
    cause: str
    variant: str
    quoted: str  # pattern of a line of evidence of that host
    failed: frozenset[str]
    met: Symptom | None = "refused"  # by app1 at the web server's name; None where nothing is dialled there
    edit: tuple[str, str] = ("", "")  # words of the fix that are no command, and the command that does as they say
    mend: str = ""  # takes the host out of the fault, fixed or not; the fault's own unless given
    unprivileged: str | None = None  # the cause without root, where it is another

    def __str__(self) -> str:
        return str(self.fault)


EDIT = ("listen 0.0.0.0:80;", LISTEN)
"""Words of a fix that are no command, and what does as they say."""

NO_NAME = Fault(
    title=f"{WEB} unknown",
    put=f"cp /etc/hosts /run/kept && sed -i /{WEB}/d /etc/hosts",
    mend="cat /run/kept >/etc/hosts",
)
SPLIT = Fault(
    title="nginx IPv6-only",
    put=f"sed -i -E '/listen 80 /d' {SITE} && systemctl restart nginx",
    mend=AS_IT_WAS,
)

CASES = (
    Case(
        fault=faults.nginx_stopped(), host="web1", cause="service-not-running", variant="stopped",
        quoted=r"nginx\.service: .*ActiveState=inactive", failed=PATHS | {PORT, "services web1 nginx"},
    ),
    Case(
        fault=faults.nginx_moved(8080), host="web1", cause="wrong-port", variant="listens-elsewhere",
        quoted=r"LISTEN .*0\.0\.0\.0:8080 .*nginx", failed=PATHS | {PORT}, edit=EDIT, mend=AS_IT_WAS,
    ),
    Case(
        fault=faults.nginx_on_loopback(), host="web1", cause="wrong-bind-address", variant="loopback",
        quoted=r"LISTEN .*127\.0\.0\.1:80 .*nginx", failed=PATHS | {PORT}, edit=EDIT, mend=AS_IT_WAS,
    ),
    Case(
        fault=SPLIT, host="web1", cause="wrong-bind-address", variant="ipv6-only",
        quoted=r"LISTEN .*\[::\]:80 .*v6only:1", failed=PATHS | {PORT}, edit=EDIT, mend=AS_IT_WAS,
    ),
    Case(
        fault=faults.port_rejected(80), host="web1", cause="server-firewall", variant="reject-tcp-reset",
        quoted=r"^tcp dport 80 reject with tcp reset", failed=PATHS | {ALLOW}, unprivileged="undetermined",
    ),
    Case(
        fault=faults.port_rejected(80, "icmpx port-unreachable"), host="web1", cause="server-firewall",
        variant="reject-icmp", quoted=r"^tcp dport 80 reject", failed=PATHS | {ALLOW},
    ),
    Case(
        fault=faults.port_rejected(80, "icmpx admin-prohibited"), host="web1", cause="server-firewall",
        variant="reject-icmp", quoted=r"^tcp dport 80 reject with icmpx", failed=PATHS | {ALLOW}, met="unreachable",
    ),
    Case(
        fault=faults.port_dropped(80), host="web1", cause="server-firewall", variant="drop",
        quoted=r"^tcp dport 80 drop", failed=PATHS | {ALLOW}, met="timed-out", unprivileged="undetermined",
    ),
    Case(
        fault=faults.proxy_in_environment(PROXY), host="app1", cause="proxy", variant="set-unexpectedly",
        quoted=r"^http_proxy=http://", failed=frozenset({"proxy app1 http_proxy"}), met=None,
        edit=("remove from /etc/environment: http_proxy=", "sed -i /^http_proxy=/d /etc/environment"),
    ),
    Case(
        fault=NO_NAME, host="app1", cause="dns", variant="no-resolver", quoted=f"{WEB} is not known|no answer",
        failed=frozenset({f"connects app1 http://{WEB}/", f"resolves app1 {WEB}"}), met="dns-failure",
        edit=("name a nameserver that answers", NO_NAME.mend),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def healthy_fleet(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


def audits(fleet: Fleet, *users: str, options: tuple[str, ...] = ()) -> dict[str, Audited]:
    """What do audits under these logins say, side by side?"""
    with ThreadPoolExecutor() as pool:
        running = {
            user: pool.submit(audit, fleet.lab, "--connect-timeout=1.5", *options, inventory=fleet.inventory(user))
            for user in users
        }
        return {user: run.result() for user, run in running.items()}


def test_healthy(healthy_fleet: Fleet) -> None:
    """A fleet that is as declared has no finding, all items passed with evidence, and exit status 0."""
    done = audits(healthy_fleet, "root", "deployer")
    for run in done.values():
        assert (0, [], {"passed": ITEMS}) == (run.status, run.findings, run.outcomes), run
        assert [] == [one["id"] for one in run.results if not one["evidence"]]


def test_healthy_without_root(healthy_fleet: Fleet) -> None:
    """What an ordinary user cannot read is an error that names the privilege; the rest is judged; nothing is found."""
    run = audits(healthy_fleet, "auditor")["auditor"]
    rules = {ALLOW, "firewall db1 6379/tcp allow app"}
    assert (1, [], rules, ITEMS - 2) == (run.status, run.findings, run.of("error"), run.outcomes["passed"]), run
    assert all("needs root" in one["observed"] for one in run.results if one["outcome"] == "error")


def test_wrong_hosts_entry(healthy_fleet: Fleet) -> None:
    """A name that /etc/hosts sends elsewhere is the resolver's fault, and the line itself is quoted and mended."""
    app, wrong = healthy_fleet.app, healthy_fleet.database.address
    with faults.wrong_hosts_entry(WEB, wrong).on(app):
        met = app.connect(WEB, 80)
        runs = audits(healthy_fleet, "root", "auditor", "deployer")
        fix = runs["root"].findings[0]["fix"]
        app.run(f"sed -i 's/^{wrong}\\t{WEB}$/{healthy_fleet.web.address} {WEB}/' /etc/hosts")
        mended = audits(healthy_fleet, "root")["root"]
    assert "refused" == met
    assert [[("dns", "hosts-file", "app1")]] * 3 == [run.named for run in runs.values()]
    assert {f"resolves app1 {WEB}", f"connects app1 http://{WEB}/"} == runs["root"].of("failed")
    assert {f"{wrong}\t{WEB}"} <= {line["line"] for line in runs["root"].findings[0]["evidence"]}
    assert [f"remove from /etc/hosts: {wrong}\t{WEB}", f"or correct it: {healthy_fleet.web.address} {WEB}"] == fix
    assert (0, []) == (mended.status, mended.findings)
    assert DATABASE not in runs["root"].first_lines[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A fleet with one fault, what a plain connect met, and what the audits said."""

    case: Case
    fleet: Fleet
    met: Symptom
    runs: dict[str, Audited]


@pytest.fixture(scope="module", params=CASES, ids=str)
def broken(request: pytest.FixtureRequest, healthy_fleet: Fleet) -> Iterator[Broken]:
    """Put one fault in, look for oneself, and audit under each login; take it out in the end."""
    case: Case = request.param
    host = healthy_fleet.lab[case.host]
    case.fault.into(host)
    try:
        met = healthy_fleet.app.connect(WEB, 80)
        runs = audits(healthy_fleet, "root", "auditor", "deployer")
        yield Broken(case=case, fleet=healthy_fleet, met=met, runs=runs)
    finally:
        host.run(case.mend or case.fault.mend, check=False)


def test_one_finding_names_it(broken: Broken) -> None:
    """Exactly one finding: right cause, variant and host, explaining every failed item, quoting the host itself."""
    case, run = broken.case, broken.runs["root"]
    assert (case.met or "connected") == broken.met
    assert [(case.cause, case.variant, case.host)] == run.named, run
    assert (1, case.failed, set()) == (run.status, run.of("failed"), run.of("error")), run
    (finding,) = run.findings
    assert run.ids("failed") == set(finding["explains"])
    own = [line["line"] for line in finding["evidence"] if line["host"] == case.host]
    assert any(re.search(case.quoted, line) for line in own), own
    assert all(one["finding"] == finding["id"] for one in run.results if one["outcome"] == "failed")
    assert "proven" == finding["differential"][case.cause]["answer"]


def test_the_first_line_tells(broken: Broken) -> None:
    """The first line of the findings, on the terminal and in the page, names the cause and the host."""
    for line in broken.runs["root"].first_lines:
        assert TITLES[broken.case.cause] in line
        assert broken.case.host in line


def test_symptoms_are_those_of_a_plain_connect(broken: Broken) -> None:
    """What the paths saw is what an independent connect saw."""
    seen = {one["symptom"] for one in broken.runs["root"].results if one["outcome"] == "failed" and "symptom" in one}
    assert ({broken.case.met} if broken.case.met else set()) == seen


def test_no_secret_is_shown(broken: Broken) -> None:
    """A password in an environment appears nowhere: not on the terminal, in the page, in JSON or JUnit."""
    for run in broken.runs.values():
        assert [] == [name for name, text in run.written.items() if CANARY in text]
        assert CANARY not in run.said


def test_sudo_sees_what_root_sees(broken: Broken) -> None:
    """Through `sudo -n` the same items fail for the same reason as for root."""
    root, sudo = broken.runs["root"], broken.runs["deployer"]
    assert (root.named, root.of("failed"), set()) == (sudo.named, sudo.of("failed"), sudo.of("error")), sudo


def test_without_root_nothing_wrong_is_named(broken: Broken) -> None:
    """An ordinary user gets the right cause or an honest `undetermined`; only the rules are not judged."""
    case, run = broken.case, broken.runs["auditor"]
    assert [(case.unprivileged or case.cause, case.host)] == [(cause, host) for cause, _, host in run.named], run
    assert {ALLOW, "firewall db1 6379/tcp allow app"} == run.of("error")
    assert case.failed - {ALLOW} == run.of("failed")


def test_the_fix_mends_it(broken: Broken) -> None:
    """What the finding tells to do, done, brings the fleet back: the next audit is green."""
    case, host = broken.case, broken.fleet.lab[broken.case.host]
    (finding,) = broken.runs["root"].findings
    carry_out(host, finding["fix"], case.edit)
    run = audits(broken.fleet, "root")["root"]
    assert (0, [], {"passed": ITEMS}) == (run.status, run.findings, run.outcomes), (finding["fix"], str(run))


def carry_out(host: Host, fix: list[str], edit: tuple[str, str]) -> None:
    """Do what a finding tells to do: its commands as they stand, and what is an edit by the hand of the case."""
    words, command = edit
    assert any(words in line for line in fix), fix
    for line in fix:
        if words and words in line:
            host.run(command)
        elif host.succeeds(f"command -v {line.split()[0]}"):
            host.run(line)
