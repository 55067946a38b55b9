"""Does a visit stand back for the host's own work, cost little, and end when its connection does?"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from whyrefused import script

from . import costs, healthy
from .audit import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Host, Lab

pytestmark = pytest.mark.lab

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
AUDITS: dict[str, tuple[str, ...]] = {
    "addresses": (), "binding": (), "identity": (), "iptables": (), "kernel": (), "listeners": (), "nft": (),
    "proc_net": (), "queues": (), "routes": (), "dials": ("4", "127.0.0.1 22", "127.0.0.1 9"), "lookups": ("web1",),
    "names": ("localhost", "web1"), "processes": ("nginx", "ssh"), "proxy": ("nginx.service", "ssh.service"),
    "serving": ("nginx 80",), "trouble": ("9999/tcp", "nginx.service"), "units": ("nginx", "ssh"),
}  # fmt: skip
"""Every probe of a visit that is not a second look or a browser."""

DIALLING = "Dial every path"
"""Stands in the command line of what dials."""
SLOW = """
all:
  vars: {become}
  hosts: {{web1: {{expect: {{connects: [
    "http://198.18.255.1:81/", {{to: "198.18.255.1:82", as: "user:{user}"}}]}}}}}}
"""


@pytest.fixture(scope="module")
def web(lab: Lab) -> Host:
    """A web server whose own packets to two ports are swallowed: who dials them waits."""
    (web,) = lab.boot("web1")
    healthy.web(web)
    web.run(
        "nft 'table inet hole { chain output { type filter hook output priority 0; tcp dport { 81, 82 } drop; }; }';"
        " ip route add 198.18.255.1/32 dev eth0"
    )
    return web


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Does it hold before so many seconds are over?"""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def ours(web: Host) -> list[str]:
    """Which processes of a visit are there? Each as user, niceness and command."""
    rows = web.run("ps -e -o pid= -o user= -o ni= -o args=").splitlines()
    return [row[:100] for row in rows if f" {script.NICE} " in " ".join(row.split()[:4]) and "ps -e" not in row]


@pytest.mark.parametrize("user", ["auditor", "deployer"])
def test_a_cut_ends_all(lab: Lab, web: Host, user: str) -> None:
    """Within five seconds of the end of the client nothing of the visit is there, nor what sudo began for it."""
    become = "{ansible_become: true}" if user == "deployer" else "{}"
    inventory = lab.inventory(SLOW.format(become=become, user="nobody" if user == "deployer" else user), user=user)
    argv = (*lab.inside, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--inventory={inventory}",
            "--connect-timeout=30", f"--html={lab.folder}/cut.html", f"--findings={lab.folder}/cut.json")  # fmt: skip
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        diallers = 2
        assert until(lambda: len([one for one in ours(web) if DIALLING in one]) >= diallers, 60), ours(web)
        seen = ours(web)
        if user == "deployer":
            assert any(" root " in one or " nobody " in one for one in seen), seen
        time.sleep(3)
        assert len([one for one in ours(web) if DIALLING in one]) >= diallers, "it goes on while the client is there"
        run.send_signal(signal.SIGKILL)
    assert until(lambda: not ours(web), 5), ours(web)


def test_it_stands_back(lab: Lab, web: Host) -> None:
    """Every process of a visit has the lowest claim to processor and disk."""
    asked = script.script({"dials": ("9", "198.18.255.1 81")}, TOKEN)
    argv = (*lab.inside, "ssh", "-F", str(lab.ssh_config), "-l", "auditor", "web1", "sh -s")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as visit:
        assert visit.stdin
        visit.stdin.write(asked)
        visit.stdin.close()
        assert until(lambda: any(DIALLING in one for one in ours(web)), 30)
        pids = [one.split()[0] for one in ours(web) if " auditor " in one and "sshd" not in one]
        classes = {web.run(f"ionice -p {pid} 2>&1 || true").strip() for pid in pids}
        visit.kill()
    assert len(pids) > 3
    assert {"idle"} == {one for one in classes if "No such process" not in one}


@pytest.mark.skipif(bool(costs.missing()), reason=costs.missing())
@pytest.mark.parametrize("user", ["root", "auditor"])
def test_cost(lab: Lab, web: Host, user: str) -> None:
    """A visit that asks everything costs at most a second of the processor and 30 MiB, sshd's own part included."""
    text = script.script(AUDITS, TOKEN)
    argv = ("ssh", "-F", str(lab.ssh_config), "-o", "BatchMode=yes", "-l", user, web.name, "sh -s")
    lab.controller(argv, stdin=text, check=True)  # the programs are in memory then, as they are on a host that works
    with costs.counted(lab, web.name) as login:
        lab.controller((*argv[:-1], "true"), check=True)
    with costs.counted(lab, web.name) as visit:
        done = lab.controller(argv, stdin=text, check=True)
    assert f"DONE {TOKEN} {len(AUDITS)}" in done.stdout
    print(f"\n{user}: login {login[0]}, visit {visit[0]}")  # noqa: T201 - figures of docs/performance.md, with -s
    assert visit[0].seconds <= 1.0
    assert visit[0].peak <= 30 * 1024**2
