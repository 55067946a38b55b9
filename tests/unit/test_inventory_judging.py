"""Every flaw is said once, of the level that it stands at."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory import levels
from whyrefused.inventory.judging import Judging
from whyrefused.inventory.locate import Locator
from whyrefused.inventory.reading import judge
from whyrefused.inventory.wanted import wanted


def tree(groups: dict[str, Any], hostvars: dict[str, Any] | None = None) -> levels.Tree:
    """These levels, as if the command had printed them."""
    return levels.parse(json.dumps({"_meta": {"hostvars": hostvars or {}}, **groups}), wanted)


def said(found: levels.Tree, **environ: str) -> list[str]:
    """What is wrong with these levels?"""
    return [str(problem) for problem in judge(found, ["-i"], environ)[1]]


def test_one_flaw_of_many_hosts_is_one_problem() -> None:
    """A flaw at a group is said once, with the hosts by which it depends on them."""
    names = [f"h{number}" for number in range(50)]
    expect = {"ports": {"443/tcp": {"bind": "{{ ip }}", "bnd": 1}}}
    found = tree({"web": {"hosts": names, "vars": {"expect": expect}}}, {"h0": {"ip": "::1"}})
    assert said(found) == [
        "-i: groups.web.expect.ports.443/tcp.bind: template `{{ ip }}`: 'ip' is undefined (h1 and 48 more)",
        "-i: groups.web.expect.ports.443/tcp.bnd: unknown key `bnd`; did you mean `bind`?",
    ]


def test_a_flaw_stands_where_it_was_said() -> None:
    """Of what adds up, each flaw is found at the most specific level that said it, lists included."""
    groups = {
        "all": {
            "children": ["a", "b"],
            "vars": {"expect": {"connects": ["x:1", "bad"], "services": {"s": {"enabled": 7}}}},
        },
        "a": {"hosts": ["h"], "vars": {"expect": {"connects": ["y:1"], "services": {"s": "runing"}}}},
        "b": {"hosts": ["h"], "vars": {"expect": {"connects": [{"to": "z:1", "srver": "h"}, {"to": "x:1", "az": 1}]}}},
    }
    found = [problem.partition(": ")[2].partition(": ")[0] for problem in said(tree(groups))]
    assert found == [
        "groups.a.expect.services.s.state",
        "groups.all.expect.connects.1.to",
        "groups.all.expect.services.s.enabled",
        "groups.b.expect.connects.0.srver",
        "groups.b.expect.connects.1.az",
    ]


def test_hosts_share_what_is_equal() -> None:
    """One validated expectation serves all hosts of which it is the same, whichever levels it came from."""
    expect = {"services": {"nginx": "running"}}
    groups = {"a": {"hosts": ["h1", "h2"], "vars": {"expect": expect}}, "b": {"hosts": ["h3"]}}
    hosts, _ = judge(tree(groups, {"h3": {"expect": expect}}), ["-i"], {})
    assert hosts["h1"].expect is hosts["h2"].expect is hosts["h3"].expect


def test_misspelt_variable() -> None:
    """A map of known keys under a name like `expect` is no other variable; a map of other keys is."""
    hostvars = {"h1": {"expects": {"proxy": "none"}}, "h2": {"expected": {"colour": "red"}, "excepted": "yes"}}
    assert said(tree({"all": {"hosts": ["h1", "h2"]}}, hostvars)) == [
        "-i: hosts.h1.expects: unknown variable `expects`; did you mean `expect`?"
    ]


def test_expect_from_a_variable() -> None:
    """`expect` itself may be a template, and must give a map."""
    groups = {
        "all": {
            "hosts": ["h1", "h2"],
            "vars": {"expect": "{{ mine }}", "mine": {"proxy": "{{ none_word }}"}, "none_word": "none"},
        }
    }
    hosts, problems = judge(tree(groups, {"h2": {"mine": 5}}), ["-i"], {})
    assert hosts["h1"].expect.proxy == "none"
    assert [str(problem) for problem in problems] == ["-i: groups.all.expect: a map of keys is wanted, not `5` (h2)"]


def test_environment() -> None:
    """What is wrong with the environment is in no file."""
    assert said(tree({"all": {"hosts": ["h1"]}}), ANSIBLE_REMOTE_PORT="x") == [
        "environment.ANSIBLE_REMOTE_PORT: `x` is not a port (h1)"
    ]


def test_five_thousand_hosts() -> None:
    """A large fleet is read in much less time than the command takes."""
    names = [f"h{number}" for number in range(5000)]
    groups: dict[str, Any] = {f"g{number}": {"hosts": names[number * 50 : number * 50 + 50]} for number in range(100)}
    expect = {"services": {"nginx": "running"}, "ports": {"443/tcp": {"bind": "{{ ip }}"}}}
    groups["all"] = {"children": list(groups), "vars": {"expect": expect}}
    text = json.dumps(
        {"_meta": {"hostvars": {name: {"ip": f"10.0.0.{i % 250}"} for i, name in enumerate(names)}}, **groups}
    )
    start = time.process_time()
    hosts, problems = judge(levels.parse(text, wanted), ["-i"], {})
    assert (len(hosts), problems) == (5000, ())
    assert time.process_time() - start < 2


WORDS = ["{{ a }}", "{{ b.c }}", "a:1", "none", "running", "h"]
KEYS = ["services", "ports", "connects", "proxy", "to", "server", "443/tcp", "443", "{{ a }}", "__ansible_vault"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=15,
)
LEVEL = st.dictionaries(
    st.sampled_from(["expect", "expects", "a", "b", "ansible_host", "ansible_port"]), VALUES, max_size=4
)


@given(LEVEL, LEVEL, LEVEL)
def test_any_levels(everyone: dict[str, Any], group: dict[str, Any], host: dict[str, Any]) -> None:
    """Whatever stands at the levels, each host comes out, and each problem names one of the levels."""
    found = tree({"all": {"children": ["g"], "vars": everyone}, "g": {"hosts": ["h"], "vars": group}}, {"h": host})
    judging = Judging(found, {}, lambda _: False)
    assert "h" in judging.hosts()
    for problem in judging.problems(Locator(), "file"):
        assert problem.key.startswith(("groups.all.", "groups.g.", "hosts.h."))
