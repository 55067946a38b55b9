"""Is what docs/commands.md lists all that a visit runs and reads, as the kernel of a host saw it?"""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

import pytest

from whyrefused import manual, probes, script

from . import healthy, trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.probes import Probe

    from . import Host, Lab
    from .trace import Call, Traced

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(trace.missing()), reason=trace.missing())]

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
SHELLS = frozenset({"sh", "bash", "dash", "env"})
WAITING = ("burst", "watch")
"""Without a sudo for any command they do nothing else than without sudo, and take their time."""
APART = ("browses",)
"""What runs a browser with files of its own in memory: test_audit_readonly.py looks at what it leaves."""

# What the loader, libc, and programs of any kind read; sudo's own comes from a bare `sudo`.
ANY = (
    *("/lib/*", "/lib64/*", "/usr/lib/*", "/usr/lib64/*", "/usr/share/*", "/etc/ld.so.*", "/etc/localtime", "/dev/*"),
    *("/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/host.conf", "/etc/gai.conf", "/proc/self/maps"),
    *("/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/cap_last_cap", "/proc/cmdline"),
    *("/proc/1/environ", "/proc/self/status", "/sys/fs/cgroup/*", "/etc/selinux/*", "/proc/self/stat"),
)

DECLARED = ("/etc/app.env", "/lib/systemd/system/*")
"""What `FILE` and `UNIT FILES` stand for."""
PROFILE = (("id", "-u"), ("mesg", "n"))
"""What Debian's /etc/profile and ~/.profile run."""


@pytest.fixture(scope="module")
def web(lab: Lab) -> Host:
    """A host with a web server, one unit that is down, and one neighbour."""
    web, _ = lab.boot("web1", "app1")
    healthy.web(web)
    web.write("/etc/app.env", "URL=redis://user:secret@app1:6379/0\n")
    web.write("/etc/environment", "http_proxy=http://user:secret@127.0.0.1:3128\n")
    web.write("/etc/apt/apt.conf.d/99proxy", 'Acquire::http::Proxy "http://127.0.0.1:3128";\n')
    web.run(f"echo '{lab['app1'].address} app1' >>/etc/hosts; systemctl stop redis-server; nft add table inet kept")
    return web


@pytest.fixture(scope="module")
def asked(lab: Lab, web: Host) -> dict[str, tuple[str, ...]]:
    """Every probe, with arguments that lead it into its branches."""
    client = lab["app1"].address
    arguments = {
        "units": ("nginx", "redis-server"),
        "trouble": ("9999/tcp", "nginx.service", "redis-server.service"),
        "names": ("app1", "nowhere.invalid"),
        "lookups": ("app1",),
        "proxy": ("nginx.service",),
        "dials": ("4", f"{client} 22", f"{client} 22 unit:nginx.service -", f"{client} 22 user:nobody -"),
        "burst": (f"{web.address}/{client}/22/9",),
        "watch": (f"{client}/{web.address}/22",),
        "processes": ("nginx",),
        "serving": ("nginx 80", "haproxy 443"),
        "configured": ("/etc/app.env#URL", "unit:nginx#URL", "/root/none#URL"),
    }
    return {name: arguments.get(name, ()) for name in probes.registry() if name not in APART}


@pytest.fixture(scope="module")
def login(lab: Lab, web: Host) -> Traced:
    """What a bare login does, to take away."""
    assert web.name == "web1"
    return bare(lab)


def answered(lab: Lab, text: str, user: str = "root") -> tuple[Traced, str]:
    """What does the kernel of the host see of a script, and what does the script print?"""
    argv = ("ssh", "-F", str(lab.ssh_config), "-o", "BatchMode=yes", "-l", user, "web1", "sh -s")
    # What is traced takes many times as long, and what is ended half-way has not started all that it asked sudo for.
    text = text.replace(f" timeout {script.PATIENCE} sh ", " timeout 60 sh ")
    with trace.traced(lab, "web1") as said:
        done = lab.controller(argv, stdin=text, check=True)
    return said[0], done.stdout


def bare(lab: Lab, command: str = "true", user: str = "root") -> Traced:
    """And what of a bare login?"""
    with trace.traced(lab, "web1") as said:
        lab.ssh("web1", command, user=user, check=False)
    return said[0]


def beyond(traced: Traced, login: Traced) -> list[Call]:
    """Which commands does a bare login not run? Those of its files, which `SHELL -l` reads, are the owner's."""
    theirs = {words(call) for call in login.runs} | {("bash", "-c", "sh -s"), *PROFILE}
    return [call for call in traced.runs if words(call) not in theirs]


def words(call: Call) -> tuple[str, ...]:
    """How is a command written in the list? Its name, and the login shell's as SHELL."""
    name = call.argv[0].rpartition("/")[2] if call.argv else call.path.rpartition("/")[2]
    rest = call.argv[1:]
    return ("SHELL" if rest[:2] == ("-l", "-c") else name, *rest)


def unlisted(calls: Iterable[Call], owners: Iterable[Probe]) -> set[tuple[str, ...]]:
    """Which commands begin with none of the listed ones? One that sudo may permit alone has all its words there."""
    known = [(tuple(run.command.split()), run.rights == "listed") for one in owners for run in one.RUNS]
    return {
        found[:6]
        for found in map(words, calls)
        if not any(found == run if whole else found[: len(run)] == run for run, whole in known)
    }


def unread(files: Iterable[str], owners: Iterable[Probe]) -> set[str]:
    """Which files are none of the listed ones?"""
    listed = [*ANY, *DECLARED, *(file.replace("HOME", "/root") for one in owners for file in one.READS)]
    plain = {re.sub(r"^/proc/\d+/", "/proc/PID/", re.sub(r"/task/\d+", "/task/PID", file)) for file in files}
    below = {f"/proc/sys/net/{file}" if re.match(r"ipv[46]/", file) else file for file in plain}
    return {file for file in below if not any(fnmatchcase(file, one) for one in listed)}


@pytest.mark.parametrize("name", [name for name in probes.registry() if name not in APART])
def test_all_that_a_probe_runs_and_reads_is_listed(
    lab: Lab, login: Traced, asked: dict[str, tuple[str, ...]], name: str
) -> None:
    """Under its own name, or that of every visit; and beyond a bare login nothing is written or set."""
    traced, reply = answered(lab, script.script({name: asked[name]}, TOKEN))
    assert f"DONE {TOKEN} 1" in reply
    owners = [probes.registry()[name], cast("Probe", script)]
    own = beyond(traced, login)
    assert own, "it was traced"
    assert not unlisted(own, owners)
    assert not unread(traced.reads - login.reads, owners)
    assert not traced.changes - login.changes
    assert not traced.messages - login.messages


@pytest.mark.parametrize("rights", ["list", "all"])
def test_all_that_sudo_runs_is_listed(lab: Lab, web: Host, asked: dict[str, tuple[str, ...]], rights: str) -> None:
    """With docs/sudoers alone as with any command; sudo is asked for no shell, and refuses nothing."""
    rules = manual.of_sudoers().replace("whyrefused ALL", "auditor ALL")
    web.write("/etc/sudoers.d/whyrefused", rules, mode=0o440)
    asked = {name: words for name, words in asked.items() if rights == "all" or name not in WAITING}
    user = {"list": "auditor", "all": "deployer"}[rights]
    known = bare(lab, "sudo -n -l; sudo -n -u root -- ps -e -o pid -o netns", user)
    traced, reply = answered(lab, script.script(asked, TOKEN, become="root"), user)
    assert f"\n{rights}\n" in reply
    assert f"DONE {TOKEN} {len(asked)}" in reply
    owners = [*probes.registry().values(), cast("Probe", script)]
    own = beyond(traced, known)
    assert not unlisted(own, owners)
    assert not traced.changes - known.changes
    assert not traced.messages - known.messages
    asked_of_sudo = [call.argv[5:] for call in traced.runs if call.argv[0] == "sudo" and len(call.argv) > 5]
    assert not [argv for argv in asked_of_sudo if argv[0] in SHELLS]
    # What sudo refuses it does not start.
    started = Counter(named(call.argv) for call in traced.runs)
    assert asked_of_sudo
    assert not Counter(map(named, asked_of_sudo)) - started
    if rights == "list":
        commands = {run.command for one in probes.registry().values() for run in one.RUNS if run.rights == "listed"}
        by_list = {" ".join(named(argv)) for argv in asked_of_sudo}
        assert by_list <= commands
        assert {"ss -H -t -u -l -n -p -e", "nft -j list ruleset", "iptables-save", "ss -H -x -l -n -p"} <= by_list
        assert all(argv[0].startswith("/") for argv in asked_of_sudo)


def named(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Which command is it, wherever it stands?"""
    return (argv[0].rpartition("/")[2], *argv[1:])


def test_python_leaves_no_byte_code(lab: Lab, web: Host, asked: dict[str, tuple[str, ...]]) -> None:
    """Also where a distribution ships its modules without it, as Alpine does, and the login may write there."""
    web.run("find /usr/lib/python3* -name __pycache__ -prune -exec rm -r {} +")
    lab.ssh("web1", "python3 -ISBc 'import socket'")
    answered(lab, script.script({name: asked[name] for name in ("dials", "lookups", "proxy")}, TOKEN))
    assert not web.run("find / -xdev -name '*.pyc' -newer /etc/machine-id -path '*/__pycache__/*'").split()
