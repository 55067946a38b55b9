"""Absence is a finding too: a pass needs an answer that shows that it was looked, or it is an error.

Each case is a host on which the declared thing is rightly absent, closed or unused, and the trace of the look that is
then taken away: the answer still reads "nothing there", and nobody looked.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scenarios.replay import check, inventory, questions_of, read

from whyrefused import judge
from whyrefused.evidence import Evidence
from whyrefused.plan.declare import declared
from whyrefused.plan.keys.firewall import FirewallItem, Source
from whyrefused.probes import Unreadable, proc_net, registry
from whyrefused.records import CouldNotLook, Frame, Missing, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.judge import Judged

DATA = Path(__file__).parent / "data/probes"

IP = (
    "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
    "2: eth0    inet 198.51.100.11/24 scope global eth0\\       valid_lft forever preferred_lft forever\n"
)
TABLES = (
    "own 22 40000\n"
    "/proc/net/tcp:  sl  local_address rem_address   st tx_queue\n"
    "/proc/net/tcp:   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n"
    "/proc/net/tcp:   1: 0B6433C6:0016 016433C6:9C40 01 00000000:00000000\n"
    "/proc/net/udp:   sl  local_address rem_address   st tx_queue\n"
)
SS = "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* ino:1 sk:1 cgroup:/system.slice/ssh.service <->\n"
NOT_THERE = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
UNITS = f"Uptime=900.0\n\nId=old.service\nNames=old.service\n{NOT_THERE}\nId=old.socket\nNames=old.socket\n{NOT_THERE}"
DISABLED = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=disabled\nTriggeredBy=idle-a.socket\n"
OFF = (
    f"\nId=idle.service\nNames=idle.service\n{DISABLED}\nId=idle.socket\nNames=idle.socket\n{NOT_THERE}"
    f"\nId=idle-a.socket\nNames=idle-a.socket\n{NOT_THERE}"
)
APP = (
    "\nId=app.service\nNames=app.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n"
    f"\nId=app.socket\nNames=app.socket\n{NOT_THERE}"
)
NFT = '{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}}]}\n'
SAVES = "== iptables-save\n== status 0\n== ip6tables-save\n== status 0\n== end\n"
KERNEL = "/proc/sys/fs/file-nr:1000\t0\t900000\n/proc/sys/net/ipv4/ip_local_port_range:32768\t60999\nend\n"
PROCESSES = (
    "MainPID=7\nTasksCurrent=1\nTasksMax=100\nId=app.service\nNames=app.service\n\nId=app.socket\nNames=app.socket\n\n"
    "/proc/7/fd 9\n/proc/7/limits:Max open files            1024                 524288               files\n"
    "/proc/7/status:State:\tS (sleeping)\n/proc/7/status:Uid:\t0\t0\t0\t0\nend\n"
)
PROXY = "login shell\t.\n/etc/environment\t.\nsystemd manager\t.\nunit app.service\t?\nunit app.service\t.\n"
CONFIGURED = "/etc/app.env#URL\tfile\tURL\tdb:5432\n/etc/app.env#URL\tfile\t.\n"

NOT_INSTALLED = 127

TEXTS = {
    "identity": "web1\n0\nb00t\ndebian\n198.51.100.1 40000 198.51.100.11 22\n", "addresses": IP, "proc_net": TABLES,
    "listeners": SS, "units": UNITS + APP + OFF, "nft": NFT, "iptables": SAVES, "kernel": KERNEL,
    "processes": PROCESSES, "proxy": PROXY,
}  # fmt: skip

HOSTS = inventory(
    """
all:
  hosts:
    web1:
      ansible_host: 198.51.100.11
      expect:
        services: {old: absent, idle: {state: stopped, enabled: false}, app: running}
        ports:
          8080/tcp: absent
          8080/udp: absent
          22/tcp: {allow: [any]}
        headroom: {conntrack: 20%, files: 20%}
        proxy: none
"""
)


def frames(**texts: str | Missing) -> dict[str, Frame | Missing]:
    """What the host said, but for these."""
    told: dict[str, str | Missing] = {**TEXTS, **texts}
    return {name: it if isinstance(it, Missing) else Frame(text=it, status=0) for name, it in told.items()}


def outcomes(known: Mapping[str, Frame | Missing]) -> dict[str, Judged]:
    """How does each item end?"""
    evidence = Evidence([Reply(host="web1", frames=known)])
    return {
        one.id.removeprefix("web1 "): judge.judge(one, evidence, pytest.skip.Exception) for one in questions_of(HOSTS)
    }


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A trace of the look that is taken away from one answer."""

    probe: str
    old: str  # regular expression
    new: str = ""
    items: tuple[str, ...]  # that pass with it, and end as errors without


CASES = {
    "our own connection is in the table": Taken(
        probe="proc_net", old=r"/proc/net/tcp:   1: .*\n", items=("ports web1 8080/tcp", "ports web1 8080/udp")
    ),
    "another's connection is no proof": Taken(
        probe="proc_net", old="016433C6:9C40", new="016433C6:9C41", items=("ports web1 8080/tcp",)
    ),
    "the heading of TCP": Taken(probe="proc_net", old=r"/proc/net/tcp: +sl .*\n", items=("ports web1 8080/tcp",)),
    "the heading of UDP": Taken(probe="proc_net", old=r"/proc/net/udp: +sl .*\n", items=("ports web1 8080/udp",)),
    "one of the two tables of IPv6": Taken(
        probe="proc_net", old=r"\Z", new="/proc/net/tcp6:  sl  local_address\n", items=("ports web1 8080/tcp",)
    ),
    "the kernel's table": Taken(probe="proc_net", old=r"(?s).*", items=("ports web1 8080/tcp", "ports web1 8080/udp")),
    "the rows of ss": Taken(probe="listeners", old=r"(?s).*", items=("ports web1 8080/tcp", "ports web1 8080/udp")),
    "systemd's word on the unit": Taken(
        probe="units", old=r"(?s)Id=old\.service\n.*?\n\n", items=("services web1 old",)
    ),
    "systemd's word on its socket": Taken(
        probe="units", old=r"(?s)Id=old\.socket\n.*?\n\n", items=("services web1 old",)
    ),
    "systemd's word on a socket that starts it": Taken(
        probe="units", old=r"(?s)\nId=idle-a\.socket\n.*", items=("services web1 idle",)
    ),
    "its state": Taken(probe="units", old=r"ActiveState=inactive", new="ActiveState=", items=("services web1 old",)),
    "its load state": Taken(probe="units", old=r"LoadState=loaded\n", items=("services web1 idle",)),
    "whether it starts at boot": Taken(
        probe="units", old=r"UnitFileState=disabled\n", items=("services web1 idle",)
    ),
    "nft's own heading": Taken(
        probe="nft", old=r"\{\"metainfo.*?\}\}", items=("firewall web1 22/tcp allow any",)
    ),
    "nft's word at all": Taken(probe="nft", old=r"(?s).+", items=("firewall web1 22/tcp allow any",)),
    "the end of iptables' list": Taken(probe="iptables", old=r"== end\n", items=("firewall web1 22/tcp allow any",)),
    "the end of a save": Taken(
        probe="iptables", old=r"== status 0\n== end", new="== end", items=("firewall web1 22/tcp allow any",)
    ),
    "the right to read iptables": Taken(
        probe="iptables", old=r"(?s).*(?=== end)",
        new="== /proc/net/ip_tables_names\nnot permitted\n== status 126\n", items=("firewall web1 22/tcp allow any",),
    ),
    "an address that is not understood": Taken(
        probe="addresses", old=r"2: eth0    inet 198\.51\.100\.11/24 scope", new="2: eth0    inet ???",
        items=("firewall web1 22/tcp allow any",),
    ),
    "the right to read the limit": Taken(
        probe="kernel", old=r"end\n\Z", new="unread /proc/sys/net/netfilter/nf_conntrack_max\nend\n",
        items=("headroom web1 conntrack",),
    ),
    "any limit of the kernel": Taken(
        probe="kernel", old=r"/proc/sys/net/ipv4.*\n", items=("headroom web1 conntrack", "headroom web1 files")
    ),
    "whether there is a process": Taken(
        probe="processes", old=r"MainPID=7\n", items=("headroom web1 files",)
    ),
    "how many files it has open": Taken(probe="processes", old=r"/proc/7/fd 9\n", items=("headroom web1 files",)),
    "how many it may have": Taken(probe="processes", old=r"/proc/7/limits.*\n", items=("headroom web1 files",)),
    "its children": Taken(
        probe="processes", old=r"/proc/7/fd 9\n", new="blind 7 1\n/proc/7/fd 9\n", items=("headroom web1 files",)
    ),
    "the login shell's environment": Taken(
        probe="proxy", old=r"login shell\t\.\n", items=("proxy web1 http_proxy", "proxy web1 all_proxy")
    ),
    "that there is a login shell": Taken(
        probe="proxy", old=r"login shell\t\.", new="login shell\t-", items=("proxy web1 http_proxy",)
    ),
    "/etc/environment": Taken(probe="proxy", old=r"/etc/environment\t\.\n", items=("proxy web1 http_proxy",)),
    "systemd's environment": Taken(probe="proxy", old=r"systemd manager\t\.\n", items=("proxy web1 http_proxy",)),
    "an asked unit's environment": Taken(
        probe="proxy", old=r"unit app\.service\t\.\n", items=("proxy web1 http_proxy",)
    ),
}  # fmt: skip


def test_all_is_absent_and_passes() -> None:
    """With all traces of the look there, every item passes."""
    ends = outcomes(frames())
    assert dict.fromkeys(ends, "passed") == {name: one.outcome for name, one in ends.items()}, {
        name: one.why for name, one in ends.items() if one.why
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nobody_looked(case: Taken) -> None:
    """Without the trace the same items end as errors, and none of the others fails or passes for another reason."""
    text, count = re.subn(case.old, lambda _: case.new, TEXTS[case.probe], count=1)
    assert count
    ends = outcomes(frames(**{case.probe: text}))
    assert dict.fromkeys(case.items, "error") == {name: ends[name].outcome for name in case.items}
    assert set(case.items) <= {name for name, one in ends.items() if one.why}
    assert {one.outcome for one in ends.values()} <= {"passed", "error"}


@pytest.mark.parametrize("probe", TEXTS)
@pytest.mark.parametrize("status", [-1, 1, 124, 126, 127, 137, 143, 255])
def test_a_look_that_did_not_end_well(probe: str, status: int) -> None:
    """However whole an answer looks, a fragment that was stopped or refused has not answered."""
    lost = frames()
    lost[probe] = Frame(text=TEXTS[probe], status=status)
    without = outcomes({**frames(), probe: Missing("gone")})
    ends = outcomes(lost)
    if probe == "listeners" and status == NOT_INSTALLED:
        # The kernel's own table stands in, with a trace of the look of its own.
        assert (ends["ports web1 8080/tcp"].outcome, ends["ports web1 22/tcp"].outcome) == ("passed", "error")
    else:
        assert {name: one.outcome for name, one in without.items()} == {name: one.outcome for name, one in ends.items()}
        assert probe == "identity" or "error" in {one.outcome for one in ends.values()}


def test_every_absence_has_a_case() -> None:
    """Each answer that an absent thing is read from loses its traces above."""
    assert {case.probe for case in CASES.values()} == TEXTS.keys() - {"identity"}


def test_the_process_is_not_ours_to_see() -> None:
    """More processes than are asked for, or children that the login may not list, leave the unit's limits open."""
    text = registry()["processes"].fragment(("idle",))
    assert text.count('echo "blind $m 1"') == 2


# What the fragments do themselves where they cannot look, on this very machine.


def printed(probe: str, *asked: str, **environment: str) -> str:
    """What does the fragment print here?"""
    known = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "S": "", "HOME": "/", **environment}
    done = subprocess.run(
        ["sh", "-c", registry()[probe].fragment(asked)], env=known, capture_output=True, check=False, text=True
    )
    return done.stdout


def test_our_own_connection_is_looked_for() -> None:
    """Where sshd says by which connection we came, the table must hold it; elsewhere its heading is enough."""
    for none in ("", "UNKNOWN 65535 UNKNOWN 65535"):
        assert "own" not in (text := printed("proc_net", SSH_CONNECTION=none))
        assert isinstance(proc_net.parse(Frame(text=text, status=0)), tuple)
    text = printed("proc_net", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 2")
    assert text.startswith("own 2 1\n")
    with pytest.raises(Unreadable, match="our own connection"):
        proc_net.parse(Frame(text=text, status=0))


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_our_own_connection_is_found(shell: str) -> None:
    """A connection that is there is found, by its ports in either table."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        here, there = client.getpeername()[1], client.getsockname()[1]
        command = [shell, "sh", "-c"] if shell == "busybox" else [shell, "-c"]
        done = subprocess.run(
            [*command, registry()["proc_net"].fragment(())], check=True, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SSH_CONNECTION": f"127.0.0.1 {there} 127.0.0.1 {here}"},
        )  # fmt: skip
    found = proc_net.parse(Frame(text=done.stdout, status=0))
    assert (ip_address("127.0.0.1"), here) in {(one.address, one.port) for one in found}


@pytest.mark.parametrize(
    ("profile", "told"),
    [(":", True), ("exit 0", False), ("exec true", False), ("exec env -i true", False)],
)
def test_a_login_shell_that_tells_nothing(tmp_path: Path, profile: str, *, told: bool) -> None:
    """A profile that ends the shell with success has not shown an environment without proxies."""
    (tmp_path / ".profile").write_text(f"{profile}\n")
    text = printed("proxy", HOME=str(tmp_path), SHELL="/bin/sh")
    assert ("login shell\t." in text.splitlines()) is told
    assert ("login shell\t!" in text) is not told


def test_a_unit_is_always_spoken_of() -> None:
    """Each unit that is asked for has a row, on a machine without systemd too."""
    rows = [line.split("\t") for line in printed("proxy", "one", "two").splitlines()]
    for unit in ("unit one.service", "unit two.service"):
        assert [unit, "?"] in rows
        assert [row for row in rows if row[0] == unit and row[1][:1] in {".", "-", "!"}]


def test_a_member_of_a_group_that_is_not_known() -> None:
    """A rule for a group is judged for all of its hosts or for none: one whose address is not known is no pass."""
    item = FirewallItem(
        host="web1", check="firewall", subject="22/tcp from app", wanted="", protocol="tcp", port=22, bind="0.0.0.0",  # noqa: S104 - what is declared
        source=Source(name="app", networks=(), hosts=(("app1", "198.51.100.21"), ("app2", ""))), let_in=True,
        address="198.51.100.11",
    )  # fmt: skip
    lone = {"app2": Frame(text="1: lo    inet 127.0.0.1/8 scope host lo\n", status=0)}
    evidence = Evidence([Reply(host="web1", frames=frames()), Reply(host="app2", frames={"addresses": lone["app2"]})])
    with pytest.raises(CouldNotLook, match="address app2 would come from"):
        check("firewall").look(item, evidence)
    whole = replace(item, source=Source(name="app", networks=(), hosts=(("app1", "198.51.100.21"),)))
    assert check("firewall").look(whole, evidence).value


def test_an_address_of_the_other_family() -> None:
    """Who is in the inventory by an IPv4 address comes to an IPv6 one from an IPv6 address of its own."""
    item = FirewallItem(
        host="web1", check="firewall", subject="22/tcp from app1", wanted="", protocol="tcp", port=22, bind="::",
        source=Source(name="app1", networks=(), hosts=(("app1", "198.51.100.21"),)), let_in=True, address="web1",
    )  # fmt: skip
    text = "2: eth0    inet 198.51.100.21/24 scope global eth0\n2: eth0    inet6 {}/64 scope {} \n"

    def evidence(address: str, scope: str) -> Evidence:
        own = {"addresses": Frame(text=text.format(address, scope), status=0)}
        web = {**frames(), "addresses": Frame(text="2: eth0    inet6 2001:db8::11/64 scope global \n", status=0)}
        return Evidence([Reply(host="web1", frames=web), Reply(host="app1", frames=own)])

    assert "lets in 2001:db8::21" in check("firewall").look(item, evidence("2001:db8::21", "global")).said
    with pytest.raises(CouldNotLook, match="which IPv6 address app1 would come from is not known"):
        check("firewall").look(item, evidence("fe80::21", "link"))


STORY = "configured-host"


def test_what_is_configured_is_told_or_not_known() -> None:
    """A place of which only the running process told, or nobody, is not as declared by that."""
    hosts, replies, _ = read(STORY)
    item = next(one for one in declared(hosts) if one.check == "configured_in")
    where = item.where  # type: ignore[attr-defined] - of this check
    for text in (f"{where}\tprocess\t.\n", f"{where}\tprocess\t-\n", f"{where}\tother\t.\n"):
        told = {**replies, item.host: replace(replies[item.host], frames={
            **replies[item.host].frames, "configured": Frame(text=text, status=0)})}  # fmt: skip
        with pytest.raises(CouldNotLook, match="was not told"):
            check("configured_in").look(item, Evidence(told.values()))
