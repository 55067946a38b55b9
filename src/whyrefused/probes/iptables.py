"""Which iptables rules and sets are loaded, in either backend and family?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _rights
from whyrefused.probes.nft import KERNEL_HAS_NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame

SOURCE = "iptables-save; ip6tables-save"
SECONDS = 10
BYTES = 4194304
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ("nft",)
RUNS = (
    _rights.listed("iptables-save", "the rules"),
    _rights.listed("ip6tables-save", "the rules"),
    _rights.listed("iptables-legacy-save", "the rules, where the kernel has the old tables"),
    _rights.listed("ip6tables-legacy-save", "the rules, where the kernel has the old tables"),
    _rights.listed("ipset save", "the sets, where a rule names one"),
    _rights.listed("grep -q . /proc/net/ip_tables_names", "are there old tables, where no iptables-save is installed"),
    _rights.listed("grep -q . /proc/net/ip6_tables_names", "are there old tables, where no iptables-save is installed"),
    _rights.run("grep -q", "has the kernel nf_tables: asking nft would load it"),
)
READS = {
    "/proc/sys/kernel/osrelease": "which kernel",
    "/lib/modules/*/modules.builtin": "is nf_tables built in",
    "/proc/modules": "is it loaded",
    "/proc/net/ip_tables_names": "which old tables",
    "/proc/net/ip6_tables_names": "which old tables",
    "/etc/ethertypes": "names that iptables-save prints",
    "/etc/protocols": "names that iptables-save prints",
}
AT_BOOT = "at boot"
"""The name under which the units stand that load rules at boot, a word each."""

HEAD = re.compile(r"== (\S+(?: save)?)")
UNIT = re.compile(r"== at boot ([a-z0-9-]+)")
TAIL = re.compile(r"== status (\d+)")

# The legacy programs are asked only where the kernel has old tables, for asking would load the module; ipset only
# where a rule names a set, which is when the kernel has it. What a program says on stderr counts only if it failed:
# iptables-nft-save warns there of legacy tables, and from its pipe that lands in the middle of a rule. One that failed
# makes the whole unreadable, so that no other is asked: an ordinary login may ask none. Which units load rules at boot,
# by the links that `systemctl enable` makes: Debian's, and those of Fedora and Arch.
# What iptables-nft has stands in tables of the families ip and ip6: where nft, in the words that are known of it, lists
# none of these, and the kernel has no old tables, the programs have nothing to print.
OLD = (
    "l=; for w in /proc/net/ip_tables_names /proc/net/ip6_tables_names; do [ ! -e $w ] || { x=; s=; "
    '{ read -r x; s=$?; } <$w; [ "$s$x" = 1 ] || l=yes; }; done'
)
BOOT = """t=; for u in nftables netfilter-persistent iptables ip6tables; do
for w in /etc/systemd/system/*.wants/$u.service; do [ ! -e "$w" ] || t="$t== at boot $u
"; done; done
"""
UNNEEDED = r"""case ${seen_nft-} in
*'"family": "ip"'*|*'"family": "ip6"'*|*'"family":'[!\ ]*|*'"family": '[!\"]*) return 1 ;; '{'*) ;; *) return 1 ;; esac
"""
FRAGMENT = (
    f"{_rights.ROOT}"
    'one() { command -v "$1" >/dev/null 2>&1 || return 0; echo "== $*"; { e=$(root "$@" 2>&1 >&3); s=$?; } 3>&1; '
    '[ "$s" = 0 ] || echo "$e"; echo "== status $s"; return $s; }; '
    "unseen() { ! command -v iptables-save >/dev/null && ! command -v iptables-legacy-save >/dev/null || return 0; "
    'for w in /proc/net/ip_tables_names /proc/net/ip6_tables_names; do [ -e "$w" ] || continue; '
    'root grep -q . "$w" >/dev/null 2>&1; case $? in 1) ;; '
    "0) printf '== iptables-save\\nnot installed, but the kernel has such tables\\n== status 127\\n' ;; "
    "*) printf '== iptables-save\\n%s: Permission denied\\n== status 126\\n' \"$w\" ;; esac; done; }; "
    f"rules() {{ {OLD}; n=yes; if {KERNEL_HAS_NONE}; then n=; fi; "
    'if [ "$n$l" ]; then one iptables-save && one ip6tables-save || return; fi; '
    'if [ "$l" ]; then one iptables-legacy-save && one ip6tables-legacy-save || return; unseen; fi; '
    f'{BOOT}printf %s "$t"; '
    "}; r=$(rules); printf '%s\\n' \"$r\"; case \"$r\" in *' --match-set '*) one ipset save ;; esac; echo '== end'"
)


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for iptables' rules and the sets they name?"""
    return FRAGMENT


def known(_asked: tuple[str, ...]) -> str:
    """Which shell text knows that there are none, as nft lists none and the kernel has no old tables?"""
    return f'{UNNEEDED}{OLD}; [ -z "$l" ] || return\n{BOOT}told="== unneeded by nft\n$t== end\n"'


def parse(frame: Frame) -> Mapping[str, str]:
    """Which rules? The text of each program that is there, by its name; one that failed raises `Unreadable`."""
    text, end, _ = frame.text.rpartition("== end\n")
    if not end:
        raise Unreadable(f"{SOURCE}: cut short")
    saves: dict[str, str] = {}
    name, lines = "", list[str]()
    for line in text.split("\n"):
        head, tail, unit = HEAD.fullmatch(line), TAIL.fullmatch(line), UNIT.fullmatch(line)
        if unit and not name:
            saves[AT_BOOT] = f"{saves.get(AT_BOOT, '')} {unit[1]}".strip()
        elif tail:
            if tail[1] != "0":
                raise Unreadable(f"{name}: exit status {tail[1]} ({' '.join(lines[-1:])[:200]})")
            saves[name] = "\n".join(lines) + "\n"
            name = ""
        elif head:
            name, lines = head[1], []
        else:
            lines.append(line)
    if name:
        raise Unreadable(f"{name}: cut short")
    return saves
