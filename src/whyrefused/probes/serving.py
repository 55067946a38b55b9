"""How many connections may a well-known daemon hold by its own configuration, and how many are there?

Asked as `DAEMON PORT`. Rows: `taken COUNT PORT`, `FILE:WORDS` of its configuration (sections and limits, nothing else),
and of nginx `cpus COUNT`, `now TIME` and the last line of its log in which it had no connection left.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "ss -Htn state established; grep -i conn"
SECONDS = 10
BYTES = 262144
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("ss -H -t -n state established", "connections of the port"),
    _rights.run("wc -l", "counts them"),
    _rights.rooted("sed -n", "limits in the daemon's own file, nothing else of it"),
    _rights.run("getconf _NPROCESSORS_ONLN", "how many workers"),
    _rights.run("date", "the host's time, as nginx writes it"),
    _rights.rooted("tail -n", "has nginx run out of connections"),
    _rights.run("sed -n", "just those words"),
    _rights.run("tail -n", "the last of them"),
)
READS = {
    "/etc/haproxy/haproxy.cfg": "maxconn",
    "/etc/nginx/nginx.conf": "worker_connections",
    "/var/log/nginx/error.log": 'the words "worker_connections are not enough"',
    "/sys/devices/system/cpu/online": "read by getconf",
}

HAPROXY, NGINX = "/etc/haproxy/haproxy.cfg", "/etc/nginx/nginx.conf"
EXHAUSTED = "worker_connections are not enough"
LOG = "/var/log/nginx/error.log"

ASK = r"""
for k in {asked}; do
  echo "taken $(ss -H -t -n state established "sport = :${{k#* }}" | wc -l) ${{k#* }}"
done
"""
OF_HAPROXY = r"""
$S sed -n -e 's/[[:space:]]*#.*//' -e 's/^[[:space:]]*//' -e '/^\(global\|defaults\|frontend\|listen\|backend\)$/p' \
  -e '/^\(global\|defaults\|frontend\|listen\|backend\|maxconn\)[[:space:]]/p' \
  -e 's/^\(bind[[:space:]]\{1,\}[^[:space:]]*\).*/\1/p' {file} 2>/dev/null | while read -r l; do echo "{file}:$l"; done
"""
OF_NGINX = r"""
$S sed -n -e 's/#.*//' -e 's/.*\(worker_connections[[:space:]]\{1,\}[0-9]*\).*/\1/p' \
  -e 's/.*\(worker_processes[[:space:]]\{1,\}[a-z0-9]*\).*/\1/p' {file} 2>/dev/null |
  while read -r l; do echo "{file}:$l"; done
echo "cpus $(getconf _NPROCESSORS_ONLN)"; date '+now %Y/%m/%d %H:%M:%S'
$S tail -n 100 {log} 2>/dev/null | sed -n 's/\(worker_connections are not enough\).*/\1/p' | tail -n 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What daemons may hold, and what is held."""

    taken: Mapping[int, int]  # established connections, by port
    settings: tuple[tuple[str, str], ...]  # file and words, in order
    cpus: int | None
    now: str  # the host's own time, as nginx writes it
    exhausted: str  # nginx's last line that it had no connection left


def daemon_of(unit: str) -> str:
    """Which of the daemons is this unit, by its name? Empty where none."""
    return next((name for name in ("haproxy", "nginx") if unit.startswith(name)), "")


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks what these daemons may hold?"""
    daemons = {one.partition(" ")[0] for one in asked}
    text = ASK.format(asked=" ".join(map(shlex.quote, asked))) if asked else ""
    text += OF_HAPROXY.replace("{file}", HAPROXY) if "haproxy" in daemons else ""
    text += OF_NGINX.replace("{file}", NGINX).replace("{log}", LOG) if "nginx" in daemons else ""
    return f"{text}echo end"


def parse(frame: Frame) -> Serving:
    """What may they hold, and what do they hold?"""
    lines = [line for line in frame.text.split("\n") if line.strip()]
    if not lines or lines[-1] != "end":
        raise Unreadable(f"{SOURCE}: cut short")
    taken: dict[int, int] = {}
    settings: list[tuple[str, str]] = []
    cpus, now, exhausted = None, "", ""
    for line in lines:
        words = line.split()
        if words[0] == "taken" and len(words) == 3 and None not in (count := [whole(one) for one in words[1:]]):  # noqa: PLR2004 - taken COUNT PORT
            taken[count[1] or 0] = count[0] or 0
        elif line.startswith((f"{HAPROXY}:", f"{NGINX}:")):
            settings.append((line.partition(":")[0], line.partition(":")[2].strip()))
        elif words[0] == "cpus":
            cpus = whole(words[-1])
        elif words[0] == "now":
            now = " ".join(words[1:])
        elif line.endswith(EXHAUSTED):  # the request that may follow stays on the host
            exhausted = line
    return Serving(taken=taken, settings=tuple(settings), cpus=cpus, now=now, exhausted=exhausted)
