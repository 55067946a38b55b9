"""The mutants are changes, each of one place, of what decides."""

from __future__ import annotations

import ast
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from mutants.core import CORE, ROOT, Module
from mutants.mutate import mutants
from mutants.run import Score, ended
from mutants.swap import run_again, swaps

if TYPE_CHECKING:
    from types import CodeType


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("a == b", ["a != b"]),
        ("a is not b", ["a is b"]),
        ("a not in b and c", ["a in b and c", "a not in b or c"]),
        ("a < b <= c", ["a <= b <= c", "a < b < c"]),
        ("not a", ["a"]),
        ("a if b else c", ["a if (not (b)) else c"]),
        ("[a for a in b if c]", ["[a for a in b if True]"]),
        ("f(7)", ["f(8)", "pass"]),
        ("f('x')", ["f('')", "pass"]),
        ("x = True", ["x = False"]),
        ("a = b = c", ["_without = b = c", "a = _without = c"]),
        ("x = a + b | c", ["x = a + b & c", "x = a - b | c"]),
        ("x = any(y.partition(z))", ["x = all(y.partition(z))", "x = any(y.rpartition(z))"]),
        ("def f():\n    'Text.'\n    return a", ["def f():\n    'Text.'\n    return None"]),
        ("raise E", ["pass"]),
        (r"x = r'^a+[b\]]?(?:c|\d{2})$'",
         [r"x = r'a+[b\]]?(?:c|\d{2})$'", r"x = r'^[b\]]?(?:c|\d{2})$'", r"x = r'^a[b\]]?(?:c|\d{2})$'",
          r"x = r'^a+(?:c|\d{2})$'", r"x = r'^a+[b\]](?:c|\d{2})$'", r"x = r'^a+[b\]]?(?:|\d{2})$'",
          r"x = r'^a+[b\]]?(?:c|)$'", r"x = r'^a+[b\]]?(?:c|\d)$'", r"x = r'^a+[b\]]?(?:c|\d{2})'"]),
        ('x = (r"a"  # "b"\n     r"c")', ['x = (r""  # "b"\n     r"c")', 'x = (r"a"  # "b"\n     r"")']),
        ("import a\nif TYPE_CHECKING:\n    x = 1 == 2\n__slots__ = ('a',)\n'text'\nx: 'str'", []),
    ],
)  # fmt: skip
def test_changes(text: str, changed: list[str]) -> None:
    """These are all the mutants of this text."""
    assert sorted(changed) == sorted(one.applied(text) for one in mutants(text))


def test_the_mark() -> None:
    """Each module must reach it by itself, and be tried at all."""
    good, bad, none = (
        Score(module="m", tried=tried, noticed=noticed) for tried, noticed in ((20, 17), (100, 84), (0, 0))
    )
    assert [0, 1, 1, 1, 1] == [ended(scores) for scores in ([good, good], [good, bad], [bad, good], [good, none], [])]


def test_what_is_swapped() -> None:
    """A change within functions is put into them; any other needs the module to be run again."""
    text = "A = 1\n\ndef f(x=1):\n    def g():\n        return 2\n    return [y for y in x]\n\nclass C:\n    b = 3\n"
    text += "    def m(self):\n        return 4\nh = lambda: 5\n"
    functions = {("f", 3): ("return 2", "return 7"), ("C.m", 10): ("4", "7"), ("<lambda>", 12): ("5", "7")}
    functions_more = {("f", 3): ("for y in x", "for y in x if y")}
    for changes in (functions, functions_more):
        for place, (old, new) in changes.items():
            assert {place} == set(swaps(*compiled(text, text.replace(old, new))) or ())
    for old, new in (("A = 1", "A = True"), ("x=1", "x=2"), ("b = 3", "b = 4"), ("class C", "class D")):
        assert swaps(*compiled(text, text.replace(old, new))) is None
    assert swaps(*compiled(text, text)) == {}


def compiled(*texts: str) -> list[CodeType]:
    """The code of these texts."""
    return [compile(text, "m", "exec") for text in texts]


def test_run_again() -> None:
    """Whoever holds a value or a function of the module has the new one afterwards."""
    module, other = ModuleType("m"), ModuleType("o")
    exec("A = [1]\nB = 2\ndef f(): return A, 1", vars(module))  # noqa: S102 - our own text
    vars(other).update({"A": vars(module)["A"], "f": (f := vars(module)["f"]), "own": 7})
    run_again(compile("A = [2]\nB = 2\ndef f(): return A, 2", "m", "exec"), module, [module, other])
    assert f() == ([2], 2)
    assert vars(module)["f"] is f
    assert (vars(other)["A"], vars(other)["own"]) == ([2], 7)


def test_only_what_decides() -> None:
    """Where names are given, only what stands under them is changed."""
    text = "A = 1\ndef f():\n    return 2\nclass C:\n    x = 3\n"
    assert {2, 3} == {one.line for one in mutants(text, frozenset({"f"}))} | {2}
    assert not mutants(text, frozenset({"g"}))


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
@pytest.mark.parametrize("module", [one for one in CORE if one.path.exists()], ids=lambda one: one.name)
def test_the_core(module: Module) -> None:
    """Every module of the core has mutants, each of which is Python and another program; and tests that are there."""
    text = module.path.read_text()
    found = mutants(text, module.only)
    assert found
    same = ast.dump(ast.parse(text))
    assert all(ast.dump(ast.parse(one.applied(text))) != same for one in found[:: len(found) // 20 + 1])
    for test in module.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text()
