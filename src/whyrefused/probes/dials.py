"""Does each declared path really connect, dialled from its client?

The host dials with what it has, python3 or perl: both tell errno as a number, which text does not. Rows printed, tab
between the words, `KEY` being `HOST PORT`, or `HOST PORT WHO PROXY` with `-` for none. PROXY is METHOD+URL: how the
proxy is asked for the way, CONNECT or HEAD. Names and tries are then those of the proxy:

    KEY name EAI_NONAME MILLISECONDS                        the name has no address
    KEY unable WORDS                                        it could not be dialled as declared
    KEY try ADDRESS WORD MILLISECONDS SOURCE TYPE/CODE/OFFENDER
                    WORD: ok, CLOSED (taken, then closed without a byte), or errno's name; the ICMP error or -
    KEY as UID GID GROUP WORDS                              who dialled: GROUP its control group of version 2 or -;
                    WORDS: kept (a unit that never stopped), apart (in a network namespace of its own), or -
    KEY answer METHOD MILLISECONDS TUNNEL MARKS STATUS-LINE what the proxy answered; `_answers.py` says what it means
    KEY end
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _answers, _remote, _rights, failed
from whyrefused.probes._answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame, Symptom

SOURCE = "connect(2)"
SECONDS = 45
BYTES = 1048576
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.rooted("python3 -ISBc", "dials; as root only to become the user of `as`"),
    _rights.rooted("perl -e", "dials; as root only to become the user of `as`, where python3 is not there"),
    _rights.rooted("systemctl show", "whose unit it is"),
)
READS = {
    "/proc/PID/status": "user and groups of the unit's process",
    "/proc/PID/task/PID/children": "its children",
    "/proc/PID/ns/net": "its network namespace",
    "/proc/self/cgroup": "who dials",
    "/proc/PID/cgroup": "who dials",
    "/etc/hosts": "names",
    "/etc/resolv.conf": "names",
}

NO_DIALLER = "neither python3 nor perl is there to dial with"

# A refusal by ICMP is a firewall's, or a router's word that there is no way (RFC 792, RFC 4443).
SYMPTOMS: Mapping[str, Symptom] = {
    "ok": "connected",
    "CLOSED": "reset",
    "ECONNRESET": "reset",
    "ECONNREFUSED": "refused",
    "ETIMEDOUT": "timed-out",
    "EHOSTUNREACH": "unreachable",
    "ENETUNREACH": "unreachable",
    "EHOSTDOWN": "unreachable",
    "ENETDOWN": "unreachable",
}


NOWHERE = ("-", "0.0.0.0", "::")  # noqa: S104 - no way was found, so no address of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One connect to one address."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    word: str  # ok, CLOSED or errno's name
    milliseconds: int
    source: str  # the client's own address on this way; empty where it got none
    icmp: tuple[int, int, str] | None  # type, code and sender of the ICMP error that ended it
    line: str

    @property
    def source_address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Which of its own addresses did the client dial from? None where it got none."""
        return ipaddress.ip_address(self.source) if self.source else None

    @property
    def symptom(self) -> Symptom:
        """Which of spec.md's symptoms is it?

        EACCES is "administratively prohibited" over IPv6 (the kernel's icmpv6 table) and a local denial over IPv4.
        """
        if self.word == "EACCES" and self.address.version == 6:  # noqa: PLR2004 - IP version
            return "unreachable"
        return SYMPTOMS.get(self.word, "local-error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialler:
    """Who dialled: whose packets these were, as rules see them."""

    uid: int
    gid: int
    group: str  # control group of version 2; of a unit its own, although the dial was not made in it
    kept: bool = False  # a unit that never stopped: its control group is the one that it was first given
    apart: bool = False  # in a network namespace of its own, with rules of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One path, dialled as a program does it: the addresses of the name in turn, until one connects."""

    tries: tuple[Try, ...]
    no_name: str  # EAI_… where the name had no address, else empty
    lines: tuple[str, ...]
    unable: str = ""  # why it could not be dialled as declared; then nothing is known of the path
    by: Dialler | None = None  # None where that was not told
    barred: Symptom | None = None  # what a unit meets by a rule for its control group, in which nobody else can dial
    answers: tuple[Answer, ...] = ()  # of the proxy; the tries are then connects to it

    @property
    def last(self) -> Try | None:
        """The try that decided."""
        return self.tries[-1] if self.tries else None

    @property
    def outcome(self) -> _answers.Outcome | None:
        """What did the proxy make of it? None where none answered, or there is none on this way."""
        return _answers.outcome(self.answers) if self.answers else None

    @property
    def passes_on(self) -> bool:
        """Is it the proxy's own connection to the server that failed, as far as its answer tells?"""
        return self.outcome in {"upstream", "silent", "unclear"} or (
            self.outcome == "closed" and self.answers[0].status is not None
        )

    @property
    def symptom(self) -> Symptom:
        """What does the program on this way see?"""
        if self.barred:
            return self.barred
        if self.outcome:
            return _answers.SYMPTOMS[self.outcome]
        return self.tries[-1].symptom if self.tries else "dns-failure"


def key(host: str, port: int, who: str = "", proxy: str = "") -> str:
    """How is this path named among what a host is asked? `who` is unit:NAME or user:NAME, `proxy` METHOD+URL."""
    return f"{host} {port} {who or '-'} {proxy or '-'}" if who or proxy else f"{host} {port}"


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text dials these? The first argument is the seconds for one connect, the others are keys."""
    others = tuple(key for key in asked[1:] if key.count(" ") > 1 and key.split(" ")[2] != "-")
    plain = tuple(key for key in asked[1:] if key not in others)
    if not others:
        return _call("", asked)
    as_others = f"( {_call('$S ', (asked[0], *others))} ) || {_unable(others)}"
    if not plain:
        return as_others
    return f"{{ {as_others}; }} &\n( {_call('', (asked[0], *plain))} ); s=$?; wait; exit $s"


def _call(rights: str, asked: tuple[str, ...]) -> str:
    arguments = " ".join(map(shlex.quote, asked))
    python, perl = shlex.quote(_remote.program("dial.py")), shlex.quote(_remote.program("dial.pl"))
    return (
        "for p in python3 /usr/libexec/platform-python; do if command -v $p >/dev/null 2>&1; then "
        f"exec {rights}$p -ISBc {python} {arguments}; fi; done; "
        f"if command -v perl >/dev/null 2>&1; then exec {rights}perl -e {perl} {arguments}; fi; "
        f"echo '{NO_DIALLER}'; exit 127"
    )


def _unable(keys: tuple[str, ...]) -> str:
    """Which shell text says that these were not dialled, where the program did not run?"""
    words = "to dial as another user, $S python3 must run there"
    return (
        f"for k in {' '.join(map(shlex.quote, keys))}; do "
        r"""printf '%s\tunable\t%s\n%s\tend\n' "$k" "%%s" "$k"; done""".replace("%%s", words)
    )


def parse(frame: Frame) -> Mapping[str, Dial]:
    """What became of each path? One that did not end in time is left out: it was not looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    rows: dict[str, list[list[str]]] = {}
    ended = []
    for line in frame.text.split("\n"):
        name, _, words = line.partition("\t")
        rows.setdefault(name, []).append(words.split("\t"))
        if words == "end":
            ended.append(name)
    return {name: _dial(rows[name]) for name in dict.fromkeys(ended)}


def _dial(rows: list[list[str]]) -> Dial:
    names = [row[1] for row in rows if row[0] == "name" and len(row) > 1]
    tries = tuple(_try(row) for row in rows if row[0] == "try")
    no_name = tuple(f"no address: {name}" for name in names)
    unable = [row[1] for row in rows if row[0] == "unable" and len(row) > 1]
    by = [_by(row) for row in rows if row[0] == "as"]
    answers = tuple(_answer(row) for row in rows if row[0] == "answer")
    return Dial(
        tries=tries, no_name=names[0] if names else "", lines=(*no_name, *(one.line for one in tries)),
        unable=unable[0] if unable else "", by=by[0] if by else None,
        answers=answers,
    )  # fmt: skip


def _by(row: list[str]) -> Dialler:
    try:
        _, uid, gid, group, words = row
        told = words.split(",")
        return Dialler(
            uid=int(uid), gid=int(gid), group="" if group == "-" else group, kept="kept" in told, apart="apart" in told
        )
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}") from error


def _answer(row: list[str]) -> Answer:
    try:
        _, method, took, tunnel, marks, line = row
        none = {"-": ""}
        return Answer(
            method=method, milliseconds=int(took), tunnel=none.get(tunnel, tunnel), marks=none.get(marks, marks),
            line=line,
        )  # fmt: skip
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}") from error


def _try(row: list[str]) -> Try:
    try:
        _, address, word, took, source, icmp = row
        return Try(
            address=ipaddress.ip_address(address.partition("%")[0]),
            word=word,
            milliseconds=int(took),
            source="" if source in NOWHERE else str(ipaddress.ip_address(source.partition("%")[0])),
            icmp=_icmp(icmp),
            line=_words(address, word, took, source, icmp),
        )
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}") from error


def _words(address: str, word: str, took: str, source: str, icmp: str) -> str:
    sender = "" if icmp == "-" else f", by ICMP {icmp.replace('/', ' code ', 1).replace('/', ' of ')}"
    return f"{address}: {'connected' if word == 'ok' else word} after {took} ms{sender}, from {source}"


def _icmp(words: str) -> tuple[int, int, str] | None:
    if words == "-":
        return None
    icmp, code, sender = words.split("/")
    return int(icmp), int(code), str(ipaddress.ip_address(sender))
