"""Many probes, one script, one reply: how questions are joined and the answer is taken apart. Pure.

The script is POSIX sh. Each probe's output is held in a variable and printed once, as a frame whose head carries the
run's token and the exact length; the whole reply leaves the host in one write:

    BEGIN TOKEN PROBE LENGTH
    …LENGTH bytes, the last line of which is the fragment's exit status and TOKEN…
    END TOKEN PROBE
    DONE TOKEN COUNT
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from whyrefused.probes import _rights, known, registry
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whyrefused.probes import Probe

Asked = tuple[str, ...]

NICE = 10
"""How far the whole visit stands back for the host's own work (nice(1))."""
PATIENCE = 4
"""Seconds that all have together that answer at once."""
MEMORY = 32768
"""KiB of address space that the shell has which asks them."""
ARGUMENT = 100_000
"""Bytes of shell text that are given to `sh -c`; Linux takes 128 KiB (execve(2), MAX_ARG_STRLEN)."""

# LC_ALL=C makes ${#o} count bytes. A fragment's last line is its status and the token: where `head` cut, it is not
# there. `all` is read to its end before it runs, so a script that arrives cut runs nothing.
HEAD = r"""
LC_ALL=C; export LC_ALL S R A M
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; export PATH
renice -n NICE -p $$ >/dev/null 2>&1; ionice -c 3 -p $$ >/dev/null 2>&1
E=exec; command -v timeout >/dev/null 2>&1 || { E=; timeout() { shift; "$@"; }; }
ask() {
o=$( { timeout "$2" sh -c "${4:-$Q}" sh "$1" </dev/null 2>&1; printf '\n%s %s' "$?" "$T"; } | head -c "$3" )
printf 'BEGIN %s %s %s\n%s\nEND %s %s\n' "$T" "$1" "${#o}" "$o" "$T" "$1"
}
""".replace("NICE", str(NICE))

# What answers at once is asked in one shell, which has one deadline and one bound of memory for all. What it owes, as
# one of them took too long, printed too much or ended the shell, is asked by itself, with limits of its own; its last
# frame too, which may be half of one.
FIRST = r"""
once() { token=$T; export token; $E timeout SECONDS sh -c "$Q"; }
whole() { case $q in *"
ALL $T") q=${q%"
ALL $T"} ;; *) return 1 ;; esac; }
cut() { q=${q%"BEGIN $T "*}; }
owed() { case "$q
" in *"
END $T $1
"*) return 1 ;; esac; }
""".replace("SECONDS", str(PATIENCE))

# Who asks for nothing slow is done before it could be told that its reader has gone.
SLOW = r"""
first() { q=$(once); if whole; then printf '%s\n' "$q"; else cut; printf '%s\n' "$q"; left; fi; }
watch 2>/dev/null & w=$!; r=$(all 2>/dev/null); kill $w; wait $w
"""
QUICK = r"""
q=$(once 2>/dev/null)
if whole; then r=$q; else cut; echo; watch 2>/dev/null & w=$!; r="$q
$(left 2>/dev/null)"; kill $w; wait $w; fi
"""

# The token is for no program's environment. A frame that is too large is told as one without a status. A fragment finds
# in seen_NAME what the frame NAME holds, if that ended well and was asked before. A shell whose variables have no
# memory left ends; what it starts may have as much as before. What is known without a look at more than files is told
# without a subshell.
TOGETHER = r"""
if [ "$1" ]; then "p_$1"; exit; fi
_token=$token; unset token; timeout() { shift; "$@"; }
_v=; { ulimit -S -v unlimited && ulimit -S -v MEMORY && _v=1; } 2>/dev/null
frame() {
o=$( trap 'printf "\n%s %s" "$?" "$_token"' EXIT; [ -z "$_v" ] || ulimit -S -v unlimited; exec </dev/null 2>&1; "p_$1" )
tell "$@"
}
brief() { told=; if "k_$1"; then o="$told
0 $_token"; tell "$@"; else frame "$@"; fi; }
tell() {
[ "${#o}" -le "$2" ] || o=
printf 'BEGIN %s %s %s\n%s\nEND %s %s\n' "$_token" "$1" "${#o}" "$o" "$_token" "$1"
case $o in *"
0 $_token") eval "seen_$1=\$o" ;; esac
}
""".replace("MEMORY", str(MEMORY))

# A sudo that waits for a nameserver is no sign that nobody runs this.
# What of the wanted rights does sudo give? sudo-rs lists as sudo does; where there is no list, one command is tried.
# What is refused leaves a file in /run/sudo/ts, but with -k (sudo(8)).
# A command without arguments is listed as `COMMAND ""` (sudoers(5)): without the quotes any argument would be let in.
RIGHTS = r"""
permitted() { sudo -n -k -l </dev/null 2>/dev/null | head -c 65536 | sed -e 's/ "",/,/g' -e 's/ ""$//' -e 's/$/,/'; }
M=all; case $U in root) A=$(permitted) ;; esac
case $A in
*"($U) NOPASSWD: ALL,"*|*"($U : $U) NOPASSWD: ALL,"*|*'(ALL) NOPASSWD: ALL,'*|*'(ALL : ALL) NOPASSWD: ALL,'*) A= ;;
LISTED) M=list; S= ;;
*) A=; sudo -n -k -u "$U" -- true </dev/null >/dev/null 2>&1 || { M=none; S=; } ;;
esac
"""

# The kernel tells nobody that the other end of a connection has gone but who writes to it. So there is a line end every
# two seconds, outside of all frames; where it cannot be written, whatever the script has begun is ended.
WATCH = r"""
watch() {
trap '' PIPE; z=; trap '[ -z "$z" ] || kill "$z"; exit' TERM
while :; do sleep 2 >/dev/null 2>&1 </dev/null & z=$!; wait "$z" && kill -0 $$ || exit; echo || break; done
read -r w x </proc/self/stat; b=$$; e=
while [ "$b" ]; do
set -- $b; b=
for p do for f in /proc/$p/task/*/children; do
c=; [ ! -r "$f" ] || read -r c <"$f"
for q in $c; do [ "$q" = "$w" ] || { b="$b $q"; e="$e $q"; }; done
done; done
done
kill $e $$
}
"""


RUNS = (
    _rights.run("sh", "reads the script from its input; one for each fragment"),
    _rights.run("renice -n 10", "the whole visit runs when nobody else wants the processor"),
    _rights.run("ionice -c 3", "and the disk, where ionice is there"),
    _rights.run("timeout", "ends a fragment that takes too long"),
    _rights.run("head -c", "ends one that prints too much"),
    _rights.run("cat", "keeps quick answers behind slow ones"),
    _rights.run("sleep 2", "between two looks whether the connection is still there"),
    _rights.run("sudo -n -k -l", "what may be run as root, where the inventory asks for that"),
    _rights.run("sudo -n -u", "a command as root; its own row says which"),
    _rights.run("sed -e", "commas into sudo's list"),
    _rights.run("sudo -n -k -u", "does sudo permit any command, where it lists none: `true`"),
    _rights.rooted("true", "does sudo permit any command, where it lists none"),
)
"""What runs on every host, whatever is asked."""
READS = {"/proc/self/stat": "its own number", "/proc/PID/task/PID/children": "what it has begun, to end it"}


def script(asked: Mapping[str, Asked], token: str, *, become: str = "") -> str:
    """Which text asks a host all of this in one go?

    `asked` maps a probe's name to its arguments; `become` is the user whose rights privileged commands take through
    `sudo -n`, empty for those of the login.
    """
    probes = {name: registry()[name] for name in sorted(asked)}
    program = _together({name: probe for name, probe in probes.items() if probe.AT_ONCE}, asked)
    alone = {name for name, probe in probes.items() if not (program and probe.AT_ONCE)}
    calls = {name: _call(name, probe, asked[name] if name in alone else None) for name, probe in probes.items()}
    left = [name for name in probes if probes[name].AT_ONCE]
    slow = [name for name in probes if name not in left]
    beside = [f"! owed {name} || {calls[name]}" for name in left if probes[name].SIDE_BY_SIDE]
    rest = "\n".join(f"! owed {name} || {calls[name]}" for name in left if not probes[name].SIDE_BY_SIDE) or ":"
    sudo = f"sudo -n -u {shlex.quote(become)} --" if become else ""
    rights = f"echo; U={shlex.quote(become)}; R=$S{RIGHTS.replace('LISTED', _listed())}" if become else ""
    together = f"all() {{\n{_beside((calls[name] for name in slow), 'first')}\n}}{SLOW}" if slow else QUICK
    return (
        f"S={shlex.quote(sudo)}; A=; M=; T={shlex.quote(token)}; Q={shlex.quote(program)}{HEAD}{rights}{WATCH}{FIRST}"
        f"left() {{\n{_beside(beside, rest)}\n}}\n{together}"
        f'printf \'\\n%s\\nDONE %s %s\\n\' "$r" "$T" {len(probes)}\n'
    )


def _beside(slow: Iterable[str], body: str) -> str:
    """Which text runs these and the body side by side? Each frame comes in one piece, and no file is needed."""
    for call in slow:
        body = f"{{ {call}; }} | {{\n{body}\ncat\n}}"
    return body


def _together(probes: Mapping[str, Probe], asked: Mapping[str, Asked]) -> str:
    """Which program asks all of these, or one that is its argument? Empty where it would be too long."""
    order = sorted(probes, key=lambda name: (*_place(name, probes), name))
    parts = [f"p_{name}() {{\n{probes[name].fragment(asked[name])}\n}}" for name in order]
    brief = {name: text for name in order if (text := known(probes[name], asked[name]))}
    parts += [f"k_{name}() {{\n{text}\n}}" for name, text in brief.items()]
    frames = [f"{'brief' if name in brief else 'frame'} {name} {probes[name].BYTES}" for name in order]
    text = "\n".join([*parts, TOGETHER.strip(), *frames, "printf 'ALL %s\\n' \"$_token\""])
    return text if probes and len(text.encode()) <= ARGUMENT else ""


def _place(name: str, probes: Mapping[str, Probe]) -> tuple[bool, int]:
    """When is it asked? Behind all that it looks at, and what may be slow as late as can be."""
    before = [_place(one, probes) for one in probes[name].AFTER if one in probes]
    return max((probes[name].SIDE_BY_SIDE, *(side for side, _ in before))), 1 + max((0, *(at for _, at in before)))


def _listed() -> str:
    """Which pattern of sh has a list in which sudo permits any command that may be permitted alone?"""
    commands = (run.command for probe in registry().values() for run in probe.RUNS if run.rights == "listed")
    return "|".join(f'*"/{command},"*' for command in dict.fromkeys(commands)) or "'none'"


def _call(name: str, probe: Probe, asked: Asked | None) -> str:
    """Which text asks one probe by itself? With its own fragment, if its arguments are given."""
    own = "" if asked is None else f" {shlex.quote(probe.fragment(asked))}"
    return f"ask {name} {probe.SECONDS} {probe.BYTES}{own}"


FIELDS = re.compile(rb"([a-z_]{1,40}) (\d{1,9})\n")
"""What follows the token in the head of a frame."""
STATUS = re.compile(rb"(\d{1,3}) ")
"""An exit status, before the token that ends a frame."""


def split(reply: bytes, token: str, asked: Mapping[str, Asked]) -> dict[str, Frame | Missing]:
    """What did each probe print? Complete frames only; all else that was asked is `Missing`, saying why.

    What stands outside of the frames, as a login script may print it, is passed over.
    """
    frames: dict[str, Frame | Missing] = {}
    at = 0
    while found := _head(reply, token, at):
        name, length = found[1].decode(), int(found[2])
        body = reply[found.end() : found.end() + length]
        tail = f"\nEND {token} {name}\n".encode()
        at = found.end() + length
        if len(body) < length or not reply.startswith(tail, at):
            frames.setdefault(name, Missing(f"{name}: the answer was cut off"))
            break
        frames[name] = Missing(f"{name}: answered twice") if name in frames else _frame(name, body, token)
    whole = _whole(reply, token, at)
    for name in asked:
        if name not in frames:
            frames[name] = Missing(f"{name}: {'not answered' if whole else 'the answer was cut off'}")
    return {name: frames[name] for name in asked}


def _head(reply: bytes, token: str, at: int) -> re.Match[bytes] | None:
    """Where does the next frame begin? At the beginning of a line; what its head says."""
    begin = f"BEGIN {token} ".encode()
    while (start := reply.find(begin, at)) >= 0:
        found = FIELDS.match(reply, start + len(begin))
        if found and (start == 0 or reply[start - 1 : start] == b"\n"):
            return found
        at = start + len(begin)
    return None


def _whole(reply: bytes, token: str, at: int) -> bool:
    """Is the last line there?"""
    done = f"DONE {token} ".encode()
    lines = (line for line in reply[at:].split(b"\n") if line.startswith(done))
    return any(re.fullmatch(rb"\d+", line.removeprefix(done)) for line in lines)


def _frame(name: str, body: bytes, token: str) -> Frame | Missing:
    text, _, last = body.rpartition(b"\n")
    status = STATUS.match(last)
    if not status or last[status.end() :] != token.encode():
        return Missing(f"{name}: the answer is larger than {registry()[name].BYTES} bytes")
    return Frame(text=text.decode("utf-8", "surrogateescape"), status=int(status[1]))
