"""Which limits have the processes of the declared units, and how much of each is used?

What systemd says, a block for each unit, then of each main process and its children `FILE:LINE` of what is read of
/proc/PID and `/proc/PID/fd COUNT`; `tasks UID COUNT` and `taken PORT CONNECTIONS` where a limit of tasks is near. Of a
command line only the words leave the host in which a program tells its own limit.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, whole
from whyrefused.probes.units import with_sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "/proc/PID"
SECONDS = 10
BYTES = 524288
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("systemctl show", "main process and limits"),
    _rights.run("awk", "parts of what was printed, and tasks counted"),
    _rights.rooted("stat -c", "how many files are open"),
    _rights.rooted("ls -1", "how many files are open, before Linux 6.2"),
    _rights.run("grep -sHE", "limits, state and user"),
    _rights.run("grep -saoHE", "a limit in a command line, nothing else of it"),
    _rights.run("grep -qE", "is a limit of tasks near"),
    _rights.run("ss -H -t -n state established", "connections, where a limit of tasks is near"),
)
READS = {
    "/proc/PID/limits": "limits of the unit's processes",
    "/proc/PID/status": "state, user, threads",
    "/proc/PID/cmdline": "a limit that stands in it",
    "/proc/PID/task/PID/children": "its children",
}

PROPERTIES = (
    "Id,Names,MainPID,TasksCurrent,TasksMax,FreezerState,Accept,MaxConnections,MaxConnectionsPerSource,NConnections,"
    "NRefused"
)
INFINITY = 2**64 - 1
"""What systemctl(1) prints of a limit that is none, in some versions."""

# The size of /proc/PID/fd is the number of files since Linux 6.2, and everybody may ask for it; before, the folder has
# to be listed, which takes the rights of its owner. Connections are counted only where a limit of tasks
# is, or may be, reached.
ASK = r"""
o=$(systemctl show --no-pager -p {properties} -- {units}); s=$?; printf '%s\n\n' "$o"; p=; n=0; few=
for m in $(printf '%s\n\n' "$o" | awk -F= '
  $1 == "MainPID" && $2 + 0 {{ print $2 }} $1 == "TasksCurrent" {{ t = $2 + 0 }} $1 == "TasksMax" {{ m = $2 + 0 }}
  $0 == "" {{ if (m && m <= t) print "few"; t = m = 0 }}'); do
  [ "$m" != few ] || {{ few=y; continue; }}
  c=; if [ -r "/proc/$m/task/$m/children" ]; then read -r c <"/proc/$m/task/$m/children"; else echo "blind $m 1"; fi
  for q in $m $c; do
    [ $n -lt 64 ] || {{ echo "blind $m 1"; break; }}; n=$((n + 1)); p="$p $q"; [ "$q" = "$m" ] || echo "child $q $m"
  done
done
at() {{ for q in $p; do printf ' /proc/%s/%s' "$q" "$1"; done; }}
if [ "$p" ]; then
  d=$($S stat -c '%n %s' $(at fd) 2>/dev/null)
  case $d in *' 0'*|'')
    $S ls -1 -- $(at fd) /dev/null 2>/dev/null | awk '
      /^\/proc\/[0-9]+\/fd:$/ {{ sub(/:$/, ""); f = $0; c[f] = 0 }} f && /^[0-9]+$/ {{ c[f]++ }}
      END {{ for (f in c) print f, c[f] }}' ;;
  *) printf '%s\n' "$d" ;; esac
  l=$(grep -sHE '^Max (open files|processes) ' $(at limits)); printf '%s\n' "$l"
  grep -sHE '^(State|Uid):' $(at status)
  grep -saoHE '\[listener\] [0-9]+ of [0-9]+-[0-9]+ startups|max-children=[0-9]+' $(at cmdline)
  if [ "$few" ] || printf '%s\n' "$l" | grep -qE ':Max processes  *[0-9]{{1,4}} '; then
    awk '/^Uid:/ {{ u = $2 }} /^Threads:/ {{ t[u] += $2 }} END {{ for (u in t) print "tasks", u, t[u] }}' \
      /proc/[0-9]*/status 2>/dev/null
    ss -H -t -n state established |
      awk '{{ sub(/.*:/, "", $3); c[$3]++ }} END {{ for (a in c) print "taken", a, c[a] }}'
  fi
fi
echo end; exit $s
"""

MOST_FILES = re.compile(r":Max open files (?:\d+|unlimited)\b")
ROW = re.compile(r"/proc/(\d{1,10})/(limits|status|cmdline):(.*)")
FILES = re.compile(r"/proc/(\d{1,10})/fd (\d{1,12})")
PAIR = re.compile(r"(blind|child|tasks|taken) (\d{1,10}) (\d{1,10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of a unit."""

    pid: int
    files: int | None  # open descriptors; None where not told
    most_files: int | None  # its soft limit; None: not told, or unlimited (`limit_told`)
    most_tasks: int | None  # of its user, soft
    uid: int | None
    state: str  # S, R, D, T (stopped), …
    own: str  # what it says of its own limit: `[listener] 0 of 10-100 startups`, `max-children=5`
    lines: tuple[str, ...]

    @property
    def limit_told(self) -> bool:
        """Was anything told of the limit of its files?"""
        return any(MOST_FILES.search(line) for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One unit: what systemd says of its limits, and its processes."""

    name: str
    properties: Mapping[str, str]
    processes: tuple[Process, ...]  # the main one first
    tasks: Mapping[int, int] = field(default_factory=dict)  # by user; only where a limit of tasks is near
    taken: Mapping[int, int] = field(default_factory=dict)  # established connections by port; as above
    unseen: str = ""  # why not all of its processes are known, else empty

    def number(self, name: str) -> int | None:
        """Which number has this property? None where it is not set, or infinite."""
        number = whole(self.properties.get(name, ""))
        return None if number == INFINITY else number

    def said(self, *names: str) -> str:
        """These properties, in systemd's own words."""
        return " ".join(f"{name}={self.properties.get(name, '')}" for name in names)


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for the limits of these units?"""
    names = {name for unit in asked for name in with_sockets(unit) if "@." not in name}
    # postgresql.service of Debian runs nothing itself: its instances do. A pattern finds those that are loaded.
    instances = {
        name.replace(".service", "@*.service") for name in names if name.endswith(".service") and "@" not in name
    }
    units = sorted(names | instances)
    return ASK.format(properties=PROPERTIES, units=" ".join(map(shlex.quote, units)))


def parse(frame: Frame) -> Mapping[str, Running]:
    """Which limits? By every name of a unit."""
    head, _, tail = frame.text.rpartition("\n\n")
    lines = [line for line in tail.split("\n") if line.strip()]
    if not lines or lines[-1] != "end":
        raise Unreadable(f"{SOURCE}: cut short")
    blocks = [dict(line.split("=", 1) for line in block.split("\n") if "=" in line) for block in head.split("\n\n")]
    blocks = [block for block in blocks if "Id" in block]
    if not blocks:
        raise Unreadable(f"systemctl show: {frame.text.strip()[:200]}")
    for block in blocks:
        if block["Id"].endswith(".service") and whole(block.get("MainPID", "")) is None:
            raise Unreadable(f"systemctl show {block['Id'][:80]}: whether it has a process is not told")
    told = _Told(lines)
    return {name: told.unit(name, block) for block in blocks for name in {block["Id"], *block.get("Names", "").split()}}


class _Told:
    """What /proc said of each process."""

    def __init__(self, lines: list[str]) -> None:
        self.rows: dict[int, dict[str, str]] = {}
        self.files: dict[int, tuple[int, str]] = {}
        self.children: dict[int, list[int]] = {}
        self.blind: set[int] = set()
        self.tasks: dict[int, int] = {}
        self.taken: dict[int, int] = {}
        for line in lines:
            if row := ROW.fullmatch(line):
                self.rows.setdefault(int(row[1]), {})[_key(row[3])] = line
            elif row := FILES.fullmatch(line):
                self.files[int(row[1])] = (int(row[2]), line)
            elif row := PAIR.fullmatch(line):
                first, second = int(row[2]), int(row[3])
                if row[1] == "blind":
                    self.blind.add(first)
                elif row[1] == "child":
                    self.children.setdefault(second, []).append(first)
                else:
                    (self.tasks if row[1] == "tasks" else self.taken)[first] = second

    def unit(self, name: str, block: Mapping[str, str]) -> Running:
        """What is known of the unit of this block?"""
        pid = whole(block.get("MainPID", "")) or 0
        processes = self._of(pid)
        return Running(name=name, properties=block, processes=processes, tasks=self.tasks, taken=self.taken,
                       unseen="not all of its processes can be seen" if pid in self.blind else "")  # fmt: skip

    def _of(self, pid: int) -> tuple[Process, ...]:
        return tuple(self._one(each) for each in (pid, *self.children.get(pid, ()))) if pid else ()

    def _one(self, pid: int) -> Process:
        rows = self.rows.get(pid, {})
        files, line = self.files.get(pid, (0, ""))
        limits = {name: _first(rows.get(name, ""), f":{name} ") for name in ("Max open files", "Max processes")}
        return Process(
            pid=pid, files=files or None, most_files=limits["Max open files"], most_tasks=limits["Max processes"],
            uid=_first(rows.get("Uid", ""), ":Uid:"), state=rows.get("State", "").partition("State:")[2].strip()[:1],
            own=rows.get("", "").partition("cmdline:")[2],
            lines=tuple(" ".join(one.split()) for one in (line, *rows.values()) if one),
        )  # fmt: skip


def _key(text: str) -> str:
    return next((name for name in ("Max open files", "Max processes", "State", "Uid") if text.startswith(name)), "")


def _first(line: str, after: str) -> int | None:
    words = line.partition(after)[2].split()
    return whole(words[0]) if words else None
