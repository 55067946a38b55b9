"""Which proxy variables are set, where?

Only the proxy variables leave the host, and their credentials are struck out there.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, failed
from whyrefused.probes.units import suffixed
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "env | grep -i _proxy="
SECONDS = 15
BYTES = 262144
SIDE_BY_SIDE = True

LOGIN, ETC, MANAGER = "login shell", "/etc/environment", "systemd manager"
VARIABLE = re.compile(r"(?:export\s+)?((?:https?|ftp|all|no)_proxy)=(.*)", re.IGNORECASE)

# Reads NAME=VALUE lines, keeps the proxy variables, strikes out what stands before an @, and says where it looked.
# Mostly there are none, which the shell sees by itself in `told`: no process is started for that.
HELPERS = r"""
told() { case $2 in *_[Pp][Rr][Oo][Xx][Yy]=*) printf '%s\n' "$2" | keep "$1" ;; *) printf '%s\t.\n' "$1" ;; esac; }
keep() { grep -iE '^ *(export +)?"?(https?|ftp|all|no)_proxy=' |
  sed -e 's/^ *//' -e "s/=[$]'/='/" -e 's/"//g' -e "s/'//g" -e 's#=\([A-Za-z0-9+.-]*://\)\{0,1\}.*@#=\1***@#' |
  while read -r l; do printf '%s\t%s\n' "$1" "$l"; done; printf '%s\t.\n' "$1"; }
lost() { printf '%s\t!%s\n' "$1" "$2"; }
lines() { tr '\n\000' ' \n'; }
"""

# A login over SSH has its environment from PAM already; elsewhere a new one is made, so that ours does not count.
PLACES = r"""
case "${SHELL:-/bin/sh}" in
*/nologin|*/false|*csh) lost 'login shell' "the login shell is $SHELL" ;;
*) c='echo; cat /proc/self/environ | tr "\n\000" " \n"'
  if [ "$SSH_CONNECTION" ]; then e=$(timeout 8 "${SHELL:-/bin/sh}" -l -c "$c" 2>/dev/null)
  else e=$(env -i HOME="$HOME" USER="$(id -un)" LOGNAME="$(id -un)" SHELL="${SHELL:-/bin/sh}" PATH="$PATH" TERM=dumb \
    timeout 8 "${SHELL:-/bin/sh}" -l -c "$c" 2>/dev/null); fi
  s=$?
  if [ "$s" = 0 ]; then told 'login shell' "$e"
  else lost 'login shell' "${SHELL:-/bin/sh} -l ended with $s"; fi ;;
esac
if [ ! -e /etc/environment ]; then printf '/etc/environment\t.\n'
elif [ -r /etc/environment ]; then told /etc/environment "$(cat /etc/environment)"
else lost /etc/environment 'not permitted'; fi
if ! [ -d /run/systemd/system ]; then printf 'systemd manager\t-\n'  # another init: there is none
elif e=$(systemctl show-environment 2>&1); then told 'systemd manager' "$e"
else lost 'systemd manager' "systemctl show-environment ended with $?"; fi
"""

# A unit's environment: of its main process where the login may read it, else what its unit file sets. The processes of
# all units are asked for at once; the block that has the unit's name, or an alias of it, has its number.
UNIT = r"""
n='
'
main() {
  r=$2
  while [ "$r" ]; do
    b=${r%%"$n$n"*}; r=${r#"$b"}; r=${r#"$n$n"}; a=$n$b$n; a=${a#*"${n}Names="}; p=$n$b$n; p=${p#*"${n}MainPID="}
    case " ${a%%"$n"*} " in *" $1 "*) echo "${p%%"$n"*}"; return ;; esac
  done
}
environ() { if [ "$S" ]; then $S cat "/proc/$1/environ" | lines; else lines <"/proc/$1/environ"; fi; }
units() {
  [ -d /run/systemd/system ] || return 0
  m=$(systemctl show --no-pager -p Names -p MainPID -- "$@" 2>/dev/null)
  for u do
    p=$(main "$u" "$m")
    case $p in ''|0|*[!0-9]*) unit "$u" ;;
    *) if v=$(environ "$p" 2>/dev/null) && [ "$v" ]; then told "unit $u" "$v"; else unit "$u"; fi ;; esac
  done
}
unit() {
  e=$(systemctl show --no-pager -p Environment -p EnvironmentFiles -- "$1" 2>&1) ||
    { lost "unit $1" "systemctl show ended with $?"; return; }
  b=$(printf '%s\n' "$e" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=\(.*\))$/\2 \1/p' | while read -r i f; do
    [ ! -e "$f" ] || [ -r "$f" ] || echo "$f"; done)
  if [ "$b" ]; then lost "unit $1" "not permitted: $b"; return; fi
  told "unit $1" "$(
    printf '%s\n' "$e" | sed -n 's/^Environment=//p' | sed 's/ \("\{0,1\}[A-Za-z_][A-Za-z0-9_]*=\)/\n\1/g'
    printf '%s\n' "$e" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=.*)$/\1/p' |
      while read -r f; do cat "$f" 2>/dev/null; done)"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One proxy variable somewhere on a host."""

    variable: str  # as it stands there, upper or lower case
    value: str  # without credentials
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place where programs get their environment from."""

    name: str  # `login shell`, `/etc/environment`, `unit nginx.service`, …
    settings: tuple[Setting, ...] | Missing


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text asks for the proxy variables of the login, the machine and these units?"""
    units = " ".join(shlex.quote(suffixed(unit)) for unit in asked)
    return f"{HELPERS}{PLACES}{UNIT}units {units}; true" if asked else f"{HELPERS}{PLACES}true"


def parse(frame: Frame) -> Mapping[str, Place]:
    """Which proxy variables are set? By place. Without the places that every host has nothing was looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    settings: dict[str, list[Setting]] = {}
    places: dict[str, Place] = {}
    absent: set[str] = set()
    for line in frame.text.split("\n"):
        name, separator, words = line.partition("\t")
        if not separator:
            continue
        if words == "-":
            absent.add(name)
        elif words == ".":
            places[name] = Place(name=name, settings=tuple(settings.get(name, ())))
        elif words.startswith("!"):
            places[name] = Place(name=name, settings=Missing(f"proxy variables of {name}: {words[1:]}"))
        elif found := VARIABLE.fullmatch(words.strip()):
            settings.setdefault(name, []).append(Setting(variable=found[1], value=found[2].strip(), line=words.strip()))
    if not {LOGIN, ETC, MANAGER} <= places.keys() | absent:
        raise Unreadable(f"{SOURCE}: cut short")
    return places
