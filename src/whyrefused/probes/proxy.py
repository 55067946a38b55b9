"""Which proxy variables are set, where?

Only the proxy variables leave the host, and their credentials are struck out there. Of the files that may set them only
the numbers of the lines leave it.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights, failed
from whyrefused.probes.units import suffixed
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "env | grep -i _proxy="
SECONDS = 20
BYTES = 262144
SIDE_BY_SIDE = True
AT_ONCE = True
AFTER: tuple[str, ...] = ("units",)
RUNS = (
    _rights.run("SHELL -l -c", "the environment of a login: the login's own shell reads its own files"),
    _rights.run(
        "env -i",
        "the environment of a login: the login's own shell reads its own files, where the visit came not by SSH",
    ),
    _rights.run("cat", "that environment, inside of the login shell"),
    _rights.rooted("cat", "the environment of a unit's process"),
    _rights.rooted(
        "grep -szHiE",
        "whether a proxy variable, or any, is in the environments of units' processes, and their files",
    ),
    _rights.run("tr", "one variable a line"),
    _rights.run("grep", "keeps the proxy variables, finds the lines that set them"),
    _rights.run("sed", "strikes out credentials"),
    _rights.run("head -n", "at most 40 lines"),
    _rights.run("id -un", "whose environment"),
    _rights.run("systemctl show", "a unit's process and files"),
    _rights.run("dbus-send --system --print-reply", "is a proxy variable in what every unit gets"),
    _rights.run("systemctl show-environment", "what every unit gets"),
    _rights.run("apt-config dump", "the proxy of apt, where its files name one"),
    _rights.run("dpkg --print-foreign-architectures", "apt-config asks it at its start"),
    _rights.run("python3 -ISBc", "one connect to each proxy that is set"),
    _rights.run("sort -u", "each once"),
    _rights.run("timeout", "a login shell has 8 s"),
)
READS = {
    "/etc/environment": "proxies of every login",
    "/etc/profile": "read by the login shell, and searched for lines that set a proxy",
    "/etc/profile.d/*": "read by the login shell, and searched for lines that set a proxy",
    "/etc/bash.bashrc": "read by the login shell, and searched for lines that set a proxy",
    "HOME/.*": "read by the login shell, and searched: .profile, .bash_profile, .bash_login, .bashrc",
    "/etc/apt/apt.conf.d/*": "is there a proxy",
    "/etc/apt/apt.conf": "is there a proxy",
    "HOME/.docker/config.json": "is there a proxy",
    "/etc/docker/daemon.json": "is there a proxy",
    "/etc/systemd/system.conf*": "lines that set a proxy",
    "/etc/dpkg/*": "read by dpkg, which apt-config starts",
    "/var/lib/dpkg/arch": "read by dpkg, which apt-config starts",
    "/proc/PID/environ": "of a unit's process",
    "UNIT FILES": "what a unit's environment is made of: unit file, drop-ins, EnvironmentFile",
    "/etc/default/*": "of a unit: the usual EnvironmentFile",
    "/etc/sysconfig/*": "of a unit: the usual EnvironmentFile",
    "/proc/self/environ": "of the login shell",
}

LOGIN, ETC, MANAGER = "login shell", "/etc/environment", "systemd manager"
ASIDE = ("apt", "Docker client", "Docker daemon")
"""Programs with a proxy of their own, shown beside what is judged."""
VARIABLE = re.compile(r"(?:export\s+)?((?:https?|ftp|all|no)_proxy)=(.*)", re.IGNORECASE)

# An environment without PATH was not read: a login has it from sshd, systemd gives it to its units.
# Reads NAME=VALUE lines, keeps the proxy variables, strikes out what stands before an @, and says where it looked.
# Mostly there are none, which the shell sees by itself in `told`: no process is started for that. What it told stands
# in `found` too.
HELPERS = r"""
n='
'
has() { case $1 in *_[Pp][Rr][Oo][Xx][Yy]=*) ;; *) return 1 ;; esac; }
told() { if has "$2"; then k=$(printf '%s\n' "$2" | keep "$1"); found="$found$n$k"; printf '%s\n' "$k"
  else printf '%s\t.\n' "$1"; fi; }
keep() { grep -iE '^ *(export +)?"?(https?|ftp|all|no)_proxy=' |
  sed -e 's/^ *//' -e "s/=[$]'/='/" -e 's/"//g' -e "s/'//g" -e 's#=\([A-Za-z0-9+.-]*://\)\{0,1\}.*@#=\1***@#' |
  while read -r l; do printf '%s\t%s\n' "$1" "$l"; done; printf '%s\t.\n' "$1"; }
lost() { printf '%s\t!%s\n' "$1" "$2"; }
slurp() { v=; while IFS= read -r l || [ "$l" ]; do v=$v$l$n; done <"$1"; }
lines() { tr '\n\000' ' \n'; }
from() {
  p=$1; shift
  for f do
    if [ -f "$f" ] && [ -r "$f" ]; then
      grep -niE '^[^#]*(https?|ftp|all|no)_proxy=' "$f" | grep -oiE '^[0-9]+:|(https?|ftp|all|no)_proxy=' |
        head -n 40 | while read -r l; do
          case $l in *:) n=$l ;; *) printf '%s\t@%s:%s%s\n' "$p" "$f" "$n" "${l%=}" ;; esac
        done
    fi
  done
}
"""

# A login over SSH has its environment from PAM already; elsewhere a new one is made, so that ours does not count.
# The first look tells whether a variable is there, in the shell's own words or with the NUL between them dropped; a
# second one tells which.
# systemctl takes twice the processor that dbus-send does, which tells whether a variable is there; then systemctl says
# it. dbus-send may ask only a bus that is running: it would start another.
PLACES = r"""
bus() {
  for d in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    if [ -d $d/system.slice/dbus.service ] || [ -d $d/system.slice/dbus-broker.service ]; then
      command -v dbus-send >/dev/null && e=$(dbus-send --system --print-reply --reply-timeout=3000 \
        --dest=org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Properties.Get \
        string:org.freedesktop.systemd1.Manager string:Environment 2>/dev/null)
      return
    fi
  done
  return 1
}
case "${SHELL:-/bin/sh}" in
*/nologin|*/false|*csh) lost 'login shell' "the login shell is $SHELL" ;;
*)
  t='timeout 8'; [ -z "${_token-}" ] || t=
  login() { if [ "$SSH_CONNECTION" ]; then e=$($t "${SHELL:-/bin/sh}" -l -c "$1")
  else e=$(env -i HOME="$HOME" USER="$(id -un)" LOGNAME="$(id -un)" SHELL="${SHELL:-/bin/sh}" PATH="$PATH" TERM=dumb \
    timeout 8 "${SHELL:-/bin/sh}" -l -c "$1"); fi; s=$?; }
  case ${SHELL##*/} in sh|bash|dash|ksh|zsh) c='echo; export -p' ;; *) c='echo; exec cat /proc/self/environ' ;; esac
  { login "$c"; } 2>/dev/null
  if has "$e"; then { login 'echo; cat /proc/self/environ | tr "\n\000" " \n"'; } 2>/dev/null; fi
  case $s:$e in 0:*PATH=*) told 'login shell' "$e"; if has "$e"; then from 'login shell' /etc/profile \
    /etc/profile.d/*.sh /etc/bash.bashrc ~/.profile ~/.bash_profile ~/.bash_login ~/.bashrc; fi
  ;; *) lost 'login shell' "${SHELL:-/bin/sh} -l ended with $s and told no environment" ;; esac ;;
esac
if [ ! -e /etc/environment ]; then printf '/etc/environment\t.\n'
elif [ -r /etc/environment ]; then slurp /etc/environment; told /etc/environment "$v"
else lost /etc/environment 'not permitted'; fi
if ! [ -d /run/systemd/system ]; then printf 'systemd manager\t-\n'  # another init: there is none
elif bus && case $e in *PATH=*) ;; *) false ;; esac && ! has "$e"; then printf 'systemd manager\t.\n'
  e=${e%%.*}; e=${e##*time=}; case $e in ''|*[!0-9]*) ;; *) printf 'clock\t%s\n' "$e" ;; esac
elif e=$(systemctl show-environment 2>&1) && case $e in *PATH=*) ;; *) false ;; esac; then told 'systemd manager' "$e"
  if has "$e"; then from 'systemd manager' /etc/systemd/system.conf /etc/systemd/system.conf.d/*.conf; fi
else lost 'systemd manager' "systemctl show-environment ended with $?"; fi
"""

# One connect to each proxy that is set, where python3 is there: a dead one refuses in the server's stead.
TRY = r"""
try() {
  p=$(printf '%s\n' "$1" | grep -iE '(https?|all)_proxy=' |
    sed -nE 's#^[^=]*=(http://)?(\*\*\*@)?([A-Za-z0-9._-]+):([0-9]{1,5})/?$#\3:\4#p' | sort -u | head -n 4)
  if [ "$p" ] && command -v python3 >/dev/null 2>&1; then timeout 6 python3 -ISBc "$TRIED" $p; fi
}
"""
TRIED = r"""
import errno, socket, sys, threading
def one(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 4).close()
        word = "ok"
    except socket.gaierror:
        word = "no address"
    except socket.timeout:
        word = "ETIMEDOUT"
    except (OSError, OverflowError) as error:
        word = errno.errorcode.get(getattr(error, "errno", 0), "no connection")
    sys.stdout.write("%s\t=%s\n" % (place, word))
threads = [threading.Thread(target=one, args=(place,)) for place in sys.argv[1:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

# Programs with a setting of their own, told beside others' only; where there is none, nothing is printed.
OWN = r"""
own() { e=$(cat); if has "$e"; then told "$1" "$e"; fi; }
if grep -qis 'proxy' /etc/apt/apt.conf /etc/apt/apt.conf.d/*; then
  apt-config dump 2>/dev/null | sed -nE 's/^Acquire::(http|https|ftp)::Proxy "(.*)";$/\1_proxy=\2/p' | own apt
fi
if [ -r ~/.docker/config.json ]; then
  grep -oE '"(http|https|ftp|all|no)Proxy" *: *"[^"]*"' ~/.docker/config.json |
    sed -E 's/^"([a-z]+)Proxy" *: *"(.*)"$/\1_proxy=\2/' | own 'Docker client'
fi
if [ -r /etc/docker/daemon.json ]; then
  grep -oE '"(http|https|no)-proxy" *: *"[^"]*"' /etc/docker/daemon.json |
    sed -E 's/^"([a-z]+)-proxy" *: *"(.*)"$/\1_proxy=\2/' | own 'Docker daemon'
fi
"""

# A unit's environment: of its main process where the login may read it, else what its unit file sets. The processes of
# all units are asked for at once; the block that has the unit's name, or an alias of it, has its number. One look at
# all their environments, and at the files of the units as systemd has read them, tells mostly that no proxy variable is
# in any. With -z a file is one line, which has a section: it is told as a whole. (-o would take three times as long.)
# Where a process does not show its own, these files and their EnvironmentFiles mostly do not hold such a word either;
# the usual ones of those, which begin with a comment, are in the same look.
# `table` parts words at each = to see the empty line behind a block: at line ends the shell would pass over it.
UNIT = r"""
table() {
  set -f; IFS='='; set -- $1$n$n; unset IFS; m=; k=; names=; p=; l=; d=; f=; q=
  for v do
    case $k in
    Names) names=${v%%"$n"*} ;; MainPID) p=${v%%"$n"*} ;; LoadState) l=${v%%"$n"*} ;;
    NeedDaemonReload) d=${v%%"$n"*} ;; FragmentPath) f=${v%%"$n"*} ;; DropInPaths) q=${v%%"$n"*} ;;
    esac
    case $v in *"$n$n"*)
      for u in $names; do m="$m$n$u ${p:-0} ${l:--} ${d:--} ${f:--} $q"; done; names=; p=; l=; d=; f=; q= ;;
    esac
    k=${v##*"$n"}
  done; set +f
}
row() {
  set -f; IFS=$n
  for r in $m; do case $r in "$1 "*) unset IFS; set +f; return ;; esac; done
  unset IFS; set +f; r=; return 1
}
main() { row "$1"; p=${r#* }; p=${p%% *}; case $p in 0|*[!0-9]*) p= ;; esac; }
look() {
  f=; g=; set -f
  for u do
    main "$u"
    if [ "$p" ] && { [ "$S" ] || [ -r "/proc/$p/environ" ]; }; then f="$f /proc/$p/environ"; fi
    set -f; set -- $r; shift $(($# < 4 ? $# : 4))
    for q in "$@" "/etc/default/${u%.*}" "/etc/sysconfig/${u%.*}"; do [ ! -r "$q" ] || g="$g $q"; done
  done
  w=; [ -z "$f$g" ] || w=$($S grep -szHiE '^(#|([a-z]+_proxy|PATH)=)|[[](unit|service|install)]' $g $f)
  set +f
}
bare() {
  for u do
    main "$u"; case $w in *"/proc/$p/environ:PATH="*) continue ;; esac
    set -f; set -- $r; [ "${3-} ${4-}" = 'loaded no' ] || return
    shift 4; for q do [ -r "$q" ] && case $w in *"$q:"*) ;; *) false ;; esac || return; done
  done
  case $w in *_[Pp][Rr][Oo][Xx][Yy]*) return 1 ;; esac
  set -f; IFS=$n
  for l in $w; do
    case $l in
    [#\;]*) continue ;;
    *[Ee][Nn][Vv][Ii][Rr][Oo][Nn][Mm][Ee][Nn][Tt]*) ;; *) continue ;;
    esac
    case $l in
    *\\*|*%*) return 1 ;;
    Environment=*) continue ;;
    EnvironmentFile=*[*?[]*|EnvironmentFile=|EnvironmentFile=-) return 1 ;;
    EnvironmentFile=*) l=${l#*=}; l=${l#-} ;;
    *) return 1 ;;
    esac
    [ -e "$l" ] || continue
    [ -f "$l" ] && [ -r "$l" ] || return
    case $w in *"$n$l:#"*) continue ;; esac
    slurp "$l"; case $v in *_[Pp][Rr][Oo][Xx][Yy]*) return 1 ;; esac
  done
}
environ() { if [ "$S" ]; then $S cat "/proc/$1/environ" | lines; else lines <"/proc/$1/environ"; fi; }
units() {
  for u do printf 'unit %s\t?\n' "$u"; done
  [ -d /run/systemd/system ] || { for u do printf 'unit %s\t-\n' "$u"; done; return; }
  table "${seen_units-}"
  for u do
    row "$u" || { table "$(systemctl show --no-pager -p Names -p MainPID -- "$@" 2>/dev/null)"; break; }
  done
  { look "$@"; } 2>/dev/null
  if has "$w"; then w=; b=1; else bare "$@"; b=$?; unset IFS; set +f; fi
  if [ "$b" = 0 ]; then for u do printf 'unit %s\t.\n' "$u"; done; return; fi
  for u do
    main "$u"
    case $w in *"/proc/$p/environ:PATH="*) printf 'unit %s\t.\n' "$u"; continue ;; esac
    v=; [ -z "$p" ] || v=$(environ "$p" 2>/dev/null)
    # A program that writes its title over its environment, as nginx does, leaves no PATH, which systemd always sets.
    case $v in *PATH=*) told "unit $u" "$v" ;; *) unit "$u" ;; esac
    if has "$v"; then from "unit $u" $(systemctl show --no-pager -p FragmentPath -p DropInPaths -p EnvironmentFiles \
      -- "$u" 2>/dev/null | sed -e 's/^[A-Za-z]*=//' -e 's/ (ignore_errors=.*//'); fi
  done
}
unit() {
  e=$(systemctl show --no-pager -p Id -p Environment -p EnvironmentFiles -- "$1" 2>&1) &&
    case $e in *Id=*) ;; *) false ;; esac ||
    { lost "unit $1" "systemctl show ended with $?"; return; }
  b=$(printf '%s\n' "$e" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=\(.*\))$/\2 \1/p' | while read -r i f; do
    [ ! -e "$f" ] || [ -r "$f" ] || echo "$f"; done)
  if [ "$b" ]; then lost "unit $1" "not permitted: $b"; return; fi
  v=$(
    printf '%s\n' "$e" | sed -n 's/^Environment=//p' | sed 's/ \("\{0,1\}[A-Za-z_][A-Za-z0-9_]*=\)/\n\1/g'
    printf '%s\n' "$e" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=.*)$/\1/p' |
      while read -r f; do cat "$f" 2>/dev/null; done)
  told "unit $1" "$v"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One proxy variable somewhere on a host."""

    variable: str  # as it stands there, upper or lower case
    value: str  # without credentials
    line: str
    connect: str = ""  # what a connect to that proxy gave: ok, or errno's name; empty where it was not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A line of a file of a place that sets a proxy variable."""

    file: str
    number: int
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place where programs get their environment from."""

    name: str  # `login shell`, `/etc/environment`, `unit nginx.service`, …
    settings: tuple[Setting, ...] | Missing
    files: tuple[Origin, ...] = ()  # where it may come from; of a place that sets none: empty

    @property
    def aside(self) -> bool:
        """Is it one program's own setting, which no item judges?"""
        return self.name in ASIDE


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for the proxy variables of the login, the machine and these units?"""
    units = " ".join(shlex.quote(suffixed(unit)) for unit in asked)
    asking = f"units {units}" if asked else ":"
    tried = f"TRIED={shlex.quote(TRIED)}"
    return (
        f"{HELPERS}{TRY}{UNIT if asked else ''}{tried}\naside() {{\n{OWN}\n}}\nfound=\n{PLACES}{asking}\n"
        'if has "$found"; then e=$(aside); printf \'%s\\n\' "$e"; try "$found$n$e"; fi; true'
    )


def parse(frame: Frame) -> Mapping[str, Place]:
    """Which proxy variables are set? By place. Without the places that every host has nothing was looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    rows = [(name, words) for name, tab, words in (line.partition("\t") for line in frame.text.split("\n")) if tab]
    absent = {name for name, words in rows if words == "-"}
    tried = {name: words[1:] for name, words in rows if words.startswith("=")}
    settings: dict[str, list[Setting]] = {}
    files: dict[str, list[Origin]] = {}
    for name, words in rows:
        if words.startswith("@"):
            files.setdefault(name, []).append(_origin(words[1:]))
        elif found := VARIABLE.fullmatch(words.strip()):
            settings.setdefault(name, []).append(_setting(found, words.strip(), tried))
    places: dict[str, Place] = {}
    for name, words in rows:
        if words == ".":
            found_here, told = tuple(settings.get(name, ())), tuple(files.get(name, ()))
            places[name] = Place(name=name, settings=found_here, files=told)
        elif words.startswith("!"):
            places[name] = Place(name=name, settings=Missing(f"proxy variables of {name}: {words[1:]}"))
    asked = {name for name, words in rows if words == "?"}
    if not {LOGIN, ETC} <= places.keys() or not {MANAGER, *asked} <= places.keys() | absent:
        raise Unreadable(f"{SOURCE}: cut short")
    return places


def _setting(found: re.Match[str], line: str, tried: Mapping[str, str]) -> Setting:
    value = found[2].strip()
    place = re.split(r"[@/]", value.rstrip("/"))[-1]
    return Setting(variable=found[1], value=value, line=line, connect=tried.get(place, ""))


def _origin(words: str) -> Origin:
    rest, _, variable = words.rpartition(":")
    file, _, number = rest.rpartition(":")
    if not number.isascii() or not number.isdigit() or len(number) > 9:  # noqa: PLR2004 - no line is further down
        raise Unreadable(f"{SOURCE}: not understood: {words[:120]!r}")
    return Origin(file=file, number=int(number), variable=variable)
