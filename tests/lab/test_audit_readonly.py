"""Does an audit only read? Nothing on a host's file systems is changed but what a bare login changes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .audit import audit
from .audit_fleet import fleet

if TYPE_CHECKING:
    from . import Host, Lab
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


@pytest.mark.parametrize("user", ["root", "auditor", "deployer"])
def test_an_audit_changes_what_a_login_changes(hosts: Fleet, user: str) -> None:
    """No file is made, changed or removed on any host that `ssh host true` (or `sudo -n true` there) leaves alone."""
    inventory = hosts.inventory(user)
    machines = hosts.lab.hosts.values()
    bare = "sudo -n true" if user == "deployer" else "true"
    first = {host.name: files(host) for host in machines}
    for host in machines:
        hosts.lab.ssh(host.name, bare, user=user)
    second = {host.name: files(host) for host in machines}
    run = audit(hosts.lab, inventory=inventory)
    third = {host.name: files(host) for host in machines}
    by_login = {name: changed(first[name], second[name]) for name in first}
    by_audit = {name: changed(second[name], third[name]) for name in first}
    assert run.status == (1 if user == "auditor" else 0), run
    assert {name: set() for name in first} == {name: by_audit[name] - by_login[name] for name in first}
    assert all(by_login.values()), "a login is seen in the files, so a change would be"
