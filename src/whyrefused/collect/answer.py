"""Is what a command printed the answer of our script, and what else does it show? Pure.

A forced command, a menu or a restricted shell ends as well, with an exit status of its own and other words: its output
is complete and still no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.probes import Unreadable, registry
from whyrefused.records import Frame
from whyrefused.ssh import NotReached, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.records import Missing

SKEW = 30
"""Seconds by which a host's clock may differ before it is worth a line."""
FAILED = {126: "it may not be run", 127: "it is not there"}
SEE = "See ForceCommand, the command= of the key, the login shell and sh there."
NOLOGIN = b"account is currently not available"
"""What nologin(8) says, of util-linux and of Debian's shadow alike, where no /etc/nologin.txt says otherwise."""


def check(output: bytes, status: int, token: str, frames: int, place: str) -> None:
    """Is it our script's answer, from its first frame to its last line? Raises NotReached."""
    begun, done = f"BEGIN {token} ".encode(), f"\nDONE {token} {frames}\n".encode()
    if done not in output and begun not in output and NOLOGIN in output and status:
        raise NotReached(
            "no-command", f"{place}: logged in, but the account runs no commands: its login shell is nologin there."
        )
    if done not in output and begun not in output:
        words = f"it printed '{shown(output.strip(), 64)}'" if output.strip() else "it printed nothing"
        why = f" ({FAILED[status]})" if status in FAILED else ""
        raise NotReached(
            "not-our-output",
            f"{place}: our script's answer did not come. The command ended with exit status {status}{why}; {words}. "
            f"{SEE}",
        )
    if done not in output:
        raise NotReached("cut-off", f"{place}: the answer ends before its last line (exit status {status}).")
    if status:
        raise NotReached(
            "not-our-output",
            f"{place}: the answer came with exit status {status}, which our script never has: something wraps it.",
        )


def silenced(problem: NotReached, token: str) -> NotReached:
    """What is said of a command that fell silent? Our script prints nothing but line ends before its answer."""
    if problem.reason != "fell-silent":
        return problem
    said = problem.output.strip()
    if not said or f"BEGIN {token} ".encode() in said:
        return NotReached("command-timed-out", problem.message, warnings=problem.warnings)
    return NotReached(
        "not-our-output",
        f"{problem.message} It timed out after '{shown(said, 64)}', which is no answer of our script. {SEE}",
        warnings=problem.warnings,
    )


def notes(output: bytes, token: str, frames: Mapping[str, Frame | Missing], span: tuple[float, float]) -> Iterator[str]:
    """What must the reader know of this answer? `span`: the moments of our clock between which it came."""
    before = output.partition(f"BEGIN {token} ".encode())[0].strip()
    if before:
        yield f"its login scripts print before the answer, which was passed over: '{shown(before, 64)}'"
    skew = _skew(frames, span)
    if abs(skew) > SKEW:
        yield f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"


def _skew(frames: Mapping[str, Frame | Missing], span: tuple[float, float]) -> float:
    """By how many seconds is the host's clock ahead, at least?"""
    frame = frames.get("identity")
    if not isinstance(frame, Frame):
        return 0.0
    try:
        clock = registry()["identity"].parse(frame).clock
    except Unreadable:
        return 0.0
    if not clock:
        return 0.0
    return float(max(clock - span[1], 0) or min(clock - span[0], 0))
