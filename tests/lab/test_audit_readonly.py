"""Does an audit only read? Nothing on a host's file systems is changed but what a bare login changes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .audit import audit
from .audit_fleet import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from . import Host, Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

# Not /proc and /sys. Name, type, mode, owner, size and time of change of content, of each file.
LIST = "find / /run /tmp /dev/shm -xdev -printf '%p\\t%y %m %U:%G %s %T@ %l\\n'"


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


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


@pytest.mark.parametrize("user", ["root", "auditor", "deployer"])
def test_an_audit_changes_what_a_login_changes(hosts: Fleet, user: str) -> None:
    """No file is made, changed or removed on any host that `ssh host true` (or `sudo -n true` there) leaves alone."""
    more, run = left(hosts, hosts.inventory(user), user, "sudo -n true" if user == "deployer" else "true")
    assert run.status == (1 if user == "auditor" else 0), run
    assert not any(more.values()), more


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
    assert {"app1": set(), "db1": set(), "web1": {"/var/log/nginx/access.log"}} == more
    assert not hosts.lab["app1"].run("pgrep -x chromium || true").split()
