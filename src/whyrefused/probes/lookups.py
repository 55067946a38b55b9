"""What does each nameserver of the host answer for the names, asked directly?

Beside `names`, which is what programs get: where the two differ, something on the host stands before the nameserver.
Rows, tab between the words:

    NAME nameserver|uplink SERVER FQDN A|AAAA WORD ADDRESS,…    WORD: NOERROR, NXDOMAIN, …, TIMEOUT or errno's name
    NAME end
    NAME unneeded                                               the host itself gives the declared addresses
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _remote, _rights, _seen, failed
from whyrefused.records import Unneeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.facts.addresses import Address
    from whyrefused.records import Frame

SOURCE = "host NAME SERVER"
SECONDS = 15
BYTES = 262144
SIDE_BY_SIDE = True
AT_ONCE = True
AFTER: tuple[str, ...] = ("names",)
RUNS = (_rights.run("python3 -ISBc", "asks each nameserver, over UDP"),)
READS = {
    "/etc/resolv.conf": "which nameservers",
    "/run/systemd/resolve/resolv.conf": "those behind the stub",
}

COLUMNS = 7
UNNEEDED = "not asked: the host itself gives the declared addresses"
NO_ASKER = "python3 is not there to ask nameservers with"
DEAD = frozenset({"TIMEOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EACCES", "EPERM"})
"""Words that are no answer of a nameserver: nothing came back, or the kernel says why nothing can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What one nameserver answered for one name and type."""

    server: str
    uplink: bool  # asked besides, behind systemd-resolved's stub; programs do not ask it themselves
    fqdn: str  # the name as it was asked for, completed by a search domain or not
    type: str  # A or AAAA
    word: str
    addresses: tuple[Address, ...]
    line: str

    @property
    def dead(self) -> bool:
        """Did no answer come at all?"""
        return self.word in DEAD


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks every nameserver for these names?

    An argument is a name, or `NAME ADDRESS,…`: such a one is asked for only where the host gives not just these.
    """
    whatever = {one for one in asked if " " not in one}
    declared = {name: answers for name, _, answers in (one.partition(" ") for one in asked) if answers}
    wrong = "\n".join(
        f'if given "${{seen_names-}}" {shlex.quote(name)} {" ".join(map(shlex.quote, answers.split(",")))}; '
        f"then printf '%s\\tunneeded\\n' {shlex.quote(name)}; else set -- \"$@\" {shlex.quote(name)}; fi"
        for name, answers in declared.items()
        if name not in whatever
    )
    return (
        f"{_seen.GIVEN if wrong else ''}set -- {' '.join(map(shlex.quote, sorted(whatever)))}\n{wrong}\n"
        "[ $# != 0 ] || exit 0\n"
        "for p in python3 /usr/libexec/platform-python; do if command -v $p >/dev/null 2>&1; then "
        f"$p -ISBc {shlex.quote(_remote.program('lookup.py'))} \"$@\"; exit; fi; done; echo '{NO_ASKER}'; exit 127"
    )


def known(asked: tuple[str, ...]) -> str:
    """Which shell text knows that the host itself gives all of these names the declared addresses?"""
    declared = {name: answers for name, _, answers in (one.partition(" ") for one in asked)}
    if not declared or not all(declared.values()) or any(one in declared for one in asked):
        return ""
    wanted = "".join(
        f'given "${{seen_names-}}" {shlex.quote(name)} {" ".join(map(shlex.quote, answers.split(",")))} || return\n'
        for name, answers in declared.items()
    )
    told = shlex.quote("".join(f"{name}\tunneeded\n" for name in declared))
    return f"{_seen.GIVEN}{wanted}told={told}"


def parse(frame: Frame) -> Mapping[str, tuple[Lookup, ...] | Unneeded]:
    """What was answered for each name? One that did not end is left out: it was not looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    found: dict[str, list[Lookup]] = {}
    ended, unneeded = [], []
    for line in frame.text.split("\n"):
        name, *words = line.split("\t")
        if words == ["end"]:
            ended.append(name)
        elif words == ["unneeded"]:
            unneeded.append(name)
        elif len(words) == COLUMNS - 1 and words[0] in {"nameserver", "uplink"}:
            found.setdefault(name, []).append(_lookup(*words))
    spared = {name: Unneeded(f"host {name[:80]}: {UNNEEDED}") for name in unneeded}
    return spared | {name: tuple(found.get(name, ())) for name in dict.fromkeys(ended)}


def _lookup(role: str, server: str, fqdn: str, kind: str, word: str, given: str) -> Lookup:  # noqa: PLR0913, PLR0917 - a row
    try:
        addresses = () if given == "-" else tuple(ipaddress.ip_address(one) for one in given.split(","))
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {given[:120]!r}") from error
    line = f"{fqdn} {kind} {word}" + (f" {given}" if addresses else "")
    return Lookup(
        server=server, uplink=role == "uplink", fqdn=fqdn, type=kind, word=word, addresses=addresses, line=line
    )
