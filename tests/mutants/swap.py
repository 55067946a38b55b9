"""What must change in a module that is loaded, for it to be another text of itself?"""

from __future__ import annotations

import gc
import inspect
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

Place = tuple[str, int]
"""Of a function: its name within the module, and its first line."""
Functions = dict[Place, list[FunctionType]]

SAME = (
    "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_argcount",
    "co_posonlyargcount", "co_kwonlyargcount", "co_exceptiontable",
)  # fmt: skip


def swaps(old: CodeType, new: CodeType) -> dict[Place, CodeType] | None:
    """Which functions differ, and what is their new code? None where more does: a class, a value, a default."""
    pairs = list(_changed(old, new))
    if any(not _is_function(one) or one.co_freevars != other.co_freevars for one, other in pairs):
        return None
    return {(one.co_qualname, one.co_firstlineno): other for one, other in pairs}


def _changed(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Of functions the outermost; of what runs where the module does, itself and what stands in it."""
    inner, others = _within(old), _within(new)
    if not _alike(old, new):
        yield old, new
        return
    for one, other in zip(inner, others, strict=True):
        if one.co_flags & inspect.CO_OPTIMIZED:
            if not _equal(one, other):
                yield one, other
        else:
            yield from _changed(one, other)


def _equal(old: CodeType, new: CodeType) -> bool:
    return _alike(old, new) and all(map(_equal, _within(old), _within(new)))


def _alike(old: CodeType, new: CodeType) -> bool:
    """Are they, but for the code within them? Values by their words, since 0 and False are equal."""
    return (
        len(_within(old)) == len(_within(new))
        and _values(old) == _values(new)
        and all(getattr(old, name) == getattr(new, name) for name in SAME)
    )


def _within(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _values(code: CodeType) -> list[str]:
    return [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and (code.co_name[0] != "<" or code.co_name == "<lambda>")


def functions(path: str) -> Functions:
    """Which functions of this file are there, whoever holds them? Those that cannot be told apart are left out."""
    found: Functions = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == path:
            found.setdefault((one.__code__.co_qualname, one.__code__.co_firstlineno), []).append(one)
    return {place: those for place, those in found.items() if len({id(one.__code__) for one in those}) == 1}


def run_again(code: CodeType, module: ModuleType, others: Iterable[ModuleType]) -> None:
    """Run this code as a module that has no classes, and give its new values to whoever has the old.

    Functions stay who they are, and get the new code.
    """
    before = dict(vars(module))
    exec(code, vars(module))  # noqa: S102 - our own text
    changed: dict[int, object] = {}
    for name, old in before.items():
        new = vars(module).get(name)
        if isinstance(old, FunctionType) and isinstance(new, FunctionType):
            old.__code__ = new.__code__
            vars(module)[name] = old
        elif new is not old and not name.startswith("__"):
            changed[id(old)] = new
    for other in others:
        for name, value in list(vars(other).items()):
            if other is not module and id(value) in changed:
                vars(other)[name] = changed[id(value)]
