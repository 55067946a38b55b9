"""What does the tool see with none, some and all of the rights? Never less than it says, and never a pass without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whyrefused import manual

from . import faults
from .audit import audit
from .audit_fleet import DECLARED, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from . import Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

LIST = manual.of_sudoers().replace("whyrefused ALL", "auditor ALL")
SOCKETS = "auditor ALL=(root) NOPASSWD: /usr/bin/ss -H -t -u -l -n -p -e\n"
RULES = "auditor ALL=(root) NOPASSWD: /usr/sbin/nft -j list ruleset\n"

RIGHTS: Mapping[str, tuple[str, str]] = {
    "root": ("root", ""),
    "any command": ("deployer", ""),
    "docs/sudoers": ("auditor", LIST),
    "sockets only": ("auditor", SOCKETS),
    "nftables only": ("auditor", RULES),
    "no rule": ("auditor", ""),
}
DROPPING = ("root", "docs/sudoers", "nftables only", "no rule")
FILE = "/etc/sudoers.d/whyrefused"


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet."""
    return fleet(lab)


def audits(hosts: Fleet, names: tuple[str, ...]) -> dict[str, Audited]:
    """What does the audit say with each of these rights? Where it is not root's own, sudo is asked."""
    runs = {}
    for name in names:
        user, rules = RIGHTS[name]
        for host in hosts.lab.hosts.values():
            host.run(f"rm -f {FILE}")
            if rules:
                host.write(FILE, rules, mode=0o440)
        text = (
            DECLARED if user == "root" else DECLARED.replace("all:\n  vars:", "all:\n  vars:\n    ansible_become: true")
        )
        runs[name] = audit(
            hosts.lab, "--second-look=never", inventory=hosts.lab.inventory(text, user=user, name="rights.yml")
        )
    return runs


@pytest.fixture(scope="module")
def well(hosts: Fleet) -> dict[str, Audited]:
    """All rights, while all is well."""
    return audits(hosts, tuple(RIGHTS))


@pytest.fixture(scope="module")
def dropping(hosts: Fleet) -> Iterator[dict[str, Audited]]:
    """All rights, while the web server's firewall drops its clients. The last of the file: it ends with the module."""
    with faults.port_dropped(80).on(hosts.web):
        yield audits(hosts, DROPPING)


def firewall(run: Audited, outcome: str) -> set[str]:
    """Which firewall items ended so?"""
    return {one for one in run.of(outcome) if one.startswith("firewall ")}


def test_the_list_is_enough(well: dict[str, Audited]) -> None:
    """With exactly docs/sudoers all is seen that root sees, as with a sudo that permits any command."""
    root = well["root"]
    assert (0, set()) == (root.status, root.of("error")), root
    for name in ("any command", "docs/sudoers"):
        assert (0, root.of("passed")) == (well[name].status, well[name].of("passed")), well[name]


@pytest.mark.parametrize("name", ["sockets only", "nftables only", "no rule"])
def test_only_what_needs_the_missing_right_is_an_error(well: dict[str, Audited], name: str) -> None:
    """What the login sees anyway is judged as ever; the verdicts on rules are errors that name sudo."""
    run, root = well[name], well["root"]
    needed = {one for one in root.of("passed") if one.startswith("firewall ")}
    assert needed
    assert (1, needed) == (run.status, run.of("error")), run
    assert root.of("passed") - needed == run.of("passed")
    word = "permits nothing" if name == "no rule" else "does not permit this command"
    reasons = {one["id"]: one["observed"] for one in run.results if one["outcome"] == "error"}
    assert all(f"sudo {word}" in said for said in reasons.values()), reasons


@pytest.mark.parametrize("name", DROPPING)
def test_no_right_makes_a_fault_pass(dropping: dict[str, Audited], name: str) -> None:
    """Whoever sees the rules names the cause; whoever does not, passes nothing that root saw fail."""
    root, run = dropping["root"], dropping[name]
    assert ["server-firewall"] == [cause for cause, _, _ in root.named], root
    assert not run.of("passed") & root.of("failed"), run
    assert run.status == 1
    if name == "docs/sudoers":
        assert (root.named, root.of("failed")) == (run.named, run.of("failed")), run
    elif name != "root":
        assert not firewall(run, "passed") & (firewall(root, "failed")), run
