"""Which destinations is a client configured with?

Of a file or an environment only the destinations under the wanted key and its host or port leave the host, without
user, password and path. Rows, tab between the words, `SOURCE` being `file`, `process` (the environment that the unit's
main process has) or `unit` (the one it is given at its next start):

    WHERE SOURCE PATH DESTINATION    DESTINATION: [SCHEME://]HOST[:PORT][,…], a number, or ? where the value is none
    WHERE SOURCE .                   it was read to its end
    WHERE SOURCE -                   there is no such file or unit
    WHERE SOURCE !WORDS              it could not be read
    WHERE address NAME ADDRESS       what the host's resolver order gives for a name in them; ? for no answer in time
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _remote, _rights, failed
from whyrefused.probes.units import suffixed
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.facts.addresses import Address
    from whyrefused.records import Frame

SOURCE = "grep KEY FILE"
SECONDS = 15
BYTES = 262144
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.rooted("cat --", "the declared FILE, or an EnvironmentFile of the unit"),
    _rights.rooted("cat", "the environment of the unit's main process"),
    _rights.run("systemctl show", "the unit's environment and process"),
    _rights.run("awk", "picks the destinations; nothing else leaves the host"),
    _rights.run("sed -n", "parts of what systemctl printed"),
    _rights.run("tr", "one variable a line"),
    _rights.run("getent ahosts", "the addresses of a name that stands there"),
    _rights.run("head -c", "no more than 256 KiB"),
    _rights.run("head -n", "a reason, one line"),
    _rights.run("timeout", "a dead resolver has 9 s"),
)
READS = {
    "FILE": "as `configured_in` names it",
    "/proc/PID/environ": "what the unit's process was started with",
    "/etc/hosts": "read by getent",
    "/etc/resolv.conf": "read by getent",
}

LARGE = 262144  # bytes; a larger file is no configuration of one client
ANY_NAME = "localhost"
"""A name that every nameserver has a word for (RFC 6761, 6.3): asked to see whether any answers at all."""

HOSTS = ("hostname", "host", "server", "address", "addr", "ip", "endpoint", "name")
"""The last words of keys that name a host; in the key of its port `port` stands for it."""

ASK = r"""
n='
'
told() { printf '%s\n' "$3" | K=$4 awk "$A" | { while IFS= read -r l; do
  case $l in host'	'*) name "$1" "${l#*	}" & ;; *) printf '%s\t%s\t%s\n' "$1" "$2" "$l" ;; esac; done; wait; }; }
name() { o=$(timeout 9 getent ahosts "$2" 2>&1); s=$?
  case $s in 0|2) printf '%s\n' "$o" | while read -r a t l; do [ "$t" != STREAM ] ||
    printf '%s\taddress\t%s\t%s\n' "$1" "$2" "$a"; done; [ "$s" = 0 ] || printf '%s\taddress\t%s\t-\n' "$1" "$2" ;;
  *) printf '%s\taddress\t%s\t?\n' "$1" "$2" ;; esac; }
text() { { $S cat -- "$1" || printf '\n!lost\n'; } 2>&1 | head -c LARGE; }
file() { t=$(text "$2")
  case $t in
  *"$n!lost") case $t in *'No such file'*) printf '%s\tfile\t-\n' "$1" ;;
    *) printf '%s\tfile\t!%s\n' "$1" "$(printf '%s\n' "$t" | sed -n 's/^\(cat\|sudo\): /\1: /p' | head -n 1)" ;; esac ;;
  *) [ "${#t}" -ge SHORT ] && printf '%s\tfile\t!larger than LARGE bytes\n' "$1" || told "$1" file "$t" "$3" ;;
  esac; }
unit() {
  e=$(systemctl show --no-pager -p LoadState -p MainPID -p Environment -p EnvironmentFiles -- "$2" 2>&1) ||
    { printf '%s\tunit\t!systemctl show ended with %s\n' "$1" "$?"; return; }
  case $e in *LoadState=not-found*) printf '%s\tunit\t-\n' "$1"; return ;; esac
  p=$(printf '%s\n' "$e" | sed -n 's/^MainPID=//p')
  case $p in ''|0|*[!0-9]*) ;; *)
    if v=$($S cat "/proc/$p/environ" 2>/dev/null | tr '\n\000' ' \n') && [ "$v" ]; then told "$1" process "$v" "$3"
    else printf '%s\tprocess\t!not permitted: /proc/%s/environ\n' "$1" "$p"; fi ;;
  esac
  v=$(printf '%s\n' "$e" | sed -n -e 's/^Environment=//' -e t1 -e d -e :1 \
      -e 's/ \("\{0,1\}[A-Za-z_][A-Za-z0-9_]*=\)/\n\1/g' -e 's/"//g' -e p
    printf '%s\n' "$e" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=.*)$/\1/p' | while read -r f; do
      t=$(text "$f"); case $t in *"$n!lost") case $t in *'No such file'*) ;; *) echo "!lost $f" ;; esac ;;
      *) printf '%s\n' "$t" ;; esac; done)
  case $n$v in
  *"$n!lost "*) v=${v#*"!lost "}; printf '%s\tunit\t!not permitted: %s\n' "$1" "${v%%"$n"*}" ;;
  *) told "$1" unit "$v" "$3" ;;
  esac
}
""".replace("LARGE", str(LARGE)).replace("SHORT", str(LARGE - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value that stands where a client has its destination from."""

    path: str  # the key with all that it stands in; empty where the file as a whole was asked for
    places: tuple[str, ...]  # [SCHEME://]HOST[:PORT], or a number alone; none where the value is no destination
    scheme: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What stands in one place, as `configured_in` names it."""

    where: str
    sources: Mapping[str, tuple[Setting, ...] | Missing | None]  # by source; None: there is no such file or unit
    addresses: Mapping[str, tuple[Address, ...] | None]  # of the names in it; None: no answer in time


def siblings(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which keys beside this one name the host, and which the port? The key itself stands in one of the two.

    `DB_HOST` has its port in `DB_PORT`, `hostname` in `port`, `dbServer` in `dbPort`; a key that ends in none of these
    words in KEY_PORT.
    """
    stem, dot, last = key.rpartition(".")
    if last.lower().endswith("port"):
        head, word = last[:-4], last[-4:]
        hosts = [head + _cased(name, word) for name in HOSTS]
        whole = [head.rstrip("_-")] if head.rstrip("_-") else []
        return tuple(stem + dot + one for one in (*hosts, *whole)), (key,)
    for name in HOSTS:
        if last.lower().endswith(name):
            head, word = last[: -len(name)], last[-len(name) :]
            return (key,), (stem + dot + head + _cased("port", word),)
    ports = (f"{last}_PORT",) if last.isupper() else (f"{last}_port", f"{last}-port", f"{last}Port")
    return (key,), tuple(stem + dot + one for one in ports)


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[:1].isupper() else word


def dotted(key: str) -> str:
    """Which path is meant by `servers[0].host`?"""
    return re.sub(r"\[(\d+)\]", r".\1", key).lstrip(".")


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks what stands there? The arguments are `configured_in` as the inventory writes it."""
    calls = "\n".join(f"{_call(where)} &" for where in asked)
    return f"A={shlex.quote(_remote.program('configured.awk'))}{ASK}{calls}\nwait; true"


def _call(where: str) -> str:
    file, _, key = where.partition("#")
    hosts, ports = siblings(dotted(key)) if key else ((), ())
    keys = "\n".join([*(f"h {one}" for one in hosts), *(f"p {one}" for one in ports)])
    if file.startswith("unit:"):
        return f"unit {shlex.quote(where)} {shlex.quote(suffixed(file.removeprefix('unit:')))} {shlex.quote(keys)}"
    return f"file {shlex.quote(where)} {shlex.quote(file)} {shlex.quote(keys)}"


def parse(frame: Frame) -> Mapping[str, Configured]:
    """What stands in each place? One of which no source was read to its end is left out: it was not looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    settings: dict[tuple[str, str], list[Setting]] = {}
    found: dict[str, dict[str, tuple[Setting, ...] | Missing | None]] = {}
    addresses: dict[str, dict[str, list[Address] | None]] = {}
    for line in frame.text.split("\n"):
        where, source, *words = [*line.split("\t"), ""] if "\t" not in line else line.split("\t")
        if source == "address" and len(words) == 2:  # noqa: PLR2004 - name and address
            _address(addresses.setdefault(where, {}), *words)
        elif len(words) == 2:  # noqa: PLR2004 - path and destination
            settings.setdefault((where, source), []).append(_setting(*words))
        elif words == ["."]:
            found.setdefault(where, {})[source] = tuple(settings.get((where, source), ()))
        elif words == ["-"]:
            found.setdefault(where, {})[source] = None
        elif words and words[0].startswith("!"):
            found.setdefault(where, {})[source] = Missing(f"{where}: {words[0][1:] or 'not permitted'}")
    return {
        where: Configured(
            where=where, sources=sources,
            addresses={name: None if each is None else tuple(each) for name, each in addresses.get(where, {}).items()},
        )
        for where, sources in found.items()
    }  # fmt: skip


def _setting(path: str, words: str) -> Setting:
    scheme, separator, rest = words.rpartition("://")
    places = () if words == "?" else tuple(one for one in rest.split(",") if one)
    shown = f"{scheme}{separator}{rest}" if places else "(no destination)"
    return Setting(path=path, places=places, scheme=scheme, line=f"{path}={shown}" if path else shown)


def _address(found: dict[str, list[Address] | None], name: str, words: str) -> None:
    if words == "?":
        found[name] = None
        return
    known = found.setdefault(name, [])
    if words == "-" or known is None:
        return
    try:
        address = ipaddress.ip_address(words.partition("%")[0])
    except ValueError as error:
        raise Unreadable(f"getent ahosts {name[:80]}: not understood: {words[:80]!r}") from error
    if address not in known:
        known.append(address)
