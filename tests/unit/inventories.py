"""Inventories made by chance: YAML, INI and JSON, one file or a folder, with variables in folders beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GROUPS = ["web", "db", "app-1", "prod", "eu.west", "empty"]
HOSTS = ["h1", "h2", "h3.example.com", "10.0.0.7", "a-b_c", "localhost"]
WORDS = [
    *HOSTS, *HOSTS, "w[1:3]", "w[01:03]", "n[a:c]x[1:2].io", "r[2:8:3]", "h1:2222", "p.io:80", "web", "u_:22", "::1",
    "[::1]:22", "w[3:1]", "w[1:a]", "é",
]  # fmt: skip
NAMES = ["color", "size", "expect", "ansible_host", "ansible_port", "ansible_group_priority", "inventory_dir", "v-1"]
YAML = [
    "1", "-7", "0o17", "017", "0x1f", "1_000", "12:30", "1.50", "1e3", "1.0e+3", ".inf", "yes", "off", "~", "null",
    "''", "plain words", "'yes'", '"tab\t"', "a: b", "{{ h }}", "'{{ color }}-x'", "2024-01-01", "!unsafe x", "!!str 7",
    "=", "|\n {pad}long\n {pad}text", "&a x", "é", "$ANSIBLE_VAULT;1.1",
]  # fmt: skip
VALUES = [
    "1", "007", "1_0", "1.5", "True", "yes", "None", "word", "10.0.0.1", "/a/b", "a,b", "'1'", '"two words"',
    "[1, 'b']", "{'k': (1, 2)}", "{1: 2}", "{1, 2}", "1+2j", "b'x'", "{{x}}", "a=b", "#no", "é", "x y", "...", "'open",
]  # fmt: skip

Parts = dict[str, Any]


def scalars() -> st.SearchStrategy[str]:
    """One value, as it is written in YAML."""
    return st.sampled_from(YAML[:12]) | st.sampled_from(YAML)


def values() -> st.SearchStrategy[Any]:
    """One value, perhaps of several parts."""
    keys = st.sampled_from(["b", "a", "1", "22", "yes", "<<", "'443/tcp'"])
    return st.recursive(
        scalars(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=5,
    )


def variables() -> st.SearchStrategy[Any]:
    """The variables of one level."""
    return st.dictionaries(st.sampled_from(NAMES), values(), max_size=3) | st.just(None)


def groups() -> st.SearchStrategy[Parts]:
    """Groups within groups, each with hosts and variables, in any order."""
    hosts = st.dictionaries(
        st.sampled_from(WORDS[:18]) | st.sampled_from(WORDS), st.just(None) | variables(), max_size=4
    )
    base = st.fixed_dictionaries({}, optional={"hosts": hosts, "vars": variables()})

    def group(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        children = st.dictionaries(st.sampled_from([*GROUPS, "ungrouped"]), inner, max_size=3)
        parts = {"children": children, "hosts": hosts, "vars": variables(), "odd": st.just({"x": "1"})}
        return st.permutations(list(parts)).flatmap(
            lambda order: st.fixed_dictionaries({}, optional={name: parts[name] for name in order})
        )

    tree = st.recursive(base | st.just(None), group, max_leaves=6)
    return st.dictionaries(st.sampled_from(["all", *GROUPS]), tree, min_size=1, max_size=3)


def yaml_text(value: Any, pad: str = "") -> str:  # noqa: ANN401 - a tree of texts
    """How is this written? Scalars stand as they are."""
    if isinstance(value, dict) and value:
        return "\n" + "\n".join(f"{pad}{key}: {yaml_text(inner, pad + '  ').rstrip()}" for key, inner in value.items())
    if isinstance(value, list) and value:
        return "\n" + "\n".join(f"{pad}- {yaml_text(inner, pad + '  ').rstrip()}" for inner in value)
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return "" if value is None else value.replace("{pad}", pad)


def yaml_files() -> st.SearchStrategy[str]:
    """An inventory in YAML."""
    return groups().map(yaml_text)


def json_files() -> st.SearchStrategy[str]:
    """An inventory in JSON."""
    return groups().map(json.dumps)


@st.composite
def ini_files(draw: st.DrawFn) -> str:
    """An inventory in INI."""
    lines: list[str] = []
    for section in draw(st.lists(st.sampled_from(["", *GROUPS, "all", "ungrouped", "new"]), max_size=5)):
        kind = draw(st.sampled_from(["", "", ":vars", ":children", ":hosts"]))
        lines += [f"[{section}{kind}]{draw(st.sampled_from(['', ' # why', ' ']))}"] if section else []
        for _ in range(draw(st.integers(0, 3))):
            name, value = draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))
            pairs = draw(
                st.sampled_from(["", f" {name}={value}", f" {name}={value} # why", " # why", f' {name}="{value}"'])
            )
            lines.append({":vars": f"{name} = {value}", ":children": draw(st.sampled_from(GROUPS))}.get(
                kind if section else "", f"{draw(st.sampled_from(WORDS))}{pairs}"))  # fmt: skip
    return "\n".join([*lines, draw(st.sampled_from(["", "; end", "# end"]))])


def variable_files() -> st.SearchStrategy[str]:
    """A file of `group_vars` or `host_vars`."""
    return variables().map(yaml_text) | st.sampled_from(
        ["", "---\n", "# nothing\n", "[]", "{}", '{"color": "json"}', "word"]
    )


@st.composite
def folders(draw: st.DrawFn) -> dict[str, str]:
    """Every file of an inventory by its path; the first is the source, or the folder that it is in."""
    maps = st.sampled_from(["hosts.yml", "10.yaml", "sub/more.yml", "data.json"])
    files = draw(st.dictionaries(maps, yaml_files() | json_files(), max_size=2))
    files |= draw(
        st.dictionaries(st.sampled_from(["hosts", "20-more.ini", "sub/x", "z.cfg", "n.md"]), ini_files(), max_size=2)
    )
    if not files:
        files = {"hosts": draw(yaml_files() | ini_files())}
    endings = st.sampled_from(
        ["", ".yml", ".yaml", ".json", ".txt", "/a.yml", "/b/c", "/b.d/c.yml", "/x.ini", "/.z.yml"]
    )
    for folder, names in (("group_vars", [*GROUPS, "all", "ungrouped"]), ("host_vars", HOSTS)):
        paths = st.tuples(st.sampled_from(names), endings).map(lambda it, at=folder: f"{at}/{it[0]}{it[1]}")
        files |= draw(st.dictionaries(paths, variable_files(), max_size=3))
    return files


def write(files: Mapping[str, str], folder: Path) -> bool:
    """Put the files there; False where one path would be both a file and a folder."""
    paths = {folder / name for name in files}
    if any(parent in paths for path in paths for parent in path.parents):
        return False
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return True
