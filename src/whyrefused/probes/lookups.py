"""What does each nameserver of the host answer for the names, asked directly? And what a zone's own, where declared?

Beside `names`, which is what programs get: where the two differ, something on the host stands before the nameserver.
A zone's own servers are asked without recursion, and only of what the host does not give as declared.
Rows, tab between the words; the last two only where the servers of a zone are declared:

    NAME nameserver|uplink|zone:ZONE SERVER FQDN A|AAAA WORD ADDRESS,… aa|- TTL
    NAME end
    NAME unneeded                         the host itself gives the declared addresses

WORD is NOERROR, NXDOMAIN, …, TIMEOUT or errno's name. Of a zone's server, NOERROR and NXDOMAIN are its own word: it
answered with authority (AA, RFC 1035, 4.1.1); else it is NOT-AUTHORITATIVE, or ALIAS-ELSEWHERE where others know more.
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _remote, _rights, _seen, failed, whole
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
RUNS = (_rights.run("python3 -ISBc", "asks each nameserver, and those declared of a zone, over UDP"),)
READS = {
    "/etc/resolv.conf": "which nameservers",
    "/run/systemd/resolve/resolv.conf": "those behind the stub",
}

COLUMNS = 7
MORE = 2
ROLES = ("nameserver", "uplink")
ZONE = "zone:"
UNNEEDED = "not asked: the host itself gives the declared addresses"
NO_ASKER = "python3 is not there to ask nameservers with"
DEAD = frozenset({"TIMEOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EACCES", "EPERM"})
"""Words that are no answer of a nameserver: nothing came back, or the kernel says why nothing can."""
TOLD = frozenset({"NOERROR", "NXDOMAIN"})
"""Words that tell what there is of a name. Any other decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What one nameserver answered for one name and type."""

    server: str
    uplink: bool  # asked besides, behind systemd-resolved's stub; programs do not ask it themselves
    zone: str = ""  # asked as a declared server of this zone, for what it knows itself
    fqdn: str  # the name as it was asked for, completed by a search domain or not
    type: str  # A or AAAA
    word: str
    addresses: tuple[Address, ...]
    own: bool | None = None  # is it its own word (AA), not what it heard from others? None where that was not told
    seconds: int | None = None  # how long it may be kept (TTL); None where that was not told
    line: str

    @property
    def dead(self) -> bool:
        """Did no answer come at all?"""
        return self.word in DEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is to be asked, by the arguments."""

    zones: Mapping[str, str]  # the declared servers of each, joined by commas
    always: frozenset[str]  # names that are asked of the host's nameservers whatever the host gives
    declared: Mapping[str, str]  # the addresses that a name should have, joined by commas


def _asked(arguments: tuple[str, ...]) -> _Asked:
    words = [one.partition(" ") for one in arguments]
    names = [(name, more) for name, _, more in words if not name.startswith("@")]
    likely = {name: more[1:] for name, more in names if more.startswith("~")}
    return _Asked(
        zones={name[1:]: more for name, _, more in words if name.startswith("@")},
        always=frozenset(name for name, more in names if not more or more.startswith("~")),
        declared=likely | {name: more for name, more in names if more and not more.startswith("~")},
    )


def fragment(arguments: tuple[str, ...]) -> str:
    """Which shell text asks every nameserver for these names?

    An argument is a name; `NAME ADDRESS,…`: such a one is asked for only where the host gives not just these; or
    `NAME ~ADDRESS,…`: it is asked for, and its zone's own servers too where the host gives not just these. Those are
    told by `@ZONE SERVER,…`.
    """
    asked = _asked(arguments)
    mark = "!" if asked.zones else ""
    spared = [name for name in asked.declared if asked.zones or name not in asked.always]
    always = sorted(asked.always.difference(spared))
    wrong = "\n".join(_unless(asked, name, mark) for name in spared)
    words = [_remote.program("lookup.py"), *(f"@{zone}={servers}" for zone, servers in sorted(asked.zones.items()))]
    return (
        f"{_seen.GIVEN if wrong else ''}set -- {' '.join(shlex.quote(mark + name) for name in always)}\n{wrong}\n"
        "[ $# != 0 ] || exit 0\n"
        "for p in python3 /usr/libexec/platform-python; do if command -v $p >/dev/null 2>&1; then "
        f"$p -ISBc {shlex.join(words)} \"$@\"; exit; fi; done; echo '{NO_ASKER}'; exit 127"
    )


def _unless(asked: _Asked, name: str, mark: str) -> str:
    """Which text asks for a name where the host gives not just what it should have? `!` asks its zone's servers too."""
    answers = " ".join(map(shlex.quote, asked.declared[name].split(",")))
    spared = f'set -- "$@" {shlex.quote(name)}' if name in asked.always else (
        f"printf '%s\\tunneeded\\n' {shlex.quote(name)}")  # fmt: skip
    return (
        f'if given "${{seen_names-}}" {shlex.quote(name)} {answers}; '
        f'then {spared}; else set -- "$@" {shlex.quote(mark + name)}; fi'
    )


def known(arguments: tuple[str, ...]) -> str:
    """Which shell text knows that the host itself gives all of these names the declared addresses?"""
    asked = _asked(arguments)
    if not asked.declared or asked.always:
        return ""
    wanted = "".join(
        f'given "${{seen_names-}}" {shlex.quote(name)} {" ".join(map(shlex.quote, answers.split(",")))} || return\n'
        for name, answers in asked.declared.items()
    )
    told = shlex.quote("".join(f"{name}\tunneeded\n" for name in asked.declared))
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
        elif len(words) in {COLUMNS - 1, COLUMNS - 1 + MORE} and (words[0] in ROLES or words[0].startswith(ZONE)):
            found.setdefault(name, []).append(_lookup(*words))
    spared = {name: Unneeded(f"host {name[:80]}: {UNNEEDED}") for name in unneeded}
    return spared | {name: tuple(found.get(name, ())) for name in dict.fromkeys(ended)}


def _lookup(  # noqa: PLR0913, PLR0917 - a row
    role: str, server: str, fqdn: str, kind: str, word: str, given: str, own: str = "", seconds: str = "-"
) -> Lookup:
    try:
        addresses = () if given == "-" else tuple(ipaddress.ip_address(one) for one in given.split(","))
    except ValueError as error:
        raise Unreadable(f"{SOURCE}: not understood: {given[:120]!r}") from error
    zone = role.removeprefix(ZONE) if role.startswith(ZONE) else ""
    line = f"{fqdn} {kind} {word} {given} {own} {seconds}".rstrip(" -")
    return Lookup(
        server=server, uplink=role == "uplink", zone=zone, fqdn=fqdn, type=kind, word=word, addresses=addresses,
        own=own == "aa" if own else None, seconds=whole(seconds), line=line,
    )  # fmt: skip
