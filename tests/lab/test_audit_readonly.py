"""Does an audit only read? Nothing of a host is changed but what a bare login to one like it changes too.

Its files are compared as its overlay has them, and what its kernel and systemd hold by their own words. Of the system
calls of the visit those are looked at that could make, change or remove a file or load a module, and the messages to
the kernel that are no questions.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from whyrefused import manual

from . import state, trace
from .audit import audit
from .audit_fleet import DATABASE, DECLARED, WEB, fleet

if TYPE_CHECKING:
    from pathlib import Path

    from . import Host, Lab
    from .audit import Audited
    from .audit_fleet import Fleet
    from .trace import Traced

pytestmark = pytest.mark.lab

WIDE = DECLARED.replace(
    f'{{to: "{DATABASE}:6379", server: db1}}',
    f'{{to: "{DATABASE}:6379", server: db1, configured_in: /etc/app.env#URL}}, "http://{WEB}:81/",'
    f' {{to: "{DATABASE}:6379", server: db1, as: user:nobody}}',
).replace(
    "            80/tcp:",
    "            81/tcp: {service: nginx, allow: [any]}\n            8443/tcp: {service: haproxy}\n"
    '          headroom: {backlog: 20%, files: 20%, conntrack: 20%}\n          forwards: {8080/tcp: "db1:6379"}\n'
    "          ports:\n            80/tcp:",
)
"""What fails is asked more: journals, unit files, routes, and a second look at the packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How the tool gets in, and what a bare login is that has the same rights."""

    user: str
    bare: str
    become: bool = False
    sudoers: str = ""  # for docs/sudoers, else nothing
    twice: bool = False  # whether it looks again at what stays undetermined


LOGINS = {
    "root": Login(user="root", bare="true", twice=True),
    "ordinary": Login(user="auditor", bare="true"),
    "sudo": Login(user="deployer", become=True, bare="sudo -n -l; sudo -n true"),
    "sudo refuses": Login(user="auditor", become=True, bare="true"),
    "docs/sudoers": Login(
        user="auditor",
        become=True,
        bare="sudo -n -l; sudo -n -u root -- ps -e -o pid -o netns",
        sudoers=manual.of_sudoers(),
    ),
}


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well, and one host that is like it but for its service; nobody visits that one."""
    made = fleet(lab)
    lab.boot("twin1")
    made.app.write("/etc/app.env", f"URL=redis://user:secret@{DATABASE}:6379/0\n")
    return made


@pytest.fixture(params=LOGINS)
def login(request: pytest.FixtureRequest, hosts: Fleet) -> Login:
    """A login with its rights on every host."""
    made = LOGINS[request.param]
    for host in hosts.lab.hosts.values():
        host.run("rm -f /etc/sudoers.d/whyrefused")
        if made.sudoers:
            rules = made.sudoers.replace("whyrefused ALL", f"{made.user} ALL")
            host.write("/etc/sudoers.d/whyrefused", rules, mode=0o440)
    return made


def visited(hosts: Fleet, login: Login, inventory: Path) -> tuple[Audited, dict[str, Traced]]:
    """What comes of an audit, and what does it ask of the kernel of each host?"""
    names = ("app1", "web1", "db1")
    with ExitStack() as tracing:
        said = {name: tracing.enter_context(trace.traced(hosts.lab, name)) for name in names}
        run = audit(hosts.lab, *(() if login.twice else ("--second-look=never",)), inventory=inventory)
    return run, {name: traced[0] for name, traced in said.items()}


def bare(hosts: Fleet, login: Login) -> tuple[set[str], Traced]:
    """Which files does a bare login change, and what does it ask of the kernel? On a host that nobody else visits."""
    before = state.files(hosts.lab["twin1"])
    with trace.traced(hosts.lab, "twin1") as said:
        hosts.lab.ssh("twin1", login.bare, user=login.user)
    return state.changed(before, state.files(hosts.lab["twin1"])), said[0]


@pytest.mark.skipif(bool(trace.missing()), reason=trace.missing())
def test_a_visit_changes_what_a_login_changes(hosts: Fleet, login: Login) -> None:
    """Whatever its rights, and while items fail; for root also while they are looked at again."""
    become = "all:\n  vars:\n    ansible_become: true" if login.become else "all:\n  vars:"
    inventory = hosts.lab.inventory(WIDE.replace("all:\n  vars:", become), user=login.user, name="wide.yml")
    changed, asked = bare(hosts, login)
    assert changed, "a login is seen in the files, so a change would be"
    assert asked.changes, "and in the calls"
    seen = [hosts.app, hosts.web, hosts.database]
    files, held = {host.name: state.files(host) for host in seen}, {host.name: state.held(host) for host in seen}
    run, traced = visited(hosts, login, inventory)
    assert run.status == 1, run
    assert run.outcomes["passed"] > 15, run
    left = {host.name: state.changed(files[host.name], state.files(host)) - changed for host in seen}
    assert not any(left.values()), left
    assert not {host.name: other for host in seen if (other := held[host.name] ^ state.held(host))}
    for name, calls in traced.items():
        assert len(calls.runs) > 30, (name, "the visit itself was traced")
        assert not calls.changes - asked.changes, name
        assert not calls.messages - asked.messages, name


# Not /proc and /sys. Name, type, mode, owner, size and time of change of content, of each file.
LIST = "find / /run /tmp /dev/shm -xdev -printf '%p\\t%y %m %U:%G %s %T@ %l\\n'"


def files(host: Host) -> dict[str, str]:
    """Which files are there, and how does each look?"""
    rows = (line.partition("\t") for line in host.run(f"journalctl --sync; {LIST}").splitlines())
    return {path: looks for path, _, looks in rows}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Which files came, went, or look otherwise?"""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def left(hosts: Fleet, inventory: Path, user: str, bare: str) -> tuple[dict[str, set[str]], Audited]:
    """Which files does an audit change on each host that a bare login leaves alone?"""
    machines = hosts.lab.hosts.values()
    first = {host.name: files(host) for host in machines}
    for host in machines:
        hosts.lab.ssh(host.name, bare, user=user)
    second = {host.name: files(host) for host in machines}
    run = audit(hosts.lab, inventory=inventory)
    third = {host.name: files(host) for host in machines}
    by_login = {name: changed(first[name], second[name]) for name in first}
    assert all(by_login.values()), "a login is seen in the files, so a change would be"
    return {name: changed(second[name], third[name]) - by_login[name] for name in first}, run


BROWSES = """
all: {hosts: {app1: {expect: {browses: [
  "http://$web1/", "http://$web1:81/", {url: "http://$web1/", profile: /opt/profile}]}}}}
"""


@pytest.mark.parametrize("user", ["root", "auditor"])
def test_a_browser_leaves_nothing(hosts: Fleet, user: str) -> None:
    """Nor is one while browsers run there, with and without a profile, whether the page opens or not.

    The server logs that the page was asked for, as it does for any visitor.
    """
    hosts.lab["app1"].run(
        "mkdir -p /opt/profile/Default; echo '{}' >/opt/profile/Default/Preferences; chown -R auditor /opt/profile"
    )
    more, run = left(hosts, hosts.lab.inventory(BROWSES, user=user, name="browses.yml"), user, "true")
    assert [2, 1] == [len(run.of("passed")), len(run.of("failed"))], run
    assert {"app1": set(), "db1": set(), "twin1": set(), "web1": {"/var/log/nginx/access.log"}} == more
    assert not hosts.lab["app1"].run("pgrep -x chromium || true").split()
