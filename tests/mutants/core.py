"""Which modules decide, and which tests must notice a change of each?

Why these: docs/decisions/0019-core-that-decides.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of the core."""

    name: str  # dotted
    tests: tuple[str, ...]  # as pytest takes them
    without: tuple[str, ...] = ()  # of those: tests that are too slow to be run hundreds of times
    only: frozenset[str] = frozenset()  # names at its top level that decide; all where empty

    @property
    def path(self) -> Path:
        """Where does it stand?"""
        return SOURCE / (self.name.replace(".", "/") + ".py")

    @property
    def loaded(self) -> str:
        """Under which name is it imported?"""
        return self.name.removesuffix(".__init__")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What is pytest given?"""
        return *self.tests, *(f"--deselect={test}" for test in self.without)


def _module(name: str, *tests: str, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Module:
    path = SOURCE / (name.replace(".", "/") + ".py")
    if not path.exists():
        name = f"{name}.__init__"
    return Module(name=name, tests=tuple(map(_tests, tests)), without=tuple(map(_tests, without)),
                  only=frozenset(only))  # fmt: skip


def _tests(words: str) -> str:
    file, colons, test = words.partition("::")
    return f"tests/unit/test_{file}.py{colons}{test}"


PURE = ("cut_at_every_byte", "noise", "hole", "any_reply", "missing")
"""The tests of the framing that start no shell."""

CORE = (
    _module("whyrefused.records", "missing", "judge", "core", only=("CouldNotLook", "Missing", "Secret")),
    _module(
        "whyrefused.script",
        "core",
        *(f"script::test_{one}" for one in PURE),
        only=("split", "_head", "_whole", "_frame"),
    ),
    _module("whyrefused.probes", "core", only=("read", "whole", "failed")),
    _module("whyrefused.evidence", "core", "judge", "self_evidence"),
    _module(
        "whyrefused.collect.saved",
        *("saved", "stored", "journal", "resume", "whose::test_rebooted"),
        without=("journal::test_cut_at_every_byte", "stored::test_members"),
    ),
    _module("whyrefused.collect.resume", "resume"),
    _module("whyrefused.judge", "judge", "missing", "core"),
    _module("whyrefused.redact", "redact", without=("redact::test_linear_time",)),
    _module("whyrefused.escape", "escape", "core"),
    _module("whyrefused.report.totals", "report_totals", "core"),
    _module("whyrefused.status", "status"),
)
"""Completeness of evidence, outcomes, redaction, escaping, exit status."""
