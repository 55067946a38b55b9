"""A missing value is a type: whatever is done with one, no verdict comes out of it."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from io import TextIOBase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.evidence import Evidence
from whyrefused.judge import Question, judge
from whyrefused.plan.keys.services import ServiceItem
from whyrefused.records import CouldNotLook, Line, Missing, Reply, Seen

Use = Callable[[Any], object]

OTHERS: tuple[Any, ...] = (None, True, False, 0, 1, 2.5, "", "a", b"a", (), (1,), [], {}, {"a": 1}, {1}, object())
PAIRS = (
    "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_",
    "or_", "xor", "lshift", "rshift",
)  # fmt: skip
SINGLE: dict[str, Use] = {
    "truth": bool, "not": operator.not_, "length": len, "hash": hash, "loop": list, "backwards": reversed,
    "first": lambda it: it[0], "slice": lambda it: it[:1], "key": lambda it: it["a"], "attribute": lambda it: it.state,
    "call": lambda it: it(), "text": str, "print": lambda it: f"{it}", "format": "{}".format,
    "width": lambda it: f"{it:>8}", "percent": lambda it: "%s" % it, "join": ", ".join,  # noqa: UP031 - as above
    "whole": int, "real": float, "complex": complex, "bytes": bytes, "index": operator.index, "round": round,
    "floor": math.floor, "ceiling": math.ceil, "trunc": math.trunc, "minus": operator.neg, "plus": operator.pos,
    "invert": operator.invert, "size": abs, "path": open, "range": range, "next": next,
    "divmod": lambda it: divmod(it, 2),
    "of which divmod": lambda it: divmod(2, it), "any": lambda it: any([it]), "all": lambda it: all([it]),
    "any of it": any, "all of it": all, "sum": sum, "most": lambda it: max(it, 1), "least": lambda it: min(1, it),
    "sorted": lambda it: sorted([1, it]), "set": lambda it: {it}, "map": lambda it: {it: 1}, "tuple": tuple,
    "and": lambda it: it and True, "or": lambda it: it or True, "if": lambda it: 1 if it else 2,
    "unpack": lambda it: [*it], "keys": lambda it: {**it}, "zip": lambda it: list(zip([1], it, strict=True)),
    "chained": lambda it: 0 < it < 9, "startswith": lambda it: it.startswith("a"),
    "filter": lambda it: [*filter(None, [it])],
}  # fmt: skip


@pytest.mark.parametrize("use", SINGLE.values(), ids=SINGLE)
def test_no_use_of_it_gives_a_value(use: Use) -> None:
    """Tested, counted, hashed, searched, looped over, called, calculated with or told, it raises with its reason."""
    with pytest.raises(CouldNotLook, match=r"^gone$"):
        use(Missing("gone"))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("other", OTHERS, ids=map(repr, range(len(OTHERS))))
def test_no_comparison_with_it_comes_true(name: str, other: object) -> None:
    """On either side of every operator, whatever stands on the other."""
    act = getattr(operator, name)
    for pair in ((Missing("gone"), other), (other, Missing("gone"))):
        if name == "mod" and isinstance(pair[0], (str, bytes)):
            continue  # it formats, which tells nothing where there is no place for it
        with pytest.raises(CouldNotLook):
            act(*pair)


@pytest.mark.parametrize("other", [(1, 2), [1], {1}, {1: 2}, "abc", range(3)], ids=repr)
def test_it_is_in_nothing(other: Any) -> None:  # noqa: ANN401 - any container
    """Neither is it in anything, nor anything in it, nor is it missing from anything."""
    for ask in (
        lambda miss: miss in other, lambda miss: miss not in other, lambda miss: 1 in miss, lambda miss: 1 not in miss,
    ):  # fmt: skip
        # A text says itself that what is no text is not in it.
        with pytest.raises((CouldNotLook, TypeError) if isinstance(other, str) else CouldNotLook):
            ask(Missing("gone"))


def special() -> set[str]:
    """The special methods by which some value of Python's own answers an operator, a function or a statement."""
    kinds = (int, float, complex, str, bytes, list, dict, set, tuple, range, Decimal, Path, Future, TextIOBase)
    names = {name for kind in kinds for name in dir(kind) if name.startswith("__") and name.endswith("__")}
    own = {
        "__getnewargs__", "__getformat__", "__class_getitem__", "__del__", "__dict__", "__weakref__", "__module__",
        "__slots__", "__annotations__", "__match_args__", "__static_attributes__", "__firstlineno__", "__copy__",
        "__deepcopy__", "__exit__", "__buffer__", "__setformat__", "__setstate__", "__abstractmethods__",
    }  # fmt: skip
    changing = {name for name in names if name.startswith("__i") and f"__{name[3:]}" in names} | {
        "__setitem__", "__delitem__",
    }  # fmt: skip
    comparing = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__str__", "__format__", "__hash__"}
    other = {"__call__", "__await__", "__aiter__", "__matmul__", "__rmatmul__"}
    return (names - set(dir(object)) - own - changing) | comparing | other


@pytest.mark.parametrize("name", sorted(special()))
def test_each_operator_is_refused_by_itself(name: str) -> None:
    """None is left to the fallback of another, which another version of Python may do otherwise."""
    assert vars(Missing)[name] is vars(Missing)["_refuse"]


@dataclass(frozen=True)
class Pair:
    """A record that holds a part of which nothing is known."""

    name: str
    part: object


def test_a_record_that_holds_one_is_like_no_other() -> None:
    """A record, a list or a map with a missing part is not equal to one with anything in its place, and no key."""
    for left, right in (
        (Pair("a", Missing("gone")), Pair("a", ())),
        ([Missing("gone")], [None]),
        ({"a": Missing("gone")}, {"a": 1}),
        ((1, Missing("gone")), (1, Missing("gone"))),
    ):
        with pytest.raises(CouldNotLook):
            operator.eq(left, right)
        with pytest.raises(CouldNotLook):
            operator.ne(right, left)
    with pytest.raises(CouldNotLook):
        hash(Pair("a", Missing("gone")))


def test_what_it_answers() -> None:
    """Its type, its reason, and how it looks to a programmer: nothing that judges."""
    miss = Missing("gone")
    assert isinstance(miss, Missing)
    assert miss.why == "gone"
    assert repr(miss) == "Missing('gone')"
    assert repr([miss]) == "[Missing('gone')]"
    for same in (copy.copy(miss), copy.deepcopy(miss), pickle.loads(pickle.dumps(miss))):  # noqa: S301 - our own
        assert same.why == "gone"
    for dunder in ("__missing_dunder__", "__missing"):
        with pytest.raises(AttributeError, match=dunder):
            getattr(miss, dunder)
    with pytest.raises(CouldNotLook):
        miss.missing__  # noqa: B018 - reading it is the question


ITEM = ServiceItem(host="a", check="services", subject="x", wanted="x running", unit="x", state="running", enabled=None)
ASKED = Evidence([Reply(host="a", frames={})])
LINE = Line(host="a", source="systemctl show", line="x")


@pytest.mark.parametrize("use", SINGLE.values(), ids=SINGLE)
@pytest.mark.parametrize("careless", ["not", "either way", "plain"])
def test_no_check_passes_on_it(use: Use, careless: str) -> None:
    """A check may use it as carelessly as it likes, even deny what it finds: the item ends as an error, with why."""

    def check(*, declared: ServiceItem, seen: Seen) -> None:
        del declared
        found = use(seen.value)
        assert {"not": operator.not_, "either way": lambda it: [it, not it], "plain": bool}[careless](found)

    question = Question(
        id="q", item=ITEM, look=lambda *_: Seen(value=Missing("gone"), said="", lines=(LINE,)), test=check
    )
    one = judge(question, ASKED, KeyError)
    assert (one.outcome, one.why) == ("error", "gone")
    assert isinstance(one.miss, CouldNotLook)


def test_a_check_that_does_not_look_does_not_pass() -> None:
    """A check that asserts nothing of a missing value does not pass either."""
    for value in (Missing("gone"), (1, Missing("gone"))):
        look = lambda *_, value=value: Seen(value=value, said="", lines=(LINE,))  # noqa: E731 - one of two
        one = judge(Question(id="q", item=ITEM, look=look, test=lambda **_: None), ASKED, KeyError)
        assert (one.outcome, one.why) == ("error", "gone")


@given(st.recursive(st.builds(Missing, st.text(max_size=5)) | st.integers() | st.text(max_size=3),
                    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=6))  # fmt: skip
def test_no_nesting_hides_it(value: object) -> None:
    """However deep it stands, two such values are never equal by chance of what is not known."""

    def holds(it: object) -> bool:
        return isinstance(it, Missing) or (isinstance(it, (list, tuple)) and any(map(holds, it)))

    if holds(value):
        with pytest.raises(CouldNotLook):
            assert copy.deepcopy(value) == value
    else:
        assert copy.deepcopy(value) == value
