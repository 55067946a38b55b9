"""What a fragment takes from earlier frames only saves work: it says what it would have found itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whyrefused.evidence import HostEvidence
from whyrefused.facts import ports
from whyrefused.probes import Unreadable, known, lookups, names, proc_net, registry, units
from whyrefused.probes.proc_net import Entry, Sum
from whyrefused.records import CouldNotLook, Frame, Missing, Reply, Unneeded

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
NEEDS_SS = pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each shell, with the option that takes a text."""
    return (request.param, "sh", "-c") if request.param == "busybox" else (request.param, "-c")


def printed(shell: tuple[str, ...], probe: str, *asked: str, **seen: str) -> Frame:
    """What does a fragment print that finds these in its variables?"""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "S": "", "HOME": "/", **seen}
    brief = known(registry()[probe], asked) or "return 1"
    text = f"p() {{\n{registry()[probe].fragment(asked)}\n}}\nk() {{\n{brief}\n}}\n"
    text += 'if k; then printf %s "$told"; else p; fi'
    done = subprocess.run([*shell, text], env=environment, stdout=subprocess.PIPE, check=False)
    return Frame(text=done.stdout.decode(), status=done.returncode)


# The kernel's sums, in a network namespace of its own, where nobody else opens or closes anything.


@pytest.fixture
def apart() -> Iterator[ExitStack]:
    """A network namespace for this process alone, with two listeners, a UDP socket and one connection in it."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    os.unshare(os.CLONE_NEWNET) if hasattr(os, "unshare") else _unshare()
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with ExitStack() as held:
            yield held
    finally:
        _enter(before)
        os.close(before)


def _unshare() -> None:
    import ctypes  # noqa: PLC0415 - Python has os.unshare since 3.12

    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        pytest.skip("no network namespace can be made here")


def _enter(descriptor: int) -> None:
    import ctypes  # noqa: PLC0415 - as above

    assert not ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000)


def _opened(held: ExitStack) -> str:
    """Two listeners, a UDP socket, and a connection to one of them; what sshd would say of it."""
    server = held.enter_context(socket.create_server(("127.0.0.1", 2222)))
    held.enter_context(socket.create_server(("::", 8080), family=socket.AF_INET6))
    udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 5353))
    client = held.enter_context(socket.create_connection(("127.0.0.1", 2222)))
    held.enter_context(server.accept()[0])
    return f"127.0.0.1 {client.getsockname()[1]} 127.0.0.1 2222"


def _frames() -> dict[str, str]:
    shell = ("sh", "-c")
    return {"seen_listeners": printed(shell, "listeners").text, "seen_addresses": printed(shell, "addresses").text}


@NEEDS_SS
def test_the_sums_agree_with_the_table(apart: ExitStack, shell: tuple[str, ...]) -> None:
    """Where ss shows all, the kernel is asked for its sums alone, and they are those of its table."""
    came = _opened(apart)
    table = proc_net.parse(printed(shell, "proc_net", SSH_CONNECTION=came))
    sums = proc_net.parse(printed(shell, "proc_net", SSH_CONNECTION=came, **_frames()))
    assert all(isinstance(one, Entry) for one in table)
    assert all(isinstance(one, Sum) for one in sums)
    held = {kind: sum(one.protocol == kind for one in table) for kind in ("tcp", "udp")}
    assert {"tcp": 2, "udp": 1} == held == {one.protocol: one.sockets for one in sums if isinstance(one, Sum)}
    # Without SSH there is no connection of our own to look for.
    assert sums == proc_net.parse(printed(shell, "proc_net", **_frames()))


@NEEDS_SS
@pytest.mark.parametrize("gone", ["127.0.0.1:2222 ", ":8080 ", "127.0.0.1:5353 "])
def test_what_ss_hides_breaks_the_sum(apart: ExitStack, shell: tuple[str, ...], gone: str) -> None:
    """One socket that ss does not show, and the table of its protocol is read."""
    came, seen = _opened(apart), _frames()
    rows = seen["seen_listeners"].split("\n")
    seen["seen_listeners"] = "\n".join(row for row in rows if gone not in row)
    assert seen["seen_listeners"] != "\n".join(rows)
    read = proc_net.parse(printed(shell, "proc_net", SSH_CONNECTION=came, **seen))
    port = int(gone.strip().rpartition(":")[2])
    assert port in {one.port for one in read if isinstance(one, Entry)}
    assert 1 == sum(isinstance(one, Sum) for one in read)


@NEEDS_SS
def test_a_socket_on_its_way_breaks_the_sum(apart: ExitStack, shell: tuple[str, ...]) -> None:
    """A connection that is being closed is neither a listener nor established: the table is read."""
    came, seen = _opened(apart), _frames()
    half = apart.enter_context(socket.create_connection(("::1", 8080)))
    half.shutdown(socket.SHUT_WR)
    read = proc_net.parse(printed(shell, "proc_net", SSH_CONNECTION=came, **seen))
    assert {2222, 8080} <= {one.port for one in read if isinstance(one, Entry)}


@NEEDS_SS
@pytest.mark.parametrize(
    "came", ["192.0.2.1 40000 192.0.2.2 22", "UNKNOWN 65535 UNKNOWN 65535", "127.0.0.1 1 127.0.0.1"]
)
def test_the_sums_of_another_network_are_none(apart: ExitStack, shell: tuple[str, ...], came: str) -> None:
    """Where the address that we came to is not one of this namespace's, the table is read, and is not ours either."""
    _opened(apart)
    assert "counted" not in printed(shell, "proc_net", SSH_CONNECTION=came, **_frames()).text


def test_nobody_by_the_sums() -> None:
    """That nobody listens is believed by a sum that is as large as what ss shows, and by no other."""
    rows = "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* ino:1 sk:1 <->\n"

    def host(told: str, shown: str = rows, status: int = 0) -> HostEvidence:
        frames = {"listeners": Frame(text=shown, status=status), "proc_net": Frame(text=told, status=0)}
        return HostEvidence("web1", Reply(host="web1", frames=frames))

    assert ports.on_port(host("counted tcp 1\ncounted udp 0\n"), "tcp", 80)[0] == ()
    assert ports.on_port(host("counted tcp 1\ncounted udp 0\n"), "udp", 53)[0] == ()
    for told, shown, status in (
        ("counted tcp 2\ncounted udp 0\n", rows, 0), ("counted tcp 0\ncounted udp 0\n", rows, 0),
        ("counted tcp 1\ncounted udp 0\n", "", 0), ("counted tcp 1\n", rows, 0), ("counted udp 0\n", rows, 0),
        ("counted tcp 1\ncounted udp 0\n", "sh: ss: not found\n", 127),
    ):  # fmt: skip
        with pytest.raises(CouldNotLook):
            ports.on_port(host(told, shown, status), "tcp", 80)


# Names that have the declared addresses.

ROWS = (
    "web\tgetent\t192.0.2.1       STREAM web.example.com\nweb\tgetent\t192.0.2.1       DGRAM  \n"
    "web\tgetent\t2001:db8::1     STREAM \nweb\tstatus\t0\nlost\tstatus\t2\n\n0 0123456789abcdef"
)


@pytest.mark.parametrize(
    ("asked", "unneeded"),
    [
        (("web 192.0.2.1,2001:db8::1",), {"web"}),
        (("web 2001:db8::1,192.0.2.1",), {"web"}),
        (("web 192.0.2.1",), set()),
        (("web 192.0.2.1,2001:db8::1,192.0.2.2",), set()),
        (("web 192.0.2.1,2001:db8:0::1",), set()),
        (("web 192.0.2.1,2001:db8::1", "web"), set()),
        (("lost 192.0.2.1",), set()),
        (("we 192.0.2.1,2001:db8::1",), set()),
    ],
)
def test_what_is_as_declared_needs_no_nameserver(
    shell: tuple[str, ...], asked: tuple[str, ...], unneeded: set[str]
) -> None:
    """Nameservers are not asked for a name that has just the declared addresses, and for each other they are."""
    rest = "for p in python3"
    text = lookups.fragment(asked).partition(rest)[0] + 'for n do printf "%s\\tend\\n" "$n"; done'
    done = subprocess.run(
        [*shell, f"p() {{\n{text}\n}}\np"], env={"PATH": os.environ["PATH"], "seen_names": ROWS}, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found = lookups.parse(Frame(text=done.stdout, status=0))
    assert unneeded == {name for name, one in found.items() if isinstance(one, Unneeded)}
    assert {one.partition(" ")[0] for one in asked} - unneeded == {
        name for name, one in found.items() if not isinstance(one, Missing)
    }


@pytest.mark.parametrize(
    ("asked", "plain", "closely", "spared"),
    [
        (("web 192.0.2.1,2001:db8::1",), set(), set(), {"web"}),
        (("web 192.0.2.1",), set(), {"web"}, set()),
        (("web 192.0.2.1,2001:db8::1", "web"), {"web"}, set(), set()),
        (("web 192.0.2.1", "web"), set(), {"web"}, set()),
        (("web ~192.0.2.1,2001:db8::1",), {"web"}, set(), set()),
        (("web ~192.0.2.1",), set(), {"web"}, set()),
        (("web ~192.0.2.1,2001:db8::1", "web 192.0.2.1"), set(), {"web"}, set()),
        (("lost 192.0.2.1", "other"), set(), {"lost", "other"}, set()),
    ],
)
def test_a_zone_is_asked_of_what_is_not_as_declared(
    shell: tuple[str, ...], asked: tuple[str, ...], plain: set[str], closely: set[str], spared: set[str]
) -> None:
    """Its servers are told to nobody but who asks of a name that has other addresses than it should."""
    zone = "@example.com 192.0.2.53,2001:db8::53"
    text = lookups.fragment((*asked, zone))
    told = text.rpartition("@example.com")[2]
    assert told.startswith("=192.0.2.53,2001:db8::53 ")
    done = subprocess.run(
        [*shell, f"p() {{\n{text.partition('for p in python3')[0]} printf '%s\\n' \"$@\"; }}\np"], text=True,
        env={"PATH": os.environ["PATH"], "seen_names": ROWS}, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    rows = set(done.stdout.split("\n")) - {""}
    assert {*plain, *(f"!{name}" for name in closely), *(f"{name}\tunneeded" for name in spared)} == rows
    assert bool(lookups.known((*asked, zone))) is not any(" " not in one or "~" in one for one in asked)


def test_no_zone_runs_anything(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever a zone is called, and whatever stands for its servers, comes to the program as it is, one word each."""
    asker = tmp_path / "python3"
    asker.write_text('#!/bin/sh\nshift 2; printf "%s\\0" "$@"\n')
    asker.chmod(0o755)
    zones = ["it's", "$(id)", "`id`", 'a"b', "a\nb", "*", "-x", ";id", "{{x}}"]
    text = lookups.fragment(("web", *(f"@{zone} {zone},::1" for zone in zones)))
    done = subprocess.run(
        [*shell, text], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True, stdout=subprocess.PIPE, text=True
    )
    assert sorted([*(f"@{zone}={zone},::1" for zone in zones), "!web"]) == sorted(done.stdout.split("\0")[:-1])


def test_what_was_not_needed_is_missing() -> None:
    """Who asks for it all the same could not look."""
    host = HostEvidence("app1", Reply(host="app1", frames={"lookups": Frame(text="web\tunneeded\n", status=0)}))
    with pytest.raises(CouldNotLook, match="app1: host web: not asked: the host itself gives the declared addresses"):
        host.lookups("web")


GETENT = """#!/bin/sh
shift; s=0
for n do case $n in
  web) echo '192.0.2.1       STREAM web.example.com'; echo '192.0.2.1       DGRAM  ';;
  db) echo '192.0.2.2       STREAM db'; echo '192.0.2.2       RAW    '; echo '2001:db8::2     STREAM '; ;;
  odd) echo '192.0.2.3       STREAM ' ;;
  *) s=2 ;;
esac; done; exit $s
"""


@pytest.mark.parametrize("together", ["", "0123456789abcdef"])
@pytest.mark.parametrize(
    "asked", [("web",), ("db", "web"), ("db", "lost", "web"), ("db", "odd", "web"), ("lost", "gone")]
)
def test_names_together_are_as_each_by_itself(
    tmp_path: object, shell: tuple[str, ...], asked: tuple[str, ...], together: str
) -> None:
    """One getent for all gives each name what it has; where it cannot tell, each is asked for by itself."""
    from pathlib import Path  # noqa: PLC0415 - only here

    program = Path(str(tmp_path)) / "getent"
    program.write_text(GETENT)
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    found = names.parse(printed(shell, "names", *asked, PATH=path, _token=together))
    known = {"web": ["192.0.2.1"], "db": ["192.0.2.2", "2001:db8::2"], "odd": ["192.0.2.3"]}
    assert {name: known.get(name, []) for name in asked} == {
        name: list(map(str, one.addresses)) for name, one in found.items()
    }
    assert {name: name not in known for name in asked} == {name: one.lines == () for name, one in found.items()}


def test_the_file_of_hosts_is_looked_at_where_a_name_is_not_as_declared(shell: tuple[str, ...]) -> None:
    """Its lines explain what is wrong; where nothing is, they are not asked for."""
    wrong = names.parse(printed(shell, "names", "localhost 192.0.2.1"))["localhost"]
    right = names.parse(printed(shell, "names", f"localhost {','.join(map(str, wrong.addresses))}"))["localhost"]
    assert wrong.addresses == right.addresses
    assert wrong.hosts_file
    assert not right.hosts_file


# Programs of iptables that would have nothing to print.

NFT = '{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}%s]}\n\n0 0123456789abcdef'
TABLE = ', {"table": {"family": "%s", "name": "filter", "handle": 1}}'
OF_IP = ', {"rule": {"family": "inet", "expr": [{"match": {"left": {"payload": {"protocol": "ip"}}}}]}}'


def _old_tables() -> bool:
    """Has this kernel old tables, or may nobody see whether?"""
    for name in ("ip", "ip6"):
        try:
            with open(f"/proc/net/{name}_tables_names", encoding="ascii") as file:  # noqa: PTH123 - of the kernel
                if file.read():
                    return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    ("listed", "spared"),
    [
        (NFT % "", True),
        (NFT % (TABLE % "inet"), True),
        (NFT % OF_IP, True),
        (NFT % (TABLE % "ip"), False),
        (NFT % (TABLE % "ip6"), False),
        ((NFT % (TABLE % "ip")).replace(": ", ":"), False),
        ((NFT % (TABLE % "ip")).replace(": ", ":  "), False),
        ("kernel without nf_tables\n\n0 0123456789abcdef", False),
        ("", False),
    ],
)
def test_iptables_is_spared_by_nft(shell: tuple[str, ...], listed: str, *, spared: bool) -> None:
    """Only where nft lists no table of the families that iptables-nft has, and the kernel has no old ones."""
    text = printed(shell, "iptables", seen_nft=listed).text
    assert ("== unneeded by nft" in text) is (spared and not _old_tables())
    assert "unneeded" not in registry()["iptables"].parse(
        Frame(text=text.replace("\n== status 1\n", "\n== status 0\n"), status=0)
    )


@pytest.mark.parametrize(("refused", "asked"), [(0, {"iptables-save", "ip6tables-save"}), (4, {"iptables-save"})])
def test_one_program_that_fails_is_enough(
    tmp_path: Path, shell: tuple[str, ...], refused: int, asked: set[str]
) -> None:
    """Nothing is readable behind it, so that no other is asked."""
    for name in ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho said by {name}\nexit {refused}\n")
        (tmp_path / name).chmod(0o755)
    frame = printed(shell, "iptables", PATH=f"{tmp_path}:{os.environ['PATH']}")
    found = {line.split()[1] for line in frame.text.split("\n") if line.startswith("== ip")}
    if not Path("/sys/module/nf_tables").exists() and not found:
        pytest.skip("this kernel has no nf_tables, so none is asked")
    assert asked == found - ({"iptables-legacy-save", "ip6tables-legacy-save"} if _old_tables() else set())
    assert frame.text.endswith("== end\n")
    if refused:
        with pytest.raises(Unreadable, match="iptables-save: exit status 4"):
            registry()["iptables"].parse(frame)


# Socket units that nobody declared.

SYSTEMCTL = """#!/bin/sh
while [ "$1" != -- ]; do shift; done; shift
for u do case $u in
web.service) printf 'Id=web.service\\nNames=web.service\\nTriggeredBy={by}\\nLoadState=loaded\\nActiveState={active}\\n'
  printf 'SubState={sub}\\nUnitFileState={file}\\n\\n' ;;
*) printf 'Id=%s\\nNames=%s\\nLoadState=asked\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=\\n\\n' $u $u ;;
esac; done
"""
WELL = {"by": "", "active": "active", "sub": "running", "file": "enabled"}


@pytest.mark.parametrize(
    ("state", "load"),
    [
        ({}, "unneeded"),
        ({"active": "activating", "sub": "auto-restart"}, "not-found"),
        ({"active": "failed", "sub": "failed"}, "not-found"),
        ({"sub": "exited"}, "not-found"),
        ({"sub": "reload"}, "not-found"),
        ({"file": "disabled"}, "not-found"),
        ({"file": "enabled-runtime"}, "not-found"),
        ({"file": ""}, "not-found"),
        ({"by": "web.socket"}, "asked"),
        ({"by": "other.socket"}, "not-found"),
    ],
)
def test_a_socket_unit_that_nobody_declared(
    tmp_path: Path, shell: tuple[str, ...], state: dict[str, str], load: str
) -> None:
    """It is asked of systemd where it may matter: a service not running, not enabled, or started by it."""
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(**(WELL | state)))
    program.chmod(0o755)
    frame = printed(shell, "units", "web", PATH=f"{tmp_path}:{os.environ['PATH']}")
    found = units.parse(frame)
    assert load == found["web.socket"].load
    known = HostEvidence("web1", Reply(host="web1", frames={"units": frame}))
    assert ports.socket_of(known, "web") is None
    declared = units.parse(printed(shell, "units", "web", "web.socket", PATH=f"{tmp_path}:{os.environ['PATH']}"))
    assert declared["web.socket"].load == "asked"


def test_addresses_are_addresses() -> None:
    """The rows above are what the parser reads."""
    assert ip_address("2001:db8::1") in names.parse(Frame(text=ROWS, status=0))["web"].addresses
