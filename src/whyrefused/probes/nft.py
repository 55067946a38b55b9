"""Which nftables rules are loaded?"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, _remote, _rights, failed

if TYPE_CHECKING:
    from whyrefused.records import Frame

SOURCE = "nft -j list ruleset"
SECONDS = 10
BYTES = 4194304
SIDE_BY_SIDE = False
AT_ONCE = True
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.listed("nft -j list ruleset", "the rules"),
    _rights.rooted("python3 -ISBc", "are there tables, where nft is not installed"),
    _rights.run("grep -q", "has the kernel nf_tables: asking nft would load it"),
)
READS = {
    "/proc/sys/kernel/osrelease": "which kernel",
    "/lib/modules/*/modules.builtin": "is nf_tables built in",
    "/proc/modules": "is it loaded",
    "/etc/iproute2/*": "names that nft prints",
    "/etc/protocols": "names that nft prints",
    "/etc/services": "names that nft prints",
}

NO_NFTABLES = frozenset({"kernel without nf_tables", "kernel without a table of nf_tables"})

METAINFO = re.compile(r'^\s*\{\s*"nftables"\s*:\s*\[\s*\{\s*"metainfo"\s*:')
"""With its own version nft begins every list, that of no rules too (libnftables-json(5))."""

# Listing rules makes the kernel load nf_tables where it is a module; on a host that has no rules that would change it.
KERNEL_HAS_NONE = (
    'read -r b </proc/sys/kernel/osrelease; b="/lib/modules/$b/modules.builtin"; '
    '[ ! -d /sys/module/nf_tables ] && [ -e "$b" ] && '
    "! grep -q '^nf_tables ' /proc/modules && ! grep -q /nf_tables.ko \"$b\""
)


def fragment(_asked: tuple[str, ...]) -> str:
    """Which shell text asks for the nftables rules? Where nft is not installed, whether the kernel has any."""
    python = "command -v python3 >/dev/null 2>&1"
    tables = f"$S python3 -ISBc {shlex.quote(_remote.program('tables.py'))}; exit"
    return (
        f"if {KERNEL_HAS_NONE}; then echo 'kernel without nf_tables'; exit 0; fi; "
        f"if ! command -v nft >/dev/null 2>&1 && {python}; then {tables}; fi; "
        f"{_rights.ROOT}root nft -j list ruleset"
    )


def parse(frame: Frame) -> str | None:
    """Which rules, as libnftables JSON? None where the kernel has no table of nftables."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    if frame.text.strip() in NO_NFTABLES:
        return None
    if not frame.text.lstrip().startswith("{"):
        raise Unreadable(f"{SOURCE}: not JSON: {frame.text[:120]!r}")
    if not METAINFO.search(frame.text[:200]):
        raise Unreadable(f"{SOURCE}: not nft's own list: {frame.text[:120]!r}")
    return frame.text
