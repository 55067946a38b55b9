"""Which of some commands would keep out a connection that the rules let in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.firewall.journey import span_of
from whyrefused.firewall.ranges import holds
from whyrefused.firewall.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.firewall.fix import Change, Wish
    from whyrefused.firewall.model import Packet, Ruleset
    from whyrefused.firewall.start import Hook


def cuts(
    changes: Iterable[Change], before: Ruleset, kept: tuple[Packet, Hook], asked: tuple[Packet, Hook], to: Wish
) -> tuple[str, ...]:
    """After which of these commands, run in this order, is the kept packet no longer accepted for certain?

    The changes are those that turn the verdict of the asked packet. A packet that was not accepted for certain before
    counts only when it is refused by then.
    """
    found = []
    packet, hook = kept
    known = judge(before, packet, hook).verdict
    for change in changes:
        if change.after is None:
            cut = to == "reject" and _is_of(kept, asked)
        else:
            verdict = judge(change.after, packet, hook).verdict
            cut = verdict not in {"accept", known}
            known = verdict
        if cut:
            found.append(change.command)
    return tuple(found)


def _is_of(kept: tuple[Packet, Hook], asked: tuple[Packet, Hook]) -> bool:
    """Is the kept packet one of those that are asked about?"""
    (one, hook), (other, where) = kept, asked
    if one.reply or hook != where or (one.protocol, one.port) != (other.protocol, other.port):
        return False
    version = 6 if ":" in one.source else 4
    if other.source != "any" and (":" in other.source) is not (version == 6):  # noqa: PLR2004 - IP version
        return False
    return bool(holds((span_of(other.source, version),), span_of(one.source, version)))
