"""Mutants that are put into a process which has collected the tests: of functions, and of modules without classes.

Of those that change a function, only the tests are run that ran it, first those that ran the changed line, quickest
first.
"""

from __future__ import annotations

import ast
import sys
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from mutants.swap import Functions, functions, run_again, swaps
from mutants.trial import noticed, tests_fail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    import pytest

    from mutants.core import Module
    from mutants.mutate import Mutant
    from mutants.swap import Place
    from mutants.trial import Tell


def try_loaded(module: Module, mutants: Sequence[Mutant], folder: str, tell: Tell) -> None:
    """Tell of each mutant whether it is noticed; None where it must be loaded anew. Nothing where a test fails."""
    tests_fail(module, folder, InPlace(module=module, mutants=mutants, tell=tell))


@dataclass(slots=True, kw_only=True)
class InPlace:
    """A plugin of pytest that tries mutants where it should run the tests."""

    module: Module
    mutants: Sequence[Mutant]
    tell: Tell
    text: str = ""
    tree: ast.Module = field(default_factory=lambda: ast.parse(""))
    ran: dict[int, set[str]] = field(default_factory=dict)  # by line: the tests that ran it
    seconds: dict[str, float] = field(default_factory=dict)  # by test
    there: Functions = field(default_factory=dict)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try them all, if the tests pass: here, and once more as a mutant's would."""
        self.text = self.module.path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        items = session.items
        if self._measured(items) and not noticed(lambda: _failed(items)):
            self.there = functions(str(self.module.path))
            for number, mutant in enumerate(self.mutants):
                self.tell(number, self._tried(mutant, items))
        return True

    def _measured(self, items: list[pytest.Item]) -> bool:
        """Do all pass? Which lines does each run, and how long does it take?"""
        import coverage  # noqa: PLC0415 - loaded before the fork

        path = str(self.module.path)
        seen = coverage.Coverage(data_file=None, config_file=False, include=[path], messages=False)
        seen.start()
        try:
            for item in items:
                seen.switch_context(item.nodeid)
                began = time.process_time()
                if _failed([item]):
                    return False
                self.seconds[item.nodeid] = time.process_time() - began
        finally:
            seen.stop()
        self.ran = {line: set(tests) for line, tests in seen.get_data().contexts_by_lineno(path).items()}
        return True

    def _tried(self, mutant: Mutant, items: list[pytest.Item]) -> bool | None:
        path = str(self.module.path)
        old, new = (compile(one, path, "exec", dont_inherit=True) for one in (self.text, mutant.applied(self.text)))
        changed = swaps(old, new)
        quickest = sorted(items, key=lambda item: self.seconds[item.nodeid])
        if changed is None or not changed.keys() <= self.there.keys():
            if any(isinstance(node, ast.ClassDef) for node in ast.walk(self.tree)):
                return None
            return noticed(lambda: _run_again(new, self.module) or _failed(quickest))
        exact = self.ran.get(mutant.line, set())
        those = exact.union(*(self.ran.get(line, set()) for place in changed for line in self._lines(place)))
        order = sorted((one for one in quickest if one.nodeid in those), key=lambda item: item.nodeid not in exact)
        return noticed(lambda: self._swap(changed) or _failed(order))

    def _lines(self, place: Place) -> range:
        """Which are the lines of the body of this function? Its head runs where the module does."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and place[1] in {one.lineno for one in (node, *node.decorator_list)}:
                return range(node.body[0].lineno, (node.end_lineno or 0) + 1)
        return range(place[1], place[1] + 1)  # a lambda

    def _swap(self, changed: dict[Place, CodeType]) -> bool:
        for place, code in changed.items():
            for function in self.there[place]:
                function.__code__ = code
        return False


def _run_again(new: CodeType, module: Module) -> bool:
    run_again(new, sys.modules[module.loaded], list(sys.modules.values()))
    return False


def _failed(items: list[pytest.Item]) -> bool:
    """Does one of them fail? The first ends it."""
    from _pytest.runner import runtestprotocol  # noqa: PLC0415 - what pytest itself runs one test by

    for item, following in zip_longest(items, items[1:]):
        if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
            return True
    return False
