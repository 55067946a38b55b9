"""Which mutants survive? Each is tried in a process of its own, which has all but the mutated module loaded before."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mutants.core import CORE, ROOT
from mutants.mutate import mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutants.core import Module
    from mutants.mutate import Mutant

PATIENCE = 300
"""Seconds after which a mutant that does not end counts as noticed."""
LEAST = 85
SCRIPT = "tests/unit/test_script.py"
"""What stands beside the framing in its file is run on real shells, which is too slow for mutants."""
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--assert=plain")


@dataclass(slots=True, kw_only=True)
class Score:
    """How many of a module's mutants were noticed?"""

    module: str
    tried: int = 0
    noticed: int = 0

    @property
    def percent(self) -> float:
        """Which share?"""
        return 100 * self.noticed / self.tried if self.tried else 100.0


class Mutated:
    """Loads one module from another text than its file's."""

    def __init__(self, module: Module, text: str) -> None:
        self._name = module.name.removesuffix(".__init__")
        self._file = str(module.path)
        self._text = text

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Which loader has it?"""
        del path, target
        if name != self._name:
            return None
        import importlib.util  # noqa: PLC0415 - a finder is asked while modules load

        folders = [os.path.dirname(self._file)] if self._file.endswith("__init__.py") else None  # noqa: PTH120 - as above
        return importlib.util.spec_from_file_location(name, self._file, loader=self, submodule_search_locations=folders)  # type: ignore[arg-type] - a loader by its methods

    @staticmethod
    def create_module(spec: object) -> None:
        """Python's own."""
        del spec

    def exec_module(self, module: object) -> None:
        """Run the mutated text."""
        exec(compile(self._text, self._file, "exec"), vars(module))  # noqa: S102 - our own text


def _outcome(module: Module, text: str) -> bool:
    """Do the tests of the module notice this text?"""
    pid = os.fork()
    if pid == 0:
        _child(module, text)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _child(module: Module, text: str) -> None:
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        sys.meta_path.insert(0, Mutated(module, text))  # type: ignore[arg-type] - a finder by its method
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = "/nonexistent"
        import pytest  # noqa: PLC0415 - loaded before the fork

        code = int(pytest.main([*ARGUMENTS, *module.tests], plugins=[Steady()]))
    finally:
        os._exit(code)


class Steady:
    """Hypothesis draws the same examples for each mutant, and not many."""

    @staticmethod
    def pytest_configure() -> None:
        """Set it before a test is collected."""
        from hypothesis import settings  # noqa: PLC0415 - loaded before the fork

        settings.register_profile("mutants", deadline=None, derandomize=True, database=None)
        settings.load_profile("mutants")


def _warm() -> None:
    """Load what every child needs, and nothing of ours: a module that is loaded cannot be another one."""
    for name in ("pytest", "hypothesis", "yaml", "jinja2", "pydantic", "paramiko", "hypothesis.strategies"):
        __import__(name)


def tried(module: Module, every: int) -> Iterator[tuple[Mutant, bool]]:
    """Which mutants are there, and which of them are noticed?"""
    text = module.path.read_text(encoding="utf-8")
    if _outcome(module, text):
        sys.exit(f"the tests of {module.name} fail without any mutant: {' '.join(module.tests)}")
    for number, mutant in enumerate(mutants(text, module.only)):
        if number % every == 0:
            yield mutant, _outcome(module, mutant.applied(text))


def say(line: str) -> None:
    """Tell it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _covered() -> bool:
    """Do the tests run every branch of the core?"""
    tests = list(dict.fromkeys([*(test for module in CORE if module.path.exists() for test in module.tests), SCRIPT]))
    data = f"--data-file={ROOT / '.coverage.core'}"
    command = [sys.executable, "-m", "coverage"]
    ran = subprocess.run([*command, "run", data, "--branch", "-m", "pytest", *ARGUMENTS, *tests], check=False)
    paths = ",".join(str(module.path) for module in CORE if module.path.exists())
    told = subprocess.run([*command, "report", data, "-m", f"--include={paths}", "--fail-under=100"], check=False)
    (ROOT / ".coverage.core").unlink(missing_ok=True)
    return ran.returncode == told.returncode == 0


def main() -> int:
    """Try them all, or those of the modules that are named; say who survived, and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="only modules whose name holds this")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth mutant")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "src"))
    _warm()
    covered = bool(given.module) or _covered()
    scores = []
    for module in CORE:
        if not module.path.exists() or (given.module and not any(word in module.name for word in given.module)):
            continue
        score = Score(module=module.name.removesuffix(".__init__"))
        for mutant, noticed in tried(module, given.every):
            score.tried += 1
            score.noticed += noticed
            if not noticed:
                place = module.path.relative_to(ROOT)
                say(f"survived: {place}:{mutant.line}: {mutant.old!r} -> {mutant.new!r}")
        scores.append(score)
        say(f"{score.module}: {score.noticed} of {score.tried} noticed ({score.percent:.0f} %)")
    whole = Score(module="all", tried=sum(one.tried for one in scores), noticed=sum(one.noticed for one in scores))
    say(f"{whole.module}: {whole.noticed} of {whole.tried} noticed ({whole.percent:.1f} %)")
    return 0 if covered and whole.percent >= LEAST else 1
