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

from whyrefused.probes import _rights, registry
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes import Probe

Asked = tuple[str, ...]

NICE = 10
"""How far the whole visit stands back for the host's own work (nice(1))."""

# LC_ALL=C makes ${#o} count bytes. A fragment's last line is its status and the token: where `head` cut, it is not
# there. `all` is read to its end before it runs, so a script that arrives cut runs nothing.
HEAD = r"""
LC_ALL=C; export LC_ALL S R A M
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; export PATH
renice -n NICE -p $$ >/dev/null 2>&1; ionice -c 3 -p $$ >/dev/null 2>&1
command -v timeout >/dev/null 2>&1 || timeout() { shift; "$@"; }
ask() {
o=$( { timeout "$2" sh -c "$4" </dev/null 2>&1; printf '\n%s %s' "$?" "$T"; } | head -c "$3" )
printf 'BEGIN %s %s %s\n%s\nEND %s %s\n' "$T" "$1" "${#o}" "$o" "$T" "$1"
}
""".replace("NICE", str(NICE))

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
    slow = [_call(name, probe, asked[name]) for name, probe in probes.items() if probe.SIDE_BY_SIDE]
    quick = [_call(name, probe, asked[name]) for name, probe in probes.items() if not probe.SIDE_BY_SIDE]
    body = "\n".join(quick) or ":"
    for call in slow:
        # The left side runs while the right one does; its frame follows in one piece. No file is needed.
        body = f"{call} | {{\n{body}\ncat\n}}"
    sudo = f"sudo -n -u {shlex.quote(become)} --" if become else ""
    rights = f"U={shlex.quote(become)}; R=$S{RIGHTS.replace('LISTED', _listed())}" if become else ""
    return (
        f"S={shlex.quote(sudo)}; A=; M=; T={shlex.quote(token)}{HEAD}{rights}{WATCH}all() {{\n{body}\n}}\n"
        "watch 2>/dev/null & w=$!; r=$(all 2>/dev/null); kill $w; wait $w; "
        f'printf \'\\n%s\\nDONE %s %s\\n\' "$r" "$T" {len(probes)}\n'
    )


def _listed() -> str:
    """Which pattern of sh has a list in which sudo permits any command that may be permitted alone?"""
    commands = (run.command for probe in registry().values() for run in probe.RUNS if run.rights == "listed")
    return "|".join(f'*"/{command},"*' for command in dict.fromkeys(commands)) or "'none'"


def _call(name: str, probe: Probe, asked: Asked) -> str:
    return f"ask {name} {probe.SECONDS} {probe.BYTES} {shlex.quote(probe.fragment(asked))}"


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
