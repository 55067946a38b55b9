"""The levels of an inventory, from the output of the command."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory import levels
from whyrefused.inventory.wanted import wanted

GROUPS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.fixed_dictionaries(
        {},
        optional={
            "hosts": st.lists(st.sampled_from(["h1", "h2", "h3"]), max_size=3),
            "children": st.lists(st.sampled_from(["a", "b", "c", "d", "all"]), max_size=3),
            "vars": st.dictionaries(st.sampled_from(["expect", "ansible_group_priority"]), st.integers(0, 3)),
        },
    ),
)


def tree(groups: object = None, hostvars: object = None) -> levels.Tree:
    """What is read from an export with these groups?"""
    return levels.parse(json.dumps({"_meta": {"hostvars": hostvars or {}}, **(groups or {})}), wanted)  # type: ignore[dict-item]


def test_order_of_levels() -> None:
    """Ansible's order: depth by the longest way, then priority, then name; the host last."""
    found = tree(
        {
            "all": {"children": ["z", "b", "a"]},
            "z": {"hosts": ["h"], "vars": {"ansible_group_priority": "2"}},
            "a": {"children": ["deep"]},
            "b": {"children": ["deep"], "hosts": ["h"]},
            "deep": {"hosts": ["h"]},
        }
    )
    assert found.lineage["h"] == ("all", "a", "b", "z", "deep")
    assert [level.name for level in found.levels("h")] == ["all", "a", "b", "z", "deep", "h"]


def test_members_are_nested_and_in_inventory_order() -> None:
    """A group holds the hosts of the groups within it; a group's own hosts come before those."""
    found = tree({"all": {"children": ["b", "a"]}, "b": {"hosts": ["h2"], "children": ["a"]}, "a": {"hosts": ["h1"]}})
    assert found.members == {"all": ("h2", "h1"), "b": ("h2", "h1"), "a": ("h1",)}
    assert tuple(found.hosts) == ("h2", "h1")


def test_only_what_is_needed_is_kept() -> None:
    """A secret that no template names is gone after reading; one that a needed template names, however far, stays."""
    found = tree(
        {"all": {"hosts": ["h"], "vars": {"db_password": "hunter2", "a": "{{ b }}", "b": "{{ c }}", "c": 1, "d": 2}}},
        {"h": {"ansible_host": "{{ a }}", "vault_token": "hunter3"}},
    )
    assert found.groups["all"].variables == {"a": "{{ b }}", "b": "{{ c }}", "c": 1}
    assert found.hosts["h"].variables == {"ansible_host": "{{ a }}"}
    assert "db_password" in found.names


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "9" * 10_000])
def test_not_an_inventory(text: str) -> None:
    """Whatever else the command printed is said to be none."""
    with pytest.raises(levels.NotAnExport):
        levels.parse(text, wanted)


def test_too_deep() -> None:
    """A value nested without end, as a script may print it, is refused by name; Python never recurses over it."""
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(levels.NotAnExport, match=r"groups\.all\.expect is nested deeper than 50"):
        tree({"all": {"vars": {"expect": deep}}})


@given(GROUPS)
def test_any_groups(groups: dict[str, dict[str, object]]) -> None:
    """Loops and odd shapes included: each host's lineage begins with `all` and agrees with the members."""
    found = tree(groups)
    for lineage in found.lineage.values():
        assert lineage[0] == "all"
        assert len(set(lineage)) == len(lineage)
    for name, members in found.members.items():
        assert members == tuple(host for host in found.hosts if name in found.lineage[host])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["_meta", "hostvars", "all", "hosts", "children", "vars", "expect"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_any_json(value: object) -> None:
    """Any JSON is either an inventory or said to be none."""
    try:
        levels.parse(json.dumps(value), wanted)
    except levels.NotAnExport:
        assert not isinstance(value, dict)
