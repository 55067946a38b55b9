"""Are the parts of a network exact, whatever the rules?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from oracle.iptables_rules import SETS, ruleset
from oracle.packets import connections
from oracle.words import by_hypothesis

from whyrefused.firewall import Ruleset, judge, judge_all, load, round_trip
from whyrefused.firewall.ranges import Range, address_range, tidy

EVERY = (0, (1 << 32) - 1)


def rules_of(data: st.DataObject) -> Ruleset:
    """Make rules of the grammar by which the kernel is asked."""
    return load(None, {"iptables-save": ruleset(by_hypothesis(data), 4), "ipset save": SETS})


def spans(sources: tuple[str, ...]) -> list[Range]:
    """Read what a part names."""
    return [address_range(text)[1] for text in sources]


def surer(one: Any, network: Any) -> bool:  # noqa: ANN401 - traces or round trips
    """Is the answer for one source that of its network, or one of those that this leaves open?"""
    if network.verdict == "cannot-tell":
        return True
    ways = set(one.how.split(" or "))
    return bool(one.verdict == network.verdict and ways <= set(network.how.split(" or ")))


@given(st.data(), st.integers(0, EVERY[1]))
def test_every_source_is_in_one_part_and_judged_as_alone(data: st.DataObject, number: int) -> None:
    """The parts of `any` are all sources, once; one source alone has the verdict of its part, or a surer one."""
    rules = rules_of(data)
    (asked,) = connections(by_hypothesis(data), 1, beyond=True)
    version = ipaddress.ip_address(asked.destination).version
    if version != 4 or asked.hook == "output":
        return
    packet = replace(asked.packet(40000), source="any")
    alone = replace(packet, source=str(ipaddress.ip_address(number)))
    for parts, mine in (
        (judge_all(rules, packet, asked.hook), judge(rules, alone, asked.hook)),
        (round_trip(rules, packet, asked.hook), round_trip(rules, alone, asked.hook)[0]),
    ):
        listed = [span for part in parts for span in spans(part.sources)]
        assert tidy(listed) == (EVERY,)
        assert sum(high - low + 1 for low, high in listed) == EVERY[1] + 1
        (part,) = [one for one in parts if any(low <= number <= high for low, high in spans(one.sources))]
        of_part = getattr(part, "trace", part)
        assert surer(mine, of_part), (mine, of_part)
