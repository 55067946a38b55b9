"""What does systemd say of the declared units?"""

from __future__ import annotations

import ipaddress
import math
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "systemctl show"
SECONDS = 10
BYTES = 262144
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.run("systemctl show", "the state"),
    _rights.run("sed -n", "which socket starts it"),
)
READS = {
    "/proc/uptime": "how long it has been active",
    "UNIT FOLDERS": "has a socket unit a file: its name alone",
}

# Never Environment= or ExecStart=: they hold passwords.
PROPERTIES = (
    "Id,Names,LoadState,ActiveState,SubState,Result,UnitFileState,Type,ExecMainCode,ExecMainStatus,MainPID,NRestarts,"
    "ControlGroup,TriggeredBy,Triggers,FragmentPath,DropInPaths,ActiveEnterTimestampMonotonic,Listen,"
    "IPAddressAllow,IPAddressDeny,RestrictAddressFamilies,PrivateNetwork,"
    "ConditionResult,ConditionTimestampMonotonic,AssertResult,AssertTimestampMonotonic,NeedDaemonReload"
)
TOLD = frozenset({"LoadState", "ActiveState", "SubState", "UnitFileState"})
"""What systemd tells of every unit, be it there or not: without them nothing is known of one."""
FENCES = ("IPAddressAllow", "IPAddressDeny", "RestrictAddressFamilies")

# A socket unit may have another name than the service it starts: those that systemd names are asked for too. So are the
# instances of a template beside a unit that only starts them (postgresql.service: exited, postgresql@15-main.service).
# For a unit that it has not loaded systemd looks through all its folders, so that a socket unit that nobody declared is
# asked for only where one of them (systemd.unit(5)) has its file, and a service is not running, not enabled, or started
# by a socket: one that was loaded stands in its TriggeredBy.
# Without --all older versions leave out what is empty, such as the UnitFileState of a unit that is not there.
ASK = r"""
read up rest </proc/uptime; echo "Uptime=$up"; [ ! -e /run/systemd/container ] || echo Container=yes; echo
there() {{
case $1 in *@*) return ;; esac
[ -d /usr/lib/systemd/system ] || [ -d /lib/systemd/system ] || return 0
for d in /etc/systemd/system /run/systemd/system /run/systemd/generator /usr/lib/systemd/system /lib/systemd/system \
  /usr/local/lib/systemd/system /run/systemd/transient /run/systemd/generator.early /run/systemd/generator.late \
  /etc/systemd/system.control /run/systemd/system.control /etc/systemd/system.attached /run/systemd/system.attached
do if [ -e "$d/$1" ] || [ -h "$d/$1" ]; then return; fi; done
return 1
}}
set -- {units}
o=$(systemctl show --all --no-pager -p {properties} -- "$@"); s=$?; printf '%s\n' "$o"; m=
[ $s = 0 ] || exit $s
well=1; case $o in
*ActiveState=[!a]*|*ActiveState=activating*|*SubState=[!r]*|*SubState=reload*|*TriggeredBy=[a-zA-Z0-9_-]*) well= ;;
*UnitFileState=|*UnitFileState=[!e]*|*UnitFileState=enabled-*|*LoadState=[!l]*) well= ;;
*LoadState=*) ;; *) well= ;;
esac
case $o in *TriggeredBy=[a-zA-Z0-9]*)
  for w in $(printf '%s\n' "$o" | sed -n 's/^TriggeredBy=//p'); do
    case " $* $m " in *" $w "*) ;; *) case $w in *.socket) m="$m $w" ;; esac ;; esac
  done ;;
esac
for w in {sockets}; do
  case " $m " in *" $w "*) continue ;; esac
  if [ "$well" ]; then l=unneeded; elif there "$w"; then m="$m $w"; continue; else l=not-found; fi
  printf '\nId=%s\nNames=%s\nLoadState=%s\nActiveState=inactive\nSubState=dead\nUnitFileState=\n' "$w" "$w" $l
done
case $o in *SubState=exited*)
  for w in "$@"; do case $w in *@*|*.socket) ;; *.service) m="$m ${{w%.service}}@*.service" ;; esac; done ;;
esac
set -f
if [ "$m" ]; then echo; systemctl show --all --no-pager -p {properties} -- $m; fi
exit 0
"""

RESTARTS = 2
SETTLED = 30.0
"""A service that restarted by itself this often and has not lived this many seconds since is in a crash loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit as `systemctl show` prints it (systemctl(1), org.freedesktop.systemd1(5))."""

    name: str  # as asked, with its suffix
    id: str  # its main name; another than `name` where that is an alias
    load: str  # loaded, not-found, masked, bad-setting, error
    active: str  # active, inactive, failed, activating, deactivating, reloading
    sub: str  # running, exited, dead, auto-restart, listening, …
    result: str  # success, exit-code, signal, oom-kill, start-limit-hit, …
    file_state: str  # enabled, disabled, static, masked, …; empty where there is no unit file
    type: str
    main_status: int  # exit status or signal of the main process
    main_pid: int
    restarts: int
    up: float | None  # seconds since it became active
    group: str  # its control group, /system.slice/nginx.service
    triggered_by: tuple[str, ...]
    listens: tuple[str, ...]  # of a socket unit: `[::]:8020 (Stream)`, `/run/x (Datagram)`, …
    fragment: str  # the unit file
    drop_ins: tuple[str, ...]
    fences: tuple[tuple[str, str], ...] = ()  # settings that keep it from the network, those that are set
    contained: bool | None = None  # its host is a container; None where it is not
    unmet: str = ""  # `condition` or `assertion`: what kept the last start from being tried (systemd.unit(5))
    network: str = ""  # `private` where it has a network namespace of its own (systemd.exec(5), PrivateNetwork=)

    @property
    def crash_looping(self) -> bool:
        """Does it die and start again by itself?"""
        if self.sub == "auto-restart":
            return True
        if self.active not in {"active", "activating", "reloading"}:
            return False
        return self.restarts >= RESTARTS and self.up is not None and self.up < SETTLED

    @property
    def said(self) -> str:
        """The state in systemd's own words, as one line."""
        words = f"{self.name}: LoadState={self.load} ActiveState={self.active} SubState={self.sub}"
        if self.result not in {"", "success"}:
            words += f" Result={self.result} ExecMainStatus={self.main_status}"
        if self.restarts:
            words += f" NRestarts={self.restarts}"
        return words + (f" UnitFileState={self.file_state}" if self.file_state else "")


def suffixed(unit: str) -> str:
    """Which unit is meant? A name without a suffix is a service (systemctl(1))."""
    suffixes = (".service", ".socket", ".target", ".timer", ".mount", ".path", ".slice", ".scope", ".device",
                ".automount", ".swap")  # fmt: skip
    return unit if unit.endswith(suffixes) else f"{unit}.service"


def with_sockets(unit: str) -> tuple[str, ...]:
    """Which units answer for this one? A service's socket unit of the same name may hold its port."""
    name = suffixed(unit)
    return (name, f"{name.removesuffix('.service')}.socket") if name.endswith(".service") else (name,)


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for these units?"""
    # systemctl(1) ends at the first name that is none, such as a template without an instance, and drops the others.
    units = {name for unit in asked for name in with_sockets(unit)[:1] if "@." not in name}
    sockets = {name for unit in asked for name in with_sockets(unit)[1:] if "@." not in name} - units
    return ASK.format(
        properties=PROPERTIES,
        units=" ".join(map(shlex.quote, sorted(units))), sockets=" ".join(map(shlex.quote, sorted(sockets))),
    )  # fmt: skip


def parse(frame: Frame) -> Mapping[str, Unit]:
    """What is each unit's state? By every name it goes by."""
    blocks = [_properties(block) for block in frame.text.split("\n\n")]
    uptime = _number(blocks[0].get("Uptime", ""))
    contained = True if "Container" in blocks[0] else None
    units: dict[str, Unit] = {}
    for block in blocks[1:]:
        if "Id" not in block:
            continue
        if not TOLD <= block.keys() or not (block["LoadState"] and block["ActiveState"]):
            raise Unreadable(f"systemctl show {block['Id'][:80]}: not told to the end")
        for name in {block["Id"], *block.get("Names", "").split()}:
            units[name] = replace(_unit(name, block, uptime), fences=_fences(block), contained=contained)
    if not units:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    return units


def _properties(block: str) -> dict[str, str]:
    """A socket unit has a line for each `Listen`; no other property is printed twice."""
    found: dict[str, str] = {}
    for key, separator, value in (line.partition("=") for line in block.split("\n")):
        if separator:
            found[key] = f"{found[key]}\n{value}" if key == "Listen" and key in found else value
    return found


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _fences(block: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    try:
        for word in ("IPAddressAllow", "IPAddressDeny"):
            for network in block.get(word, "").split():
                ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise Unreadable(f"systemctl show: IPAddressAllow, IPAddressDeny: {error}") from error
    # systemctl prints `~` alone where no family is denied.
    return tuple((name, block[name]) for name in FENCES if block.get(name, "") not in {"", "~"})


def _unit(name: str, block: Mapping[str, str], uptime: float | None) -> Unit:
    entered = _number(block.get("ActiveEnterTimestampMonotonic", ""))
    up = uptime - entered / 1e6 if uptime is not None and entered else None
    if up is not None and up < 0:
        # It became active after the clock was read, as one in a crash loop does; further apart, they are two clocks: a
        # container may have an uptime of its own (lxcfs).
        up = 0.0 if up > -SECONDS else None
    return Unit(
        name=name,
        id=block["Id"],
        load=block.get("LoadState", ""),
        active=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        result=block.get("Result", ""),
        file_state=block.get("UnitFileState", ""),
        type=block.get("Type", ""),
        main_status=int(_number(block.get("ExecMainStatus", "")) or 0),
        main_pid=int(_number(block.get("MainPID", "")) or 0),
        restarts=int(_number(block.get("NRestarts", "")) or 0),
        up=up,
        group=block.get("ControlGroup", ""),
        triggered_by=tuple(block.get("TriggeredBy", "").split()),
        listens=tuple(line for line in block.get("Listen", "").split("\n") if line),
        fragment=block.get("FragmentPath", ""),
        drop_ins=tuple(block.get("DropInPaths", "").split()),
        unmet=_unmet(block),
        network="private" if block.get("PrivateNetwork") == "yes" else "",
    )


def _unmet(block: Mapping[str, str]) -> str:
    """Before the first try the result is `no` as well, and the time is 0."""
    kinds = (("Condition", "condition"), ("Assert", "assertion"))
    return next(
        (
            word
            for kind, word in kinds
            if block.get(f"{kind}Result") == "no" and (_number(block.get(f"{kind}TimestampMonotonic", "")) or 0) > 0
        ),
        "",
    )
