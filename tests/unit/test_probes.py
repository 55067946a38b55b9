"""Each probe reads what real hosts print, and nothing else.

A case is two files of `data/probes/PROBE/`: `CASE.txt`, as the probe's fragment printed it on a host, and `CASE.yml`
with the exit status where it is not 0, and what must be found in it: `found`, or `unreadable` with words of the reason.
"""

from __future__ import annotations

import time
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.probes import Unreadable, failed, registry
from whyrefused.probes.dials import Try
from whyrefused.probes.units import suffixed, with_sockets
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data/probes"
CASES = sorted(path.relative_to(DATA).with_suffix("").as_posix() for path in DATA.glob("*/*.yml"))
IN_NUMBERS = {"browses", "configured", "dials", "burst", "watch"}
"""Their programs print words and numbers, which the parser puts into lines."""
QUOTED = {"line", "lines"}  # the host's own words, compared with the text itself


def case(name: str) -> tuple[Frame, dict[str, Any]]:
    """What did the host print, and what is in it?"""
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8", errors="surrogateescape")
    expected = yaml.safe_load((DATA / f"{name}.yml").read_text())
    return Frame(text=text, status=expected.get("status", 0)), expected


def simple(value: Any) -> Any:  # noqa: ANN401 - any probe's records
    """The value in YAML's own types, without the quoted lines and what was not told."""
    if isinstance(value, Missing):
        return {"missing": value.why}
    if is_dataclass(value):
        found = {each.name: simple(getattr(value, each.name)) for each in fields(value) if each.name not in QUOTED}
        return {name: each for name, each in found.items() if each is not None and each not in ("", [])}
    if isinstance(value, IPv6Address) and value.ipv4_mapped:
        return f"::ffff:{value.ipv4_mapped}"  # as Python itself writes it from 3.13 on
    if isinstance(value, (IPv4Address, IPv4Network, IPv6Address, IPv6Network)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [simple(each) for each in value]
    return {key: simple(each) for key, each in value.items()} if hasattr(value, "items") else value


def quoted(value: Any) -> list[str]:  # noqa: ANN401 - as above
    """Every line that a value quotes."""
    if isinstance(value, Missing):
        return []
    if isinstance(value, (tuple, list)) or hasattr(value, "items"):
        return [line for each in (value.values() if hasattr(value, "items") else value) for line in quoted(each)]
    if not is_dataclass(value):
        return []
    own = [*([value.line] if hasattr(value, "line") else []), *getattr(value, "lines", ())]
    return own + [
        line for each in fields(value) if each.name not in QUOTED for line in quoted(getattr(value, each.name))
    ]


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    """What a real host printed is read as exactly this."""
    frame, expected = case(name)
    probe = registry()[name.partition("/")[0]]
    if "unreadable" in expected:
        with pytest.raises(Unreadable) as refused:
            probe.parse(frame)
        assert expected["unreadable"] in str(refused.value)
    else:
        found = simple(probe.parse(frame))
        assert expected["found"] == ("as printed" if found == frame.text else found)


QUOTING = [name for name in CASES if "found" in case(name)[1] and name.partition("/")[0] not in IN_NUMBERS]


@pytest.mark.parametrize("name", QUOTING)
def test_quotes(name: str) -> None:
    """Every line of evidence is the host's own."""
    frame, _ = case(name)
    printed = " ".join(frame.text.split())
    for line in quoted(registry()[name.partition("/")[0]].parse(frame)):
        assert " ".join(line.split()) in printed


def test_all_probes_have_cases() -> None:
    """No probe is without a real host's words."""
    assert set(registry()) == {name.partition("/")[0] for name in CASES}


def test_all_recordings_are_read() -> None:
    """No recording is without its expectation."""
    assert CASES == sorted(path.relative_to(DATA).with_suffix("").as_posix() for path in DATA.glob("*/*.txt"))


PIECES = (
    "tcp", "LISTEN", "0", "[::]:80", "*:*", "users:((", '"a"', ",pid=1,fd=2)", "\n", " ", "\t", "try", "end", "name",
    "{", "getent", "status", "hosts", "== x", "== status 0", "== end", "}", "Id=", "Uptime=", "=", "inet", "1: lo",
    "scope", "::1/128", "run", "declared", "hop", "HSTS", "policy", "http://a:x/",
    "/proc/net/tcp: sl ", "0A", ".", "!", "http_proxy=", "127.0.0.1", "\udcff", "\x00",
)  # fmt: skip
NOISE = st.text(st.characters(codec=None), max_size=300) | st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join)


def read(name: str, text: str, status: int) -> None:
    """Read it, or be told why it cannot be read; nothing else may happen."""
    try:
        registry()[name].parse(Frame(text=text, status=status))
    except Unreadable as refused:
        if not str(refused):
            pytest.fail("no reason is given")


@pytest.mark.parametrize("name", registry())
@settings(deadline=None)
@given(text=NOISE, status=st.integers(0, 255))
def test_any_text(name: str, text: str, status: int) -> None:
    """Whatever a host prints, a probe reads it or says that it cannot."""
    read(name, text, status)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", [name for name in CASES if "found" in case(name)[1]])
def test_mangled(name: str, data: st.DataObject) -> None:
    """A recording with a part of it lost or repeated is read or refused; it breaks nothing."""
    frame, _ = case(name)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(frame.text)), st.integers(0, len(frame.text)))))
    again = data.draw(st.integers(0, 2))
    text = frame.text[:start] + frame.text[start:end] * again + frame.text[end:]
    read(name.partition("/")[0], text, frame.status)


LARGE = 200_000
EVIL = {
    "listeners": "tcp LISTEN 0 5 0.0.0.0:1 0.0.0.0:* users:((" + '("a",pid=1,fd=1)' * (LARGE // 16),
    "listeners quotes": "tcp LISTEN 0 5 0.0.0.0:1 0.0.0.0:* users:((" + '("' * (LARGE // 2),
    "listeners cgroup": "tcp LISTEN 0 5 0.0.0.0:1 0.0.0.0:* ino:1 sk:1 cgroup:" + "/a.service" * (LARGE // 10),
    "listeners ino": "tcp LISTEN 0 5 0.0.0.0:1 0.0.0.0:* " + "ino:1 " * (LARGE // 6),
    "listeners lines": "tcp LISTEN 0 5 0.0.0.0:1 0.0.0.0:* x\n" + "\n" * LARGE,
    "listeners colons": "tcp LISTEN 0 5 " + ":" * LARGE,
    "addresses": "1: a inet 1.1.1.1/8 " + "x " * (LARGE // 2),
    "proc_net": "/proc/net/tcp: sl \n" + "/proc/net/tcp: " + " " * LARGE,
    "units": "Uptime=1\n\n" + "Id=" * (LARGE // 3),
    "trouble": "unit\ta.service\n" + "journal\t" + "[" * LARGE + "\nend",
    "trouble lines": "\n".join(
        ["unit\ta.service", *['journal\t{"MESSAGE":"a"}'] * 5000, *["file\tx\ty\t1"] * 5000, "end"]
    ),
    "binding": "hosts\t127.0.0.1\t" + "a " * (LARGE // 2) + "\nend",
    "proxy": "x\t" + "export " * (LARGE // 7),
    "lookups": "\n".join(["a\tnameserver\t1.1.1.1\ta\tA\tNOERROR\t1.1.1.1"] * 5000 + ["a\tend"]),
    "configured": "\n".join(["a\tfile\ta\tb:1,c:2"] * 5000 + ["a\tfile\t."]),
    "names": "\n".join(["a\tgetent\t1.1.1.1 STREAM"] * 5000 + ["a\tstatus\t0"]),
    "queues": "look\nTcpExtListenOverflows 0\n" + "LISTEN 1 1 0.0.0.0:1 *:*\n" * (LARGE // 25) + "end\n",
    "queues memory": "look\nLISTEN 1 1 0.0.0.0:1 *:* skmem:(" + ",d1" * (LARGE // 3) + "\nend\n",
    "processes": "Id=a\nMainPID=1\n\n" + "child 2 1\n" * (LARGE // 10) + "end\n",
    "kernel": "/proc/sys/fs/file-nr:" + "1 " * (LARGE // 2) + "\nend\n",
    "serving": "taken 1 1\n" * (LARGE // 10) + "end\n",
    "dials": "\n".join(["a 1\ttry\t1.1.1.1\tok\t1\t-\t-"] * 5000 + ["a 1\tend"]),
    "browses": "a\thop\tdeclared\t1\tHSTS\tb\tc\na\trun\tdeclared\tok\t1\t-\tb\n" * 3000 + "a\tend\n",
    "iptables": "\n".join(["== a", "== status 0"] * 5000),
    "nft": "{" * LARGE,
    "identity": "a\n" * (LARGE // 2),
}


@pytest.mark.parametrize("name", EVIL)
def test_linear_time(name: str) -> None:
    """Text made to be slow is read in time that grows with its length only."""
    start = time.process_time()
    read(name.partition(" ")[0], EVIL[name], 0)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (124, "", "no answer within 5 s"),
        (126, "sh: 1: x: Permission denied\n", "not permitted (sh: 1: x: Permission denied)"),
        (127, "sh: 1: x: not found\n\n", "not installed (sh: 1: x: not found)"),
        (3, "one\ntwo \n", "exit status 3 (two)"),
    ],
)
def test_failed(status: int, text: str, words: str) -> None:
    """A failed command is told by its status and its own last words."""
    assert f"x: {words}" == failed(Frame(text=text, status=status), "x", 5)


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("nginx", ("nginx.service", "nginx.socket")),
        ("nginx.service", ("nginx.service", "nginx.socket")),
        ("postgresql@15-main", ("postgresql@15-main.service", "postgresql@15-main.socket")),
        ("ssh.socket", ("ssh.socket",)),
        ("a.timer", ("a.timer",)),
        ("node.js", ("node.js.service", "node.js.socket")),
    ],
)
def test_unit_names(unit: str, names: tuple[str, ...]) -> None:
    """A name without a suffix of systemd's is a service, and its socket unit is asked for too."""
    assert names == with_sockets(unit)
    assert names[0] == suffixed(unit)


@pytest.mark.parametrize(
    ("address", "word", "symptom"),
    [
        ("192.0.2.1", "ok", "connected"),
        ("192.0.2.1", "ECONNREFUSED", "refused"),
        ("192.0.2.1", "ECONNRESET", "reset"),
        ("192.0.2.1", "CLOSED", "reset"),
        ("192.0.2.1", "ETIMEDOUT", "timed-out"),
        ("192.0.2.1", "EHOSTUNREACH", "unreachable"),
        ("192.0.2.1", "ENETUNREACH", "unreachable"),
        ("192.0.2.1", "EACCES", "local-error"),
        ("2001:db8::1", "EACCES", "unreachable"),
        ("192.0.2.1", "EPERM", "local-error"),
        ("192.0.2.1", "EADDRNOTAVAIL", "local-error"),
        ("192.0.2.1", "EINVAL", "local-error"),
        ("192.0.2.1", "9999", "local-error"),
    ],
)
def test_symptoms(address: str, word: str, symptom: str) -> None:
    """What the kernel said is one of the symptoms, and what is not known is no packet's."""
    one = Try(address=ip_address(address), word=word, milliseconds=0, source="", icmp=None, line="")
    assert symptom == one.symptom


def test_same_words_of_both_dialers() -> None:
    """Perl and python3 saw the same from the same host: each path has one symptom and one own address."""

    def told(name: str) -> Mapping[str, Any]:
        dials = registry()["dials"].parse(case(f"dials/{name}")[0])
        return {
            key: (dial.symptom, dial.no_name, [(str(one.address), one.word, one.source) for one in dial.tries])
            for key, dial in dials.items()
        }

    assert told("python") == told("perl")
