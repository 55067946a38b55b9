"""Mutants of classes: the module is loaded anew, in a process that has all but what stands on it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mutants.core import SOURCE
from mutants.trial import noticed, tests_fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mutants.core import Module
    from mutants.mutate import Mutant
    from mutants.trial import Tell


def try_anew(module: Module, mutants: Sequence[Mutant], folder: str, tell: Tell) -> None:
    """Tell of each mutant whether it is noticed."""
    _preload(module)
    text = module.path.read_text(encoding="utf-8")
    for number, mutant in enumerate(mutants):
        instead: Any = Instead(module, mutant.applied(text))

        def act(instead: Any = instead) -> bool:  # noqa: ANN401 - a finder by its methods
            sys.meta_path.insert(0, instead)
            return tests_fail(module, folder)

        tell(number, noticed(act))


class Instead:
    """Loads one module from another text than its file's; or refuses it, where there is none."""

    def __init__(self, module: Module, text: str | None) -> None:
        self._module = module
        self._text = text

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Which loader has it?"""
        del path, target
        if name != self._module.loaded:
            return None
        if self._text is None:
            raise ImportError(name)
        import importlib.util  # noqa: PLC0415 - a finder is asked while modules load

        file = str(self._module.path)
        folders = [os.path.dirname(file)] if file.endswith("__init__.py") else None  # noqa: PTH120 - as above
        return importlib.util.spec_from_file_location(name, file, loader=self, submodule_search_locations=folders)  # type: ignore[arg-type] - a loader by its methods

    @staticmethod
    def create_module(spec: object) -> None:
        """Python's own."""
        del spec

    def exec_module(self, module: object) -> None:
        """Run the other text."""
        exec(compile(self._text or "", str(self._module.path), "exec"), vars(module))  # noqa: S102 - our own text


def _preload(module: Module) -> None:
    """Load what does not stand on the module: what does is refused, and forgotten by Python."""
    refusing: Any = Instead(module, None)
    sys.meta_path.insert(0, refusing)
    for path in sorted((SOURCE / "whyrefused").rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if "remote" not in path.parts and not name.endswith("__main__"):
            _load(name)
    sys.meta_path.remove(refusing)


def _load(name: str) -> None:
    try:
        __import__(name)
    except ImportError:
        sys.modules.pop(name, None)
