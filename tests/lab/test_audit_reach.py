"""What is said of hosts that cannot be reached, trusted or logged in to, and do the others go on?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .audit import audit
from .audit_fleet import DECLARED, ITEMS, fleet
from .process import run as command

if TYPE_CHECKING:
    from pathlib import Path

    from . import Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

ONE_DEADLINE = 20  # seconds; ten for a connect, and room for a loaded machine; one deadline per item would be 70


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


def reasons(run: Audited, host: str) -> set[str]:
    """Which reasons do the items of this host give for being undecided?"""
    return {one["observed"] for one in run.results if one["host"] == host and one["outcome"] == "error"}


def judged(run: Audited, host: str) -> set[str]:
    """How did the items of this host end?"""
    return {one["outcome"] for one in run.results if one["host"] == host}


def test_a_host_that_is_down(hosts: Fleet) -> None:
    """Its items are errors with one reason and cost one deadline; nobody else's are affected; exit status 1."""
    inventory = hosts.inventory()
    hosts.lab.controller(["ip", "link", "set", "v3", "down"], check=True)
    try:
        met = hosts.app.connect(hosts.database.address, 22, 5)
        start = time.monotonic()
        run = audit(hosts.lab, "--limit=web:db", inventory=inventory)
        took = time.monotonic() - start
    finally:
        hosts.lab.controller(["ip", "link", "set", "v3", "up"], check=True)
    assert "unreachable" == met
    assert (1, {"error"}, {"passed"}, {"passed"}) == (
        run.status, judged(run, "db1"), judged(run, "web1"), judged(run, "localhost")
    ), run  # fmt: skip
    (reason,) = reasons(run, "db1")
    assert ("db1" in reason, hosts.database.address in reason, [], took < ONE_DEADLINE) == (True, True, [], True)
    assert [] == run.findings


def test_a_server_that_is_down(hosts: Fleet) -> None:
    """Its client's path fails as it met it, and no cause is claimed of a host that said nothing."""
    inventory = hosts.inventory()
    hosts.lab.controller(["ip", "link", "set", "v3", "down"], check=True)
    try:
        run = audit(hosts.lab, inventory=inventory)
    finally:
        hosts.lab.controller(["ip", "link", "set", "v3", "up"], check=True)
    assert {"connects app1 db1:6379", "connects app1 db.example.test:6379"} == run.of("failed"), run
    assert ["undetermined"] == [one["cause"] for one in run.findings]
    assert {"unreachable"} == {one["symptom"] for one in run.results if one["outcome"] == "failed"}


@pytest.fixture(scope="module")
def strangers(hosts: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Audited, dict[str, list[str]]]:
    """Audit with web1's key not known, db1's another than known, and no key that app1 takes; what did sshd log?"""
    made = tmp_path_factory.mktemp("ssh")
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made / "id_other"))
    another = " ".join((made / "id_other.pub").read_text().split()[:2])
    lines = hosts.lab.known_hosts.read_text().splitlines()
    without = [line for line in lines if not line.startswith("web1,")]
    replaced = [f"{line.split()[0]} {another}" if line.startswith("db1,") else line for line in lines]
    settings = {
        "web1": _config(hosts, made, "web1", "UserKnownHostsFile", "\n".join([*without, ""])),
        "db1": _config(hosts, made, "db1", "UserKnownHostsFile", "\n".join([*replaced, ""])),
        "app1": _config(hosts, made, "app1", "IdentityFile", (made / "id_other").read_text()),
    }
    text = DECLARED
    for host, file in settings.items():
        text = text.replace(f"{{{host}: {{}}}}", f'{{{host}: {{ansible_ssh_common_args: "-F {file}"}}}}')
    before = {name: len(host.sshd_log()) for name, host in hosts.lab.hosts.items()}
    run = audit(hosts.lab, inventory=hosts.inventory(text=text))
    return run, {name: list(host.sshd_log()[before[name] :]) for name, host in hosts.lab.hosts.items()}


def _config(hosts: Fleet, made: Path, host: str, option: str, content: str) -> Path:
    """Which ssh_config has this file in place of the lab's?"""
    file = made / f"{host}-{option}"
    file.touch(mode=0o600)
    file.write_text(content)
    lines = hosts.lab.ssh_config.read_text().splitlines()
    config = made / f"{host}.conf"
    config.write_text("\n".join(f"    {option} {file}" if f" {option} " in line else line for line in lines) + "\n")
    return config


def test_every_item_says_why(strangers: tuple[Audited, dict[str, list[str]]]) -> None:
    """No item is passed over or judged, the run is red, and nothing is found."""
    run, _ = strangers
    # The controller's own path to web1 is dialled and connects.
    assert (1, {"error": ITEMS - 1, "passed": 1}, []) == (run.status, run.outcomes, run.findings), run
    assert [1, 1, 1] == [len(reasons(run, host)) for host in ("app1", "web1", "db1")]


def test_unknown_host_key(strangers: tuple[Audited, dict[str, list[str]]]) -> None:
    """A host whose key is not known is not logged in to, and the reason says how to add the key."""
    run, logs = strangers
    (reason,) = reasons(run, "web1")
    assert "host-key-unknown" in reason
    assert ("ssh-keyscan" in reason, "known_hosts" in reason or "UserKnownHostsFile" in reason) == (True, True)
    assert any(line.startswith("Connection from") for line in logs["web1"])
    assert [] == [line for line in logs["web1"] if "Accepted" in line or "Failed" in line or " user " in line]


def test_changed_host_key(strangers: tuple[Audited, dict[str, list[str]]]) -> None:
    """A host with another key than the known one is not logged in to, and both keys are told apart."""
    run, logs = strangers
    (reason,) = reasons(run, "db1")
    assert "host-key-changed" in reason
    assert "SHA256:" in reason
    assert [] == [line for line in logs["db1"] if "Accepted" in line or "Failed" in line or " user " in line]


def test_wrong_login_key(strangers: tuple[Audited, dict[str, list[str]]]) -> None:
    """A login that the host refuses says as whom and with what it was tried."""
    run, logs = strangers
    (reason,) = reasons(run, "app1")
    assert ("login-refused" in reason, "root" in reason) == (True, True)
    assert [] == [line for line in logs["app1"] if "Accepted" in line]


@pytest.mark.parametrize(
    ("shell", "reason", "outcomes"),
    [
        ("/usr/sbin/nologin", "no-command: web1: logged in, but the account runs no commands", {"error"}),
        ("/bin/false", "not-our-output: web1: our script's answer did not come. The command ended with exit status 1",
         {"error"}),
        ("/bin/rbash", "", {"passed"}),
    ],
)  # fmt: skip
def test_a_login_shell_that_is_none(hosts: Fleet, shell: str, reason: str, outcomes: set[str]) -> None:
    """An account that runs no commands says so; a restricted one that runs sh is as good as any."""
    text = "web: {hosts: {web1: {expect: {services: {nginx: {state: running}}, ports: {80/tcp: {}}}}}}"
    inventory = hosts.lab.inventory(text, user="auditor", name="shell.yml")
    hosts.web.run(f"usermod --shell {shell} auditor")
    try:
        run = audit(hosts.lab, inventory=inventory)
    finally:
        hosts.web.run("usermod --shell /bin/bash auditor")
    assert (int(outcomes != {"passed"}), outcomes, []) == (run.status, judged(run, "web1"), run.findings), run
    assert all(reason in one for one in reasons(run, "web1")), reasons(run, "web1")
