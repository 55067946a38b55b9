"""How many rules and elements of a large ruleset does one verdict look at? Counted: no busy machine spoils that."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from bench import rulesets
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.firewall import Packet, build, flow, judge_all, load, walk

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


PORTS = st.integers(20, 30) | st.builds(lambda low, more: {"range": [low, low + more]}, st.integers(20, 30), st.just(2))
ACTIONS = st.sampled_from(["accept", "drop", "return", "continue"])
SOURCES = st.sampled_from(["10.0.0.7", "10.0.1.7", {"prefix": {"addr": "10.0.0.0", "len": 24}}])


def plain(monkeypatch: pytest.MonkeyPatch, text: str, packet: Packet) -> list[Any]:
    """What do the rules say where no element is kept by its port?"""
    with monkeypatch.context() as patch:
        patch.setattr(build, "FEWEST_TO_SORT", 1 << 30)
        return told(text, packet)


def told(text: str, packet: Packet) -> list[Any]:
    """What do the rules say?"""
    return [(part.sources, part.trace) for part in judge_all(load(text, {}), packet)]


@given(
    st.lists(st.tuples(PORTS | st.just("*"), ACTIONS), min_size=8, max_size=16),
    st.lists(st.tuples(SOURCES, PORTS), min_size=8, max_size=16),
    st.integers(19, 33),
    st.booleans(),
)
def test_kept_by_port(verdicts: list[Any], pairs: list[Any], port: int, negated: bool) -> None:  # noqa: FBT001 - a case
    """Elements kept by their port say what they say when each is asked, ranges and the rest of a map among them."""
    pair = {"match": {"op": "!=" if negated else "==", "left": {"concat": [rulesets.FROM, rulesets.TO]},
                      "right": "@pairs"}}  # fmt: skip
    vmap = {"vmap": {"key": rulesets.TO, "data": "@verdicts"}}
    # Single ports first, without which none is kept so.
    verdicts.sort(key=lambda each: not isinstance(each[0], int))
    pairs.sort(key=lambda each: not isinstance(each[1], int))
    elements = [[key, {do: None}] for key, do in verdicts]
    text = rulesets.nft(
        ({"name": "verdicts", "type": "inet_service", "map": "verdict", "elem": elements},
         {"name": "pairs", "type": ["ipv4_addr", "inet_service"], "elem": [{"concat": list(each)} for each in pairs]}),
        {"input": [[pair, vmap], [vmap], [rulesets.match(rulesets.TO, 21), {"accept": None}]]},
    )  # fmt: skip
    packet = Packet(source="10.0.0.0/23", destination=rulesets.HERE, port=port, interface="eth0")
    with pytest.MonkeyPatch.context() as patch:
        assert plain(patch, text, packet) == told(text, packet)
