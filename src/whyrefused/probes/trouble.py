"""What do units say of themselves that are down, or whose port is closed?

Looked at only where a declared unit is not active or a declared port is not open: the last lines of the journal, what
the unit requires and does not have, the lines of its files that name an open port, and whether its main process is
anywhere but on the host's TCP ports.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whyrefused.probes import Unreadable, _rights, _seen, whole
from whyrefused.probes.units import suffixed, with_sockets
from whyrefused.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.records import Frame

SOURCE = "journalctl -b -u UNIT"
SECONDS = 15
BYTES = 524288
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ("listeners",)
RUNS = (
    _rights.run("sed -nE", "open ports; lines of unit files cut to the port"),
    _rights.run("sed -E", "strikes out credentials"),
    _rights.run("systemctl show", "state, files and needs of the units"),
    _rights.rooted("journalctl -q --no-pager -b", "its last 30 lines, where it is down"),
    _rights.rooted("grep -HsE", "lines of its files that name an open port"),
    _rights.rooted("readlink", "has it a network of its own"),
    _rights.listed("ps -e -o pid -o netns", "has a unit a network of its own, where sudo permits a list"),
    _rights.listed("ss -H -x -l -n -p", "has a unit a unix socket"),
)
READS = {
    "/proc/PID/stat": "whose socket it is, read by ss",
    "/proc/PID/attr/current": "whose socket it is, read by ss",
    "/proc/mounts": "where control groups are, read by ss",
    "/proc/PID/*": "read by ps",
    "/proc/net/tcp": "open ports",
    "/proc/net/tcp6": "open ports",
    "/proc/net/udp": "open ports",
    "/proc/net/udp6": "open ports",
    "/var/log/journal/*": "read by journalctl",
    "/run/log/journal/*": "read by journalctl",
    "/etc/machine-id": "read by journalctl",
    "/proc/sys/kernel/random/boot_id": "read by journalctl",
    "/proc/self/ns/net": "the host's network",
    "/proc/PID/ns/net": "the unit's",
    "UNIT FILES": "of a declared unit that is down: unit file, drop-ins, EnvironmentFile",
    "/proc/sys/kernel/*": "read by ps",
    "/proc/uptime": "read by ps",
    "/proc/stat": "read by ps",
    "/proc/meminfo": "read by ps",
}

LINES = 30  # of the journal, for each unit
MOST = 8  # units that are looked at

# Passwords are struck out here: of URLs up to the last @ of the word, and words after password= and its like. Of a
# unit's files only the lines that name an open port are told, cut to just that. A socket that listens is in state 0A in
# /proc/net/tcp, one of UDP without a peer in state 07 (include/net/tcp_states.h). A unit has a control group as long as
# it has a process: where all have one and all ports are open, systemd need not be asked.
KNOWN = r"""
[ "${{seen_listeners-}}" ] || return; listening
for w in {ports}; do case $open in *" $w "*) ;; *) return 1 ;; esac; done
for w in {services}; do
  [ -d "/sys/fs/cgroup/system.slice/$w" ] || [ -d "/sys/fs/cgroup/unified/system.slice/$w" ] || return
done
told='end
'
"""
ASK = (
    _rights.ROOT.replace("{", "{{").replace("}", "}}")
    + r"""
strike() {{ sed -E 's#://[^"\\ ]*@#://***@#g
s/((pass(word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key)[^ =:]{{0,9}} {{0,3}}[=:] {{0,3}})[^ ,;"\\]+/\1***/Ig
s/"_(_[A-Z_]+|BOOT_ID)":"[^"]*",?//g; s/,}}$/}}/'; }}
calm=1; for w in {services}; do
  [ -d "/sys/fs/cgroup/system.slice/$w" ] || [ -d "/sys/fs/cgroup/unified/system.slice/$w" ] || calm=
done
open=' '; p=; n=0; r=; [ -z "$S" ] || r=1
for f in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do [ ! -r "$f" ] || r=1; done
for w in $(sed -nE 's/^ *[0-9]+: [0-9A-F]+:([0-9A-F]{{4}}) [0-9A-F]+:[0-9A-F]{{4}} (0A|07) .*/\2\1/p' \
  /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null); do
  case $w in 0A*) k=tcp ;; *) k=udp ;; esac
  w=$((0x${{w#??}})); case $open in *" $w/$k "*) ;; *) open="$open$w/$k "; p="$p|$w" ;; esac
done
shut=; for w in {ports}; do case $open in *" $w "*) ;; *) shut=1 ;; esac; done
if [ -z "$shut" ] && [ "$calm" ]; then echo end; exit; fi
o=$(systemctl show --all --no-pager -p Id,LoadState,ActiveState,MainPID,FragmentPath,DropInPaths,EnvironmentFiles \
  -p Requires,BindsTo,Requisite -- {units} {templates} 2>/dev/null)
[ "$o" ] || {{ echo 'systemctl show failed'; exit 1; }}
said() {{
[ "$r" ] || {{ printf 'unheard\tpermission denied\n'; return; }}
$S journalctl -q --no-pager -b -u "$id" -n {lines} -o json \
  --output-fields=MESSAGE,_PID,_SYSTEMD_INVOCATION_ID,INVOCATION_ID,JOB_RESULT 2>&1 | strike |
while IFS= read -r l; do printf 'journal\t%s\n' "$l"; done
}}
needs() {{
[ "$need" ] || return
{{ systemctl show --no-pager -p Id,LoadState,ActiveState,Result -- $need 2>/dev/null; echo; }} |
while IFS='=' read -r k v; do case $k in
  Id) i=$v ;; LoadState) l=$v ;; ActiveState) a=$v ;; Result) e=$v ;;
  '') [ -z "$i" ] || [ "$a" = active ] || printf 'needs\t%s\t%s\t%s\t%s\n' "$i" "$l" "$a" "$e"; i=; e= ;;
esac; done
}}
names() {{
[ "$p" ] && [ "$files" ] || return
q="(.*[^0-9.])?(${{p#|}})([^0-9A-Za-z.].*)?"
$S grep -HsE "^[^#;]*(^|[^0-9.])(${{p#|}})([^0-9A-Za-z.]|\$)" $files /dev/null 2>/dev/null |
sed -nE "s/^([^:]*): *([A-Za-z_][A-Za-z0-9_]*=)?(['\"]?[A-Za-z_][A-Za-z0-9_]*=)?$q\$/file	\1	\2\3	\5/p"
}}
net() {{ case $A in
'') $S readlink "/proc/$1/ns/net" ;;
*) printf '%s\n' "$t" | while read -r i w; do case $i:$w in "$1":[0-9]*) echo "$w" ;; esac; done ;;
esac; }}
sits() {{
case $A in '') ;; *"/ss -H -x -l -n -p,"*) t=$(root ps -e -o pid -o netns) ;; *) return ;; esac
a=$(net $$) && b=$(net "$pid") && [ "$b" ] || return
if [ "$a" = "$b" ]; then printf 'network\tsame\n'; else printf 'network\tother\n'; fi
x=$(root ss -H -x -l -n -p) || return
printf 'sockets\tseen\n'
printf '%s\n' "$x" | while read -r t s y z path rest; do
  case $rest in *",pid=$pid,"*) printf 'unix\t%s\n' "$path" ;; esac
done
}}
look() {{
case $load in loaded|masked|bad-setting|error) ;; *) return ;; esac
case $active in active|reloading|refreshing) up=1; [ "$shut" ] || return ;; *) up= ;; esac
n=$((n+1)); [ $n -le {most} ] || return
printf 'unit\t%s\n' "$id"; said
[ "$up" ] || needs
[ "$shut" ] || return
names
case $up:$pid in 1:[1-9]*) sits ;; esac
}}
set -f
printf '%s\n\n' "$o" | {{ while IFS='=' read -r k v; do case $k in
  Id) id=$v ;; LoadState) load=$v ;; ActiveState) active=$v ;; MainPID) pid=$v ;;
  FragmentPath|DropInPaths) files="$files $v" ;; EnvironmentFiles) files="$files ${{v% (*}}" ;;
  Requires|BindsTo|Requisite) need="$need $v" ;;
  '') [ -z "$id" ] || look; id=; load=; active=; pid=; files=; need= ;;
esac; done; }}
echo end
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line of a unit's journal: its own processes' words, or systemd's about it."""

    by_systemd: bool
    job: str  # JOB_RESULT of a job that ended: done, failed, dependency, …; else empty
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One unit that is required and not active."""

    unit: str
    load: str
    active: str
    result: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One line of a unit's files that names an open port."""

    file: str
    key: str  # `Environment=PORT=`, `ExecStart=`, `PORT=`; empty where none is seen
    port: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is known of one unit that is down or whose port is closed."""

    unit: str
    journal: tuple[Said, ...]  # of its last start, oldest first
    earlier: tuple[Said, ...]  # of the start before that, which counts for one that is started again and again
    unheard: str  # why its journal could not be read, else empty
    needs: tuple[Need, ...]
    mentions: tuple[Mention, ...]
    network: str  # of its main process: `same` as the host's, `other`; empty where not told
    sockets_seen: bool  # whether it was looked for unix sockets
    unix: tuple[str, ...]  # on which its main process listens


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for these units and ports (`80/tcp`)?"""
    return ASK.format(lines=LINES, most=MOST, **_words(asked))


def known(asked: tuple[str, ...]) -> str:
    """Which shell text knows that all of these are well?"""
    return f"{_seen.LISTENING}{KNOWN.format(**_words(asked))}"


def _words(asked: tuple[str, ...]) -> Mapping[str, str]:
    named = sorted({suffixed(one) for one in asked if "/" not in one})
    words = {
        "services": named,
        "units": sorted({each for one in named for each in with_sockets(one) if "@." not in each}),
        # A service may only start the instances of a template: postgresql.service, postgresql@15-main.service.
        "templates": [one.replace(".service", "@*.service") for one in named if "@" not in one],
        "ports": [one for one in asked if "/" in one],
    }
    return {name: " ".join(map(shlex.quote, each)) for name, each in words.items()}


def parse(frame: Frame) -> Mapping[str, Trouble]:
    """What is known, by unit? A unit that is well is not in it. Raises `Unreadable` where the end did not arrive."""
    rows = [line.split("\t") for line in frame.text.split("\n") if line]
    if frame.status != 0 or not rows or rows[-1] != ["end"]:
        raise Unreadable(f"{SOURCE}: not read to the end ({frame.text.strip()[-120:]})")
    found: dict[str, list[list[str]]] = {}
    own: list[list[str]] | None = None
    for row in rows[:-1]:
        if row[0] == "unit" and len(row) > 1:
            own = found.setdefault(row[1], [])
        elif own is None:
            raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")
        else:
            own.append(row)
    return {unit: _trouble(unit, own) for unit, own in found.items()}


def _trouble(unit: str, rows: list[list[str]]) -> Trouble:
    entries, unheard = _entries(row[0] for row in _of(rows, "journal", 1))
    journal, earlier = _starts(entries)
    return Trouble(
        unit=unit,
        journal=journal,
        earlier=earlier,
        unheard=unheard or next((row[0] for row in _of(rows, "unheard", 1)), ""),
        needs=tuple(
            Need(
                unit=name, load=load, active=active, result=result,
                line=f"{name} {load} {active} {result}".strip(),
            )
            for name, load, active, result in _of(rows, "needs", 4)
        ),
        mentions=tuple(
            Mention(file=file, key=key, port=int(port), line=f"{key} {port}".strip())
            for file, key, port in _of(rows, "file", 3)
            if whole(port) is not None and len(port) < 6  # noqa: PLR2004 - RFC 9293
        ),
        network=next((words[0] for words in _of(rows, "network", 1)), ""),
        sockets_seen=bool(_of(rows, "sockets", 1)),
        unix=tuple(words[0] for words in _of(rows, "unix", 1)),
    )  # fmt: skip


def _of(rows: list[list[str]], kind: str, columns: int) -> list[list[str]]:
    return [row[1:] for row in rows if row[0] == kind and len(row) == columns + 1]


def _entries(printed: Iterable[str]) -> tuple[list[tuple[str, Said]], str]:
    """Each line with the start that it belongs to (systemd.exec(5), $INVOCATION_ID); or why none could be read."""
    found: list[tuple[str, Said]] = []
    for text in printed:
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            return [], redact(text[:200])
        if isinstance(entry, dict):
            found.append((_word(entry, "_SYSTEMD_INVOCATION_ID", "INVOCATION_ID"), _said(entry)))
    return found, ""


def _starts(entries: list[tuple[str, Said]]) -> tuple[tuple[Said, ...], tuple[Said, ...]]:
    """The lines of the last start, and those of the one before: what stopped an older one may long be mended."""
    starts = list(dict.fromkeys(start for start, _ in reversed(entries) if start))
    last, before = [*starts, "", ""][:2]
    first = next((at for at, (start, _) in enumerate(entries) if start == last), 0)
    journal = tuple(said for start, said in entries[first:] if start in {"", last} and said.line)
    return journal, tuple(said for start, said in entries[:first] if before and start == before and said.line)


def _said(entry: Mapping[str, Any]) -> Said:
    line = redact(" ".join(_word(entry, "MESSAGE").split()))
    return Said(by_systemd=_word(entry, "_PID") == "1", job=_word(entry, "JOB_RESULT"), line=line)


def _word(entry: Mapping[str, Any], *keys: str) -> str:
    """Of the first key that is there. What is too long or no text is not shown by journalctl (`null`, numbers)."""
    values = (entry.get(key) for key in keys)
    return next((value for value in values if isinstance(value, str) and value), "")
