"""Is what was judged wrong once judged right now?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from whyrefused.firewall import load

from .compare import Compared, Prober, judged
from .needs import root_and_tools
from .packets import Connection
from .regressions import kept, loads
from .rig import Rig
from .rulesets import install

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = [pytest.param(one, id=name) for name, one in kept()]


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    """Give a rig to ask."""
    with Rig("regress") as rig:
        yield Prober(rig)


@pytest.mark.parametrize("one", KEPT)
def test_the_verdict_is_what_the_kernel_answered(one: dict[str, Any]) -> None:
    """From what the host printed then; this needs no kernel."""
    connection = Connection(**one["connection"])
    trip = judged(load(one["nft"], one["saves"]), connection, 40000)
    assert Compared(connection=connection, trip=trip, answer=one["answer"]).agrees, trip
    assert (trip.verdict == "cannot-tell") is one.get("cannot_tell", False), trip.why


class TestOnThisKernel:
    """The same rules, loaded anew."""

    pytestmark = root_and_tools

    @pytest.mark.parametrize("one", KEPT)
    def test_the_kernel_answers_as_it_did(self, one: dict[str, Any], prober: Prober) -> None:
        """And the verdict is what it answers."""
        assert len(install(prober.rig, loads(one))) == len(one["loads"])
        (found,) = prober.compare([Connection(**one["connection"])])
        assert found.answer == one["answer"]
        assert found.agrees
