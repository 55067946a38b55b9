"""Which addresses do the names have, through the host's own resolver order?"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, _seen, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "getent ahosts"
SECONDS = 15
BYTES = 262144
SIDE_BY_SIDE = True
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("getent ahosts", "the addresses, through the host's own resolver order"),
    _rights.run("grep -siFw", "the lines of /etc/hosts that name it"),
    _rights.run("readlink", "where /etc/resolv.conf leads"),
    _rights.run("timeout", "a dead resolver has 9 s"),
)
READS = {
    "/etc/hosts": "names",
    "/etc/resolv.conf": "which nameservers",
    "/etc/nsswitch.conf": "in which order",
}

FOUND, NOT_FOUND = 0, 2  # exit status of getent(1)
PATIENCE = 9  # seconds; glibc gives a dead resolver 5 s twice (resolv.conf(5)), and then says "not known" too


# Together with other probes, one getent asks for all names: where each is found, its first row has its full name. Else
# each is asked for by itself, side by side. The rows stand in `a`.
ASK = r"""
each() { for n do ( o=$(timeout PATIENCE getent ahosts "$n" 2>&1); s=$?; set -f; IFS='
'
  for l in $o; do printf '%s\tgetent\t%s\n' "$n" "$l"; done; printf '%s\tstatus\t%s\n' "$n" "$s" ) & done; wait; }
apart() { t=$1; shift; n=; a=; set -f; IFS='
'
  for l in $t; do
    case $l in *' STREAM '[!\ ]*) [ $# != 0 ] || { unset IFS; set +f; return 1; }; n=$1; shift; a="$a
$n	status	0" ;; esac
    a="$a
$n	getent	$l"
  done; unset IFS; set +f; a=${a#?}; [ $# = 0 ]; }
answers() { [ "${_token-}" ] && [ $# != 1 ] && o=$(getent ahosts "$@" 2>&1) && apart "$o" "$@" || a=$(each "$@"); }
""".replace("PATIENCE", str(PATIENCE))

MACHINE = r"""
[ $# = 0 ] || grep -siFw "$@" /etc/hosts | while read -r l; do printf '\thosts\t%s\n' "$l"; done
[ ! -r /etc/resolv.conf ] || while read -r l; do case $l in
  nameserver*) printf '\tresolver\t%s\n' "$l" ;;
  search*|domain*|options*) printf '\tsearch\t%s\n' "$l" ;;
esac; done </etc/resolv.conf
[ ! -L /etc/resolv.conf ] || printf '\tlink\t%s\n' "$(readlink /etc/resolv.conf)"
while read -r l; do case $l in hosts:*) printf '\torder\t%s\n' "$l" ;; esac; done </etc/nsswitch.conf
true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a host's own resolver order answered for one name (nsswitch.conf(5), getaddrinfo(3))."""

    name: str
    addresses: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]  # in the order a program gets them
    silent: bool  # no answer in time, which is not the answer "there is none"
    lines: tuple[str, ...]  # as getent printed them
    hosts_file: tuple[str, ...]  # the lines of /etc/hosts that name it
    resolvers: tuple[str, ...]  # the nameserver lines of /etc/resolv.conf
    search: tuple[str, ...] = ()  # its search, domain and options lines
    order: str = ""  # the hosts line of /etc/nsswitch.conf
    target: str = ""  # where /etc/resolv.conf leads, if it is a link

    @property
    def canonical(self) -> str:
        """Which full name was found? The name as completed by a search domain, or the end of a chain of aliases."""
        words = self.lines[0].split() if self.addresses and self.lines else []
        return words[2].rstrip(".").lower() if len(words) > 2 else ""  # noqa: PLR2004 - address, type, name


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for all names?

    An argument is a name, or `NAME ADDRESS,…`: then /etc/hosts is looked at only where it has not just these.
    """
    names = {one.partition(" ")[0]: one.partition(" ")[2] for one in sorted(asked, reverse=True)}
    words = " ".join(map(shlex.quote, names))
    wanted = "\n".join(_wanted(name, names[name]) for name in names)
    return f"{_seen.GIVEN}{ASK}answers {words}; printf '%s\\n' \"$a\"\nset --\n{wanted}\n{MACHINE}"


def _wanted(name: str, answers: str) -> str:
    told = f'given "$a" {shlex.quote(name)} {" ".join(map(shlex.quote, answers.split(",")))} || ' if answers else ""
    return f'{told}set -- "$@" -e {shlex.quote(name)}'


def parse(frame: Frame) -> Mapping[str, Name]:
    """What was answered for each name? One without its status line is left out: it was not looked at."""
    rows = [line.split("\t", 2) for line in frame.text.split("\n")]
    rows = [row for row in rows if len(row) == 3]  # noqa: PLR2004 - name, kind, words
    resolvers = tuple(words for _, kind, words in rows if kind == "resolver")
    machine = {kind: tuple(words for _, each, words in rows if each == kind) for kind in ("search", "order", "link")}
    names = {name: words for name, kind, words in rows if kind == "status"}
    shared = [row for row in rows if not row[0] and row[1] == "hosts"]
    told: dict[str, list[list[str]]] = {name: [] for name in names}
    for row in rows:
        told.get(row[0], []).append(row)
    return {
        name: replace(
            _name(name, status, [*told[name], *shared], resolvers),
            search=machine["search"],
            order="".join(machine["order"][-1:]),
            target="".join(machine["link"][-1:]),
        )
        for name, status in names.items()
    }  # fmt: skip


def _name(name: str, status: str, rows: list[list[str]], resolvers: tuple[str, ...]) -> Name:
    printed = tuple(words.strip() for _, kind, words in rows if kind == "getent" and words.strip())
    code = whole(status)
    if code not in {FOUND, NOT_FOUND, 124, 143}:
        raise Unreadable(f"getent ahosts {name}: exit status {status} ({' '.join(printed)[:200]})")
    return Name(
        name=name,
        addresses=_addresses(printed) if code == FOUND else (),
        silent=code not in {FOUND, NOT_FOUND},
        lines=printed,
        hosts_file=tuple(words.strip() for _, kind, words in rows if kind == "hosts" and _has(words, name)),
        resolvers=resolvers,
    )


def _has(line: str, name: str) -> bool:
    """Does this line of /etc/hosts give the name? For `grep -w` a part of a longer name is a word too (hosts(5))."""
    return name.rstrip(".").lower() in line.partition("#")[0].lower().split()[1:]


def _addresses(printed: tuple[str, ...]) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Rows `ADDRESS STREAM NAME`, an address once for each socket type."""
    found: dict[ipaddress.IPv4Address | ipaddress.IPv6Address, None] = {}
    for line in printed:
        try:
            found[ipaddress.ip_address(line.split()[0].partition("%")[0])] = None
        except ValueError as error:
            raise Unreadable(f"{SOURCE}: not understood: {line[:120]!r}") from error
    return tuple(found)
