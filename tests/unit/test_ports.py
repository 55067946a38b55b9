"""Who listens on a port, and who owns the socket?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.evidence import HostEvidence
from whyrefused.facts import ports
from whyrefused.probes import listeners, units
from whyrefused.records import CouldNotLook, Frame, Missing, Reply

DATA = Path(__file__).parent / "data"
ANY = "0.0.0.0"  # noqa: S104 - what a host prints
OWNED = yaml.safe_load((DATA / "ports/owned.yml").read_text())


def frame(name: str, status: int = 0) -> Frame:
    """A recording of a real host."""
    return Frame(text=(DATA / f"probes/{name}.txt").read_text(errors="surrogateescape"), status=status)


def host(**frames: Frame | Missing) -> HostEvidence:
    """What is known of a host that answered these."""
    return HostEvidence("web1", Reply(host="web1", frames=frames))


EVERY = host(
    listeners=frame("listeners/every-bind"), proc_net=frame("proc_net/every-bind"), units=frame("units/every-state")
)
WITHOUT_SS = host(
    listeners=frame("listeners/no-ss", 127), proc_net=frame("proc_net/no-ss"), units=frame("units/every-state")
)


def unit(values: dict[str, str]) -> units.Unit:
    """The unit of which systemd says this."""
    told = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": ""}
    text = "\n".join(f"{key}={value}" for key, value in (told | values).items())
    return units.parse(Frame(text=f"Uptime=100\n\n{text}\n", status=0))[values["Id"]]


@pytest.mark.parametrize("case", OWNED, ids=[case["name"] for case in OWNED])
def test_owned(case: dict[str, Any]) -> None:
    """The socket is the unit's, another's, or it is not told."""
    kernel = case["details"].replace("cgroup:/", "ino:1 sk:1 cgroup:/") if "cgroup" in case["details"] else ""
    details = kernel or f"{case['details']}ino:1 sk:1"
    row = f"tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:* {details} <->"
    held = listeners.parse(Frame(text=row, status=0))[0]
    socket = unit({"Id": "idle.socket", "LoadState": "loaded", **case["socket"]}) if "socket" in case else None
    assert case["owned"] is ports.owned(held, unit(case["unit"]), socket)


@pytest.mark.parametrize(
    ("protocol", "port", "found"),
    [
        ("tcp", 80, [ANY, "::"]),
        ("udp", 80, []),
        ("tcp", 8002, ["127.0.0.1"]),
        ("tcp", 8003, ["127.0.1.1"]),
        ("udp", 8010, [ANY]),
        ("tcp", 8010, []),
        ("tcp", 8013, []),
        ("tcp", 8020, ["::"]),
    ],
)
def test_on_port(protocol: str, port: int, found: list[str]) -> None:
    """Each row of the port and protocol; a socket that was bound and never listened is none."""
    rows, source = ports.on_port(EVERY, protocol, port)
    assert (found, "ss -Htulnpe") == ([str(row.address) for row in rows], source)


def test_same_in_both_tables() -> None:
    """Ss and the kernel's own table of the same host have the same ports open."""
    by_ss = {(row.protocol, row.port) for row in EVERY.listeners}
    assert by_ss == {(entry.protocol, entry.port) for entry in EVERY.open_ports}


def test_contradiction() -> None:
    """Nobody in ss and somebody in /proc/net: neither is believed."""
    torn = host(listeners=frame("listeners/nginx-as-packaged"), proc_net=frame("proc_net/every-bind"))
    with pytest.raises(CouldNotLook, match=r"contradiction: ss shows nobody on 8002/tcp, but /proc/net/tcp: "):
        ports.on_port(torn, "tcp", 8002)
    assert ports.on_port(torn, "tcp", 9999)[0] == ()


def test_without_ss() -> None:
    """Where ss is not installed the kernel's table stands in, which tells neither owner nor IPV6_V6ONLY."""
    rows, source = ports.on_port(WITHOUT_SS, "tcp", 80)
    assert ("/proc/net", [ANY, "::"]) == (source, [str(row.address) for row in rows])
    assert {(None, (), None)} == {(row.unit, row.processes, row.v6only) for row in rows}
    assert ports.on_port(WITHOUT_SS, "tcp", 81)[0] == ()


@pytest.mark.parametrize(
    "known",
    [
        host(listeners=Missing("listeners: the answer was cut off"), proc_net=frame("proc_net/no-ss")),
        host(listeners=Frame(text="x", status=1), proc_net=frame("proc_net/no-ss")),
        host(listeners=frame("listeners/no-ss", 127), proc_net=Missing("proc_net: the answer was cut off")),
        host(listeners=frame("listeners/every-bind"), proc_net=Missing("proc_net: the answer was cut off")),
        host(),
    ],
)
def test_nobody_needs_both(known: HostEvidence) -> None:
    """That nobody listens is never said where one of the two sources is missing."""
    with pytest.raises(CouldNotLook):
        ports.on_port(known, "tcp", 9999)


@pytest.mark.parametrize(
    ("name", "held"),
    [("nginx", ["80", "80"]), ("loop", []), ("ssh", ["22", "22"]), ("sshd", ["22", "22"]), ("echo", ["8020"]),
     ("idle", ["8021"]), ("haproxy", [])],
)  # fmt: skip
def test_of_unit(name: str, held: list[str]) -> None:
    """A unit's sockets are those made in its control group, or held for it by its socket unit."""
    if name == "loop":
        with pytest.raises(CouldNotLook, match="systemctl show loop: no answer"):
            ports.of_unit(EVERY, name)
    else:
        assert held == [str(row.port) for row in ports.of_unit(EVERY, name)]


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ('users:(("b",pid=3,fd=1),("a",pid=2,fd=1)) ino:1 sk:1 cgroup:/x.service', "x.service"),
        ('users:(("b",pid=3,fd=1),("a",pid=2,fd=1)) ino:1 sk:1', "a, b"),
        ('users:(("b",pid=3,fd=1)) ino:1 sk:1 cgroup:/', "b"),
        ("ino:1 sk:1", "a process that the login may not see"),
    ],
)
def test_owner_words(details: str, words: str) -> None:
    """The holder is named as well as the host tells."""
    row = f"tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:* {details}"
    assert words == ports.owner_words(listeners.parse(Frame(text=row, status=0))[0])


NAMES = st.binary(min_size=1, max_size=15).filter(lambda name: b"\0" not in name and b")" not in name)


@given(name=NAMES, other=NAMES)
def test_any_process_name(name: bytes, other: bytes) -> None:
    """No name that a process may take changes who holds a socket, which pid it has, or another row."""
    names = [one.decode("utf-8", "surrogateescape") for one in (name, other)]
    text = "".join(
        f'tcp LISTEN 0 5 *:{80 + number} *:* users:(("{one}",pid={number + 7},fd=3)) '
        f"ino:12 sk:1a cgroup:/system.slice/u{number}.service v6only:0 <->\n"
        for number, one in enumerate(names)
    )
    rows = listeners.parse(Frame(text=text, status=0))
    assert [80, 81] == [row.port for row in rows]
    for number, row in enumerate(rows):
        assert row.unit in {f"u{number}.service", None}
        assert {number + 7} >= {pid for _, pid in row.processes}
        assert row.v6only is False
