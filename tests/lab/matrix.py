"""How often is which cause named for which fault? A confusion matrix of scenarios that ended."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused.causes import ORDER

from .scenario import LOGINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .scenario import Ended

NONE, UNDETERMINED = "no finding", "undetermined"


def told(ended: Iterable[Ended], login: str) -> Counter[tuple[str, str]]:
    """How often was what found where what should be? (true cause, named cause) -> scenarios.

    A scenario with two faults counts for each of them; a name that belongs to neither counts as a confusion of the
    first.
    """
    found: Counter[tuple[str, str]] = Counter()
    for one in ended:
        true = sorted({cause for cause, _, _ in one.scenario.finds}) or [NONE]
        named = {finding["cause"] for finding in one.audits[login].findings} or {NONE}
        for cause in true:
            if cause in named:
                found[cause, cause] += 1
            elif not named - set(true):
                found[cause, NONE] += 1
        wrong = sorted(named - set(true))
        missed = [cause for cause in true if cause not in named] or true[:1]
        found.update((missed[0], name) for name in wrong)
    return found


def table(ended: Sequence[Ended], login: str) -> str:
    """The matrix as a Markdown table: a row for each true cause, a column for each name."""
    counted = told(ended, login)
    names = [*ORDER, UNDETERMINED, NONE]
    columns = [name for name in names if any(name == named for _, named in counted)]
    rows = [name for name in names if any(name == true for true, _ in counted)]
    head = ["true \\ named", *columns]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [
        "| " + " | ".join([true, *(str(counted[true, named] or "·") for named in columns)]) + " |" for true in rows
    ]
    return "\n".join(lines)


def sentence(ended: Sequence[Ended], login: str) -> str:
    """The matrix in one sentence."""
    right = wrong = undetermined = silent = 0
    for one in ended:
        true = {cause for cause, _, _ in one.scenario.finds}
        named = {finding["cause"] for finding in one.audits[login].findings}
        if named - true - {UNDETERMINED}:
            wrong += 1
        elif UNDETERMINED in named or not true <= named:
            undetermined += 1
        elif not true:
            silent += 1
        else:
            right += 1
    return (
        f"{len(ended)} scenarios as {login}: {right} named right, {silent} healthy and silent, "
        f"{undetermined} not or not wholly determined, {wrong} wrong"
    )


PAGE = Path(__file__).resolve().parents[2] / "docs/accuracy.md"
HEAD = """\
<!-- Made by `make accuracy`. -->
# How often the cause is right

Scenarios of `tests/lab/scenarios/` on real hosts (systemd, Debian; each with hosts of its own), audited by root and by
an ordinary user. A row is the fault that was put in, a column what the audit named; a scenario with two faults is in
two rows. `make accuracy` repeats all of it.
"""


def write(ended: Sequence[Ended]) -> None:
    """Write docs/accuracy.md."""
    parts = [HEAD]
    for login in LOGINS:
        parts += [f"## As {login}\n", f"{sentence(ended, login)}.\n", table(ended, login) + "\n"]
    parts += ["## The scenarios\n", "| scenario | what | found by root | by an ordinary user |", "|---|---|---|---|"]
    parts += [
        f"| {one.scenario.name} | {one.scenario.about} | " + " | ".join(_named(one, login) for login in LOGINS) + " |"
        for one in sorted(ended, key=lambda one: (one.scenario.group, one.scenario.name))
    ]
    PAGE.write_text("\n".join(parts) + "\n")


def _named(one: Ended, login: str) -> str:
    return ", ".join(f"{cause} ({variant})" for cause, variant, _ in one.audits[login].named) or "nothing"
