"""Which exit status tells the whole story? Pure."""

from __future__ import annotations

PASSED, FAILED, INTERRUPTED, NOTHING_CHECKED = 0, 1, 2, 5


def exit_status(given: int, *, judged: int, wrong: int, unwritten: bool, interrupted: bool) -> int:
    """What does the run end with? `given` is what pytest would say: of all its tests, others than ours too.

    A wrong command line (4) and what is broken in pytest itself (3) stay what they are. A run that was cut short says
    so whatever was found by then; and one that checked nothing is never green.
    """
    if given not in {PASSED, FAILED, INTERRUPTED, NOTHING_CHECKED}:
        return given
    if interrupted or given == INTERRUPTED:
        return INTERRUPTED
    if wrong or unwritten or given == FAILED:
        return FAILED
    return PASSED if judged and given == PASSED else NOTHING_CHECKED
