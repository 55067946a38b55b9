"""The mutants are changes, each of one place, of what decides."""

from __future__ import annotations

import ast

import pytest
from mutants.core import CORE, ROOT, Module
from mutants.mutate import mutants


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
    assert all(ast.dump(ast.parse(one.applied(text))) != ast.dump(ast.parse(text)) for one in found)
    for test in module.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text()
