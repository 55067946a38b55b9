"""Does the lab itself keep its promises: real hosts, reached only over its own network, and nothing left behind?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import Counts, Lab, LabError, healthy, paths, teardown

if TYPE_CHECKING:
    from . import Host

pytestmark = pytest.mark.lab

SSH = ("ssh", "-o", "BatchMode=yes", "-F")

# Begins a lab, boots a host in it, says so, and does not get to take it down.
CRASH = """
import sys, time
sys.path[0] = sys.argv[1]
from lab import Lab
Lab(sys.argv[2]).up().boot("web1")
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> tuple[Host, ...]:
    """Boot a client, a web server and a database, all well."""
    app, web, database = lab.boot("app1", "web1", "db1", addresses=2)
    healthy.web(web)
    healthy.database(database)
    return app, web, database


@pytest.fixture(scope="module")
def app(hosts: tuple[Host, ...]) -> Host:
    """Give the client."""
    return hosts[0]


@pytest.fixture(scope="module")
def web(hosts: tuple[Host, ...]) -> Host:
    """Give the web server."""
    return hosts[1]


@pytest.fixture(scope="module")
def database(hosts: tuple[Host, ...]) -> Host:
    """Give the database server."""
    return hosts[2]


def test_systemd_is_the_first_process(hosts: tuple[Host, ...]) -> None:
    """Each host runs a systemd that has started everything and failed at nothing."""
    assert [(host.read("/proc/1/comm"), host.run("systemctl is-system-running", check=False)) for host in hosts] == [
        ("systemd\n", "running\n")
    ] * 3


def test_hosts_are_told_apart(hosts: tuple[Host, ...]) -> None:
    """No two hosts share a name, a machine id, an ssh key or an address."""
    told = (
        [host.run("hostname") for host in hosts],
        [host.read("/etc/machine-id") for host in hosts],
        [host.key for host in hosts],
        [address for host in hosts for address in (*host.addresses, *host.addresses6)],
    )
    assert [len(set(values)) for values in told] == [3, 3, 3, 12]


def test_nothing_listens_that_no_test_started(app: Host) -> None:
    """A booted host listens on port 22 and nowhere else."""
    ports = {line.split()[3].rpartition(":")[2] for line in app.run("ss -Hltn").splitlines()}
    assert {"22"} == ports


@pytest.mark.parametrize(
    ("user", "number", "becomes_root"), [("root", 0, 0), ("auditor", 1000, 1), ("deployer", 1001, 0)]
)
def test_logins(lab: Lab, web: Host, user: str, number: int, becomes_root: int) -> None:
    """The lab's key logs in as root, as an ordinary user, and as one who may become root without a password."""
    said = lab.ssh(web.name, "id -u; sudo -n true 2>/dev/null; echo $?", user=user)
    assert [str(number), str(becomes_root)] == said.split()


def test_every_address_is_reached_with_strict_keys(lab: Lab, web: Host) -> None:
    """Both addresses of each family answer over SSH under the key that is known for them."""
    said = [lab.ssh(address, "hostname") for address in (*web.addresses, *web.addresses6)]
    assert said == ["web1\n"] * 4


def test_an_unknown_key_is_refused(lab: Lab, web: Host, tmp_path: Path) -> None:
    """Without the lab's known_hosts nobody logs in: the keys are really checked."""
    none = tmp_path / "known_hosts"
    none.touch()
    argv = (*SSH, str(lab.ssh_config), "-o", f"UserKnownHostsFile={none}", web.name, "true")
    done = lab.controller(argv)
    assert (done.returncode, "Host key verification failed" in done.stderr) == (255, True)


def test_sshd_counts(lab: Lab, web: Host) -> None:
    """One ssh is one connection and one command in sshd's log; a bare connect is no command."""
    before = web.ssh_counts()
    lab.ssh(web.name, "true", user="auditor")
    after_ssh = web.ssh_counts()
    lab.connect(web.address, 22)
    after_connect = web.ssh_counts()
    assert [Counts(connections=1, execs=1), Counts(connections=1, execs=0)] == [
        after_ssh - before, after_connect - after_ssh
    ]  # fmt: skip


def test_a_stopped_service_refuses(app: Host, web: Host) -> None:
    """A real connect to the web server is refused once its service is stopped, on both families."""
    running = [app.connect(address, healthy.WEB_PORT) for address in (web.address, web.address6)]
    web.run("systemctl stop nginx")
    stopped = [app.connect(address, healthy.WEB_PORT) for address in (web.address, web.address6)]
    web.run("systemctl start nginx")
    assert [running, stopped] == [["connected"] * 2, ["refused"] * 2]


def test_the_database_answers(app: Host, database: Host) -> None:
    """The database takes connections from outside, and answers them."""
    said = app.run(f"echo PING | nc -q1 {database.address} {healthy.DATABASE_PORT}")
    assert (app.connect(database.address, healthy.DATABASE_PORT), said.strip()) == ("connected", "+PONG")


def test_socket_activation(app: Host, database: Host) -> None:
    """A socket unit takes the connection for a service that does not run."""
    healthy.socket_activated(database, "echo", 7777)
    said = app.run(f"echo there | nc -q1 {database.address} 7777")
    assert (said.strip(), database.run("systemctl is-active echo.socket").strip()) == ("there", "active")


def test_symptoms_of_a_plain_connect(app: Host, web: Host) -> None:
    """A dead neighbour, an unknown name and a local filter have symptoms of their own."""
    free = f"{app.address.rpartition('.')[0]}.250"
    app.run("nft 'table inet own { chain out { type filter hook output priority 0; tcp dport 81 drop; }; }'")
    said = [app.connect(free, 80, 5), app.connect("no.such.test", 80), app.connect(web.address, 81)]
    app.run("nft delete table inet own")
    assert said == ["unreachable", "dns-failure", "timed-out"]


def test_a_server_that_closes_at_once(app: Host, web: Host) -> None:
    """A connection that is taken and closed without a byte is a reset."""
    web.run("systemd-run -q --unit=rude socat TCP-LISTEN:9000,fork,reuseaddr EXEC:true")
    deadline = time.monotonic() + 5
    while (said := app.connect(web.address, 9000)) == "refused" and time.monotonic() < deadline:
        pass
    web.run("systemctl stop rude")
    assert said == "reset"


def test_one_more_address(lab: Lab, database: Host) -> None:
    """An address added later is the host's at once, for SSH with strict keys too."""
    address = database.add_address()
    assert ("db1\n", address) == (lab.ssh(address, "hostname"), database.addresses[-1])


def test_a_segment_of_their_own(lab: Lab, app: Host, web: Host) -> None:
    """Hosts on a further segment reach each other there; the controller does not."""
    app.wire("back", "10.9.0.1/24")
    web.wire("back", "10.9.0.2/24")
    assert [app.connect("10.9.0.2", 22), lab.connect("10.9.0.2", 22)] == ["connected", "unreachable"]


def test_files(app: Host) -> None:
    """What is written is read again, whatever it holds, under the mode that was asked for."""
    app.write("/etc/some where/it's", "a\n'\"$x\n", mode=0o600)
    assert (app.read("/etc/some where/it's"), app.run('stat -c %a "/etc/some where/it\'s"')) == ("a\n'\"$x\n", "600\n")


def test_a_failed_command_is_an_error(app: Host) -> None:
    """A command that fails raises, quoting what it said, unless told not to."""
    with pytest.raises(LabError, match="no such thing"):
        app.run("echo no such thing >&2; exit 3")
    assert app.run("echo kept; exit 3", check=False) == "kept\n"


def test_the_machine_is_out_of_sight(lab: Lab) -> None:
    """The controller has loopback and the lab's bridge, no other network and no way on."""
    links = {
        line.split()[1].split("@")[0].strip(":") for line in lab.controller(("ip", "-o", "link")).stdout.splitlines()
    }
    wired = {link for link in links if link.startswith(("v", "w", "br-"))}
    met = [lab.connect("127.0.0.1", 9), lab.connect("203.0.113.9", 80)]
    assert (links - wired, met) == ({"lo", "br0"}, ["refused", "unreachable"])


def test_an_inventory_that_ansible_reads(lab: Lab, database: Host) -> None:
    """The written inventory has the hosts' addresses, and its SSH options log in from the controller."""
    file = lab.inventory("web: {hosts: {web1: {}}, vars: {db: '$db1'}}\nspare: {hosts: {other: {}}}\n")
    command = str(Path(sys.executable).with_name("ansible"))
    env = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false"}
    said = lab.controller((command, "-i", str(file), "web", "-m", "raw", "-a", "hostname; echo {{ db }}"), env=env)
    assert ["web1", database.address] == said.stdout.splitlines()[1:3], said.stdout + said.stderr


def test_found_again(lab: Lab, hosts: tuple[Host, ...]) -> None:
    """Another process finds the same hosts in their order."""
    again = Lab.found(lab.name)
    assert [(h.name, h.addresses) for h in hosts] == [(h.name, h.addresses) for h in again.hosts.values()]
    assert again["app1"].run("hostname") == "app1\n"


def test_labs_do_not_see_each_other(app: Host) -> None:
    """A second lab has other addresses, and no packet gets from one to the other."""
    with Lab(f"other-{os.getpid()}") as other:
        (stranger,) = other.boot("app1")
        assert (app.connect(stranger.address, 22), stranger.connect(app.address, 22)) == ("timed-out", "timed-out")


def test_nothing_is_left() -> None:
    """After the end of a lab no process, mount, namespace, cgroup or file of it is on the machine."""
    with Lab(f"brief-{os.getpid()}") as brief:
        brief.boot("web1", "db1")
        kinds = {left.split()[0] for left in teardown.leftovers(brief.name)}
    assert ({"process", "mount", "namespace", "cgroup", "state"}, ()) == (kinds, teardown.leftovers(brief.name))


def test_a_lab_in_use_goes_too() -> None:
    """A shell in the host's folder and a listener in its namespace do not keep a lab up."""
    with Lab(f"busy-{os.getpid()}") as busy:
        busy.boot("web1")
        held = subprocess.Popen(("sleep", "60"), cwd=busy.folder / "hosts/web1/root/etc")
        inside = subprocess.Popen((*busy.inside, "sleep", "60"))
    left = teardown.leftovers(busy.name)
    alive = held.poll()
    held.kill()
    assert (left, alive, inside.wait(5)) == ((), None, -9)
    held.wait(5)


def test_a_crash_is_cleaned_up() -> None:
    """What a killed run left goes when the next lab begins."""
    name = f"crash-{os.getpid()}"
    argv = (sys.executable, "-c", CRASH, str(Path(__file__).parents[1]), name)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as doomed:
        assert doomed.stdout is not None
        said = doomed.stdout.readline()
        with paths.locked("labs"):  # whoever begins a lab meanwhile would clean up
            doomed.kill()
            doomed.wait(60)
            left = teardown.leftovers(name)
    with Lab(f"next-{os.getpid()}"):
        gone = teardown.leftovers(name)
    assert ("up\n", True, ()) == (said, len(left) > 3, gone)
