"""Do the parts of the lab that touch no machine work? They need no root."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from . import LabError, inotify, inventory, paths, requirements, sshd
from .network import LABS, Plan
from .sshd import Counts

WEB1 = SimpleNamespace(
    name="web1", address="198.18.3.10", address6="2001:db8:18:3::a", addresses=("198.18.3.10", "198.18.3.11")
)


def rendered(content: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Give the inventory as Ansible would load it."""
    return yaml.safe_load(inventory.rendered(content, [WEB1], "auditor", Path("/lab/ssh_config")))  # type: ignore[list-item]


def test_log_lines_that_count() -> None:
    """Connections and commands count; shells, subsystems and other talk do not."""
    log = (
        'Connection from 198.18.0.1 port 48980 on 198.18.0.10 port 22 rdomain ""',
        "Connection from 2001:db8:18::1 port 48980 on 2001:db8:18::a port 22",
        "Connection closed by 198.18.0.1 port 48980",
        "Starting session: command for root from 198.18.0.1 port 48980 id 0",
        "Starting session: forced-command (config) 'x' for root from 198.18.0.1 port 48980 id 0",
        "Starting session: subsystem 'sftp' for root from 198.18.0.1 port 48980 id 0",
        "Starting session: shell on pts/0 for root from 198.18.0.1 port 48980 id 0",
        "Invalid user Connection from 1.2.3.4 port 1 on 1.2.3.4 port 22 from 198.18.0.1",
    )
    assert Counts(connections=2, execs=1) == sshd.count(log)


@given(st.integers(0, LABS - 1), st.integers(1, 20))
def test_every_lab_has_addresses_of_its_own(number: int, count: int) -> None:
    """Addresses lie in the lab's networks, none twice and none that is taken, and each has an IPv6 twin."""
    plan = Plan(number=number)
    first = plan.free((), count)
    more = plan.free(first, count)
    assert (2 * count, True) == (len({*first, *more}), all(IPv4Address(a) in plan.v4 for a in (*first, *more)))
    assert len({plan.v6_of(a) for a in first if IPv6Address(plan.v6_of(a)) in plan.v6}) == count


def test_a_full_network_says_so() -> None:
    """No more hosts fit than there are addresses."""
    plan = Plan(number=7)
    with pytest.raises(LabError, match=r"198\.18\.7\.0/24 has no 1 free"):
        plan.free(plan.free((), 241), 1)


@pytest.mark.parametrize("name", ["", "Web1", "web.1", "../etc", "-x", "a" * 40, "web 1", "web1\n"])
def test_names_that_would_be_another_file(name: str) -> None:
    """What names a folder or a namespace is checked first."""
    with pytest.raises(ValueError, match="is no name"):
        paths.owned("lab", name or "_")


def test_whose_is_it() -> None:
    """A lab owns its own names and no other lab's, even one that begins alike."""
    names = ("wrlab.demo", "wrlab.demo.web1", "wrlab.demo2", "wrlab.demo2.web1", "wrlabx", "lab-net")
    owned = {name: (paths.belongs(name, "demo"), paths.belongs(name, None)) for name in names}
    assert owned == {
        "wrlab.demo": (True, True),
        "wrlab.demo.web1": (True, True),
        "wrlab.demo2": (False, True),
        "wrlab.demo2.web1": (False, True),
        "wrlabx": (False, False),
        "lab-net": (False, False),
    }


def test_inventory_of_a_text() -> None:
    """Addresses are filled in, hosts of the lab get theirs, others and what is declared stay as they are."""
    tree = rendered("""
all: {vars: {ansible_user: root, note: '${web1.2} ${web1.v6} $$5'}}
web: {children: {inner: {hosts: {web1: {expect: {}}, alien: {ansible_host: $web1}}}}}
""")
    variables = {"ansible_user": "root", "ansible_ssh_common_args": "-F /lab/ssh_config",
                 "note": "198.18.3.11 2001:db8:18:3::a $5"}  # fmt: skip
    assert {
        "all": {"vars": variables, "hosts": {"web1": {"ansible_host": "198.18.3.10"}}},
        "web": {"children": {"inner": {"hosts": {"web1": {"expect": {}}, "alien": {"ansible_host": "198.18.3.10"}}}}},
    } == tree


def test_inventory_keeps_a_declared_address() -> None:
    """An `ansible_host` that is written down is not replaced."""
    tree = rendered({"all": {"hosts": {"web1": {"ansible_host": "198.18.3.11"}}}})
    assert tree["all"]["hosts"] == {"web1": {"ansible_host": "198.18.3.11"}}


def test_inventory_with_an_unknown_host() -> None:
    """A host that the lab does not have is a mistake, not an empty address."""
    with pytest.raises(KeyError, match="web2"):
        rendered("all: {vars: {x: $web2}}")


def test_the_limit_of_inotify_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many hosts raise the limit, a second time from the same start; the last one gone puts it back."""
    limit = tmp_path / "limit"
    limit.write_text("128\n")
    monkeypatch.setenv("WHYREFUSED_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(inotify, "LIMIT", limit)
    seen = []
    for hosts in (30, 40, 0, 0):
        inotify.fit(hosts)
        seen.append(int(limit.read_text()))
    assert seen == [128 + 240, 128 + 320, 128, 128]


def test_what_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that is not there names its Debian package, each once."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(requirements, "SBIN", str(tmp_path))
    nothing = requirements.missing()
    for command in ("ip", "nft", "ssh", "nsenter"):
        (tmp_path / command).touch(mode=0o755)
    assert (nothing, requirements.missing()) == (
        ("debootstrap", "systemd-container", "iproute2", "nftables", "util-linux", "openssh-client"),
        ("debootstrap", "systemd-container", "openssh-client"),
    )
