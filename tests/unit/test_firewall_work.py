"""How many rules and elements of a large ruleset does one verdict look at? Counted: no busy machine spoils that."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from bench import rulesets

from whyrefused.firewall import flow, judge_all, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyrefused.firewall import Ruleset

RULES = 5000
LAST = RULES - 5


@cache
def loaded(kind: rulesets.Kind) -> Ruleset:
    """Which rules are these? Read once."""
    return kind.load(kind.text(RULES))


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:  # noqa: ANN401 - a class or a module
    """Count the calls of a function from now on."""
    calls = [0]
    real: Callable[..., Any] = getattr(owner, name)

    def counting(*words: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
        calls[0] += 1
        return real(*words)

    monkeypatch.setattr(owner, name, counting)
    return calls


@pytest.mark.parametrize("everybody", [False, True], ids=["one", "any"])
@pytest.mark.parametrize(
    ("kind", "most"),
    [*zip(rulesets.KINDS, (2, 8, 104, 2, 104, 16), strict=True)],
    ids=lambda it: getattr(it, "name", it),
)
def test_rules_asked(monkeypatch: pytest.MonkeyPatch, kind: rulesets.Kind, most: int, everybody: bool) -> None:  # noqa: FBT001 - a case
    """Rules for other ports and addresses are passed over by their bounds, wherever the one stands that matches."""
    rules, packet = loaded(kind), kind.packet(LAST, everybody=everybody)
    asked = counted(monkeypatch, walk.Walk, "_rule")
    assert "accept" in {part.trace.verdict for part in judge_all(rules, packet, kind.hook)}
    assert 0 < asked[0] <= most


@pytest.mark.parametrize("everybody", [False, True], ids=["one", "any"])
def test_elements_looked_at(monkeypatch: pytest.MonkeyPatch, everybody: bool) -> None:  # noqa: FBT001 - a case
    """Of 5,000 elements of a set of pairs and of a verdict map, those for this port are looked at."""
    kind = next(one for one in rulesets.KINDS if "sets" in one.name)
    rules, packet = loaded(kind), kind.packet(LAST, everybody=everybody)
    calls = [counted(monkeypatch, module, "row_split") for module in (walk, flow)]
    assert judge_all(rules, packet)
    assert 0 < sum(each[0] for each in calls) <= 4
