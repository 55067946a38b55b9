"""How often is which cause named for which fault? A confusion matrix of scenarios that ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused.causes import ORDER

from .scenario import LOGINS, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .scenario import Ended, Scenario

NONE, UNDETERMINED = "no finding", "undetermined"
PROPERTY = "scenario"
"""Under this name a test's report carries what its scenario was answered, from whichever process it ran in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was found for a scenario."""

    scenario: Scenario
    named: Mapping[str, tuple[tuple[str, str, str], ...]]  # login -> cause, variant and host of each finding

    def causes(self, login: str) -> set[str]:
        """Which causes did this login's audit name?"""
        return {cause for cause, _, _ in self.named[login]}


def packed(ended: Ended) -> dict[str, object]:
    """What does a report carry? Plain values, which go from process to process."""
    named = {login: [list(each) for each in run.named] for login, run in ended.audits.items()}
    return {"name": ended.scenario.name, "named": named}


def answered(carried: Iterable[Mapping[str, Any]]) -> list[Answered]:
    """What was answered for which scenario, in the order of their files? Of what reports carried."""
    known = {one.name: one for one in scenarios()}
    order = list(known)
    found = [
        Answered(
            scenario=known[one["name"]],
            named={login: tuple(map(tuple, each)) for login, each in one["named"].items()},
        )
        for one in carried
    ]
    return sorted(found, key=lambda one: order.index(one.scenario.name))


def told(ended: Iterable[Answered], login: str) -> Counter[tuple[str, str]]:
    """How often was what found where what should be? (true cause, named cause) -> scenarios.

    A scenario with two faults counts for each of them; a name that belongs to neither counts as a confusion of the
    first.
    """
    found: Counter[tuple[str, str]] = Counter()
    for one in ended:
        true = sorted({cause for cause, _, _ in one.scenario.finds}) or [NONE]
        named = one.causes(login) or {NONE}
        for cause in true:
            if cause in named:
                found[cause, cause] += 1
            elif not named - set(true):
                found[cause, NONE] += 1
        wrong = sorted(named - set(true))
        missed = [cause for cause in true if cause not in named] or true[:1]
        found.update((missed[0], name) for name in wrong)
    return found


def table(ended: Sequence[Answered], login: str) -> str:
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


def sentence(ended: Sequence[Answered], login: str) -> str:
    """The matrix in one sentence."""
    right = wrong = undetermined = silent = 0
    for one in ended:
        true = {cause for cause, _, _ in one.scenario.finds}
        named = one.causes(login)
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
ORACLE = "## Firewall verdicts against the kernel"
"""From here on the page is of `make oracle`, and stays."""
HEAD = """\
<!-- Made by `make accuracy`. -->
# How often the cause is right

Scenarios of `tests/lab/scenarios/` on real hosts (systemd, Debian; each with hosts of its own), audited by root and by
an ordinary user. A row is the fault that was put in, a column what the audit named; a scenario with two faults is in
two rows. `make accuracy` repeats all of it.
"""


def write(ended: Sequence[Answered]) -> None:
    """Write docs/accuracy.md."""
    parts = [HEAD]
    for login in LOGINS:
        parts += [f"## As {login}\n", f"{sentence(ended, login)}.\n", table(ended, login) + "\n"]
    parts += ["## The scenarios\n", "| scenario | what | found by root | by an ordinary user |", "|---|---|---|---|"]
    parts += [
        f"| {one.scenario.name} | {one.scenario.about} | " + " | ".join(_named(one, login) for login in LOGINS) + " |"
        for one in sorted(ended, key=lambda one: (one.scenario.group, one.scenario.name))
    ]
    _, mark, kept = PAGE.read_text().partition(ORACLE)
    PAGE.write_text("\n".join(parts) + "\n" + (f"\n{mark}{kept}" if mark else ""))


def _named(one: Answered, login: str) -> str:
    return ", ".join(f"{cause} ({variant})" for cause, variant, _ in one.named[login]) or "nothing"
