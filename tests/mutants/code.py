"""What of a loaded module must change, for it to be another text of itself? Pure, but for `put`."""

from __future__ import annotations

import gc
import inspect
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Swaps = dict[tuple[str, int], CodeType]
"""The new code of functions, by name and first line of the old."""

SAME = (
    "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_argcount", "co_posonlyargcount",
    "co_kwonlyargcount", "co_exceptiontable",
)  # fmt: skip


def swaps(old: CodeType, new: CodeType) -> Swaps | None:
    """Which functions differ? None where more does: a class, a value, a default, what a function closes over."""
    found: Swaps = {}
    for one, other in _changed(old, new):
        if not one.co_flags & inspect.CO_OPTIMIZED or one.co_freevars != other.co_freevars:
            return None
        found[one.co_qualname, one.co_firstlineno] = other
    return found


def _changed(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    (inner, values), (others, more) = _parts(old), _parts(new)
    if values != more or len(inner) != len(others) or any(getattr(old, name) != getattr(new, name) for name in SAME):
        yield old, new
        return
    for one, other in zip(inner, others, strict=True):
        yield from _changed(one, other)


def _parts(code: CodeType) -> tuple[list[CodeType], list[str]]:
    """The code within, and the values; by their words, since 0 and False are equal."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return inner, [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]


def put(changed: Swaps, path: str) -> bool:
    """Give the functions of this file their new code, whoever holds them. Is there one of each?"""
    left = set(changed)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == path:
            key = one.__code__.co_qualname, one.__code__.co_firstlineno
            if key in changed:
                one.__code__ = changed[key]
                left.discard(key)
    return not left


def run_again(code: CodeType, module: ModuleType, modules: Mapping[str, ModuleType]) -> None:
    """Run this code as the module, and give its new values to all that have the old. It must have no classes.

    Functions stay who they are, and get the new code.
    """
    before = dict(vars(module))
    exec(code, vars(module))  # noqa: S102 - our own text
    changed = {}
    for name, old in before.items():
        new = vars(module).get(name)
        if isinstance(old, FunctionType) and isinstance(new, FunctionType):
            old.__code__ = new.__code__
            vars(module)[name] = old
        elif new is not old and not name.startswith("__"):
            changed[id(old)] = old, new
    for other in modules.values():
        for name, value in list(vars(other).items()):
            if other is not module and id(value) in changed and changed[id(value)][0] is value:
                vars(other)[name] = changed[id(value)][1]
