"""What is read here is what Ansible reads: inventories made by chance, and those of the data, shown to both."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from unit import inventories
from unit.ansible_says import Ansible

from whyrefused.inventory import command, levels, plain
from whyrefused.inventory.certain import settled
from whyrefused.inventory.plain.files import LONGEST_LINE
from whyrefused.inventory.sources import examine, gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CASES = sorted(Path(__file__).parent.glob("data/inventory/cases/*/"))
ENOUGH = 0.25
"""Of what chance makes so many are read here at least, or the comparison would say little."""
MANY = int(os.environ.get("CASES", "0"))
"""So many inventories of chance's own choosing, where it is asked for; else the same few in each run."""
ONCE = settings(
    max_examples=MANY or 40,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    derandomize=not MANY,
    database=None,
)


@pytest.fixture(scope="module")
def ansible() -> Iterator[Ansible]:
    """Give Ansible itself."""
    server = Ansible()
    yield server
    server.stop()


def ours(sources: Sequence[str]) -> plain.Printed | None:
    """What do we read, or None where the command would be asked?"""
    found = gather(sources)
    files, problems = examine(found)
    if problems or not settled(sources, found, {}):
        return None
    try:
        return plain.read(sources, found, files)
    except plain.Unsure:
        return None


def compared(ansible: Ansible, sources: Sequence[str], folder: Path) -> bool:
    """Is this read here? Then Ansible reads the same, in the same order."""
    read = ours(sources)
    if read is None:
        return False
    said, complaint = ansible.says(sources, folder)
    assert said is not None, complaint
    meta = said.pop("_meta")
    assert json.dumps([said, meta["hostvars"]], indent=1) == json.dumps([read.groups, read.hostvars], indent=1)
    return True


def test_by_chance(ansible: Ansible) -> None:
    """Whatever stands in a folder: either it is not read here, or as Ansible reads it."""
    seen: Counter[bool] = Counter()

    @ONCE
    @given(inventories.folders(), st.booleans(), st.booleans())
    def compare(files: dict[str, str], whole: bool, twice: bool) -> None:  # noqa: FBT001 - drawn
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if inventories.write(files, folder):
                first = str(folder) if whole else str(folder / next(iter(files)))
                seen[compared(ansible, [first, *(["h9,h1:80, h2"] if twice else [])], folder)] += 1

    compare()
    assert seen[True] > ENOUGH * seen.total(), seen


@pytest.mark.parametrize("kind", ["yaml", "ini", "json"])
def test_each_kind_by_chance(ansible: Ansible, kind: str) -> None:
    """One file of each kind."""
    seen: Counter[bool] = Counter()

    @settings(ONCE)
    @given(getattr(inventories, f"{kind}_files")())
    def compare(text: str) -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / f"hosts.{kind}"
            file.write_text(text, encoding="utf-8")
            seen[compared(ansible, [str(file)], file.parent)] += 1

    compare()
    assert seen[True] > ENOUGH * seen.total(), seen


PARTS = [
    "web", "db", "all", "h1", "h2", "w*", "*", "eu.w*", "h?", "nobody", "n*y", "10.0.0.7", "h3.example.com",
    "ungrouped", "empty", "localhost", "~h.*", "h[12]", "@file", "web[0]", "127.0.0.1",
]  # fmt: skip
FLEET = """
[web]
h1
h[2:4]
web9
[db]
10.0.0.7
h1
[eu.west:children]
db
[eu.west]
h3.example.com
[empty]
"""


def test_limits_by_chance(ansible: Ansible, tmp_path: Path) -> None:
    """Whatever `--limit` says: the command is asked, or those hosts are left that Ansible leaves."""
    file = tmp_path / "hosts"
    file.write_text(FLEET)
    read = ours([str(file)])
    assert read
    tree = levels.tree(read.groups, read.hostvars, lambda _: True)
    seen: Counter[bool] = Counter()
    parts = st.builds(
        "{}{}".format, st.sampled_from(["", "", "!", "&"]), st.sampled_from(PARTS[:16]) | st.sampled_from(PARTS)
    )

    @settings(ONCE)
    @given(st.lists(parts, min_size=1, max_size=4), st.sampled_from([",", ":", ", "]))
    def compare(words: list[str], between: str) -> None:
        pattern = between.join(words)
        try:
            left, unmatched = plain.chosen(pattern, tree.hosts, {**dict.fromkeys(read.named, ()), **tree.members})
        except plain.Unsure:
            seen[False] += 1
            return
        seen[True] += 1
        said, complaint = ansible.says([str(file)], tmp_path, pattern)
        assert said is not None, complaint
        limited = levels.parse(json.dumps(said), lambda _: True)
        assert sorted(limited.hosts) == sorted(left), pattern
        told = [name.strip() for name in command.UNMATCHED.findall(re.sub(r"\n(?!\[)", " ", complaint))]
        assert sorted(told) == sorted(unmatched), pattern

    compare()
    assert seen[True] > ENOUGH * seen.total(), seen


def test_a_line_may_be_long(ansible: Ansible, tmp_path: Path) -> None:
    """One that would take its square for time is left to the command."""
    file = tmp_path / "hosts"
    file.write_text(f"web a={'x' * (LONGEST_LINE - 6)}\n")
    assert compared(ansible, [str(file)], tmp_path)
    file.write_text(f"web a={'x' * (LONGEST_LINE - 5)}\n")
    assert not compared(ansible, [str(file)], tmp_path)


def test_those_of_the_data(ansible: Ansible) -> None:
    """The inventories that other tests load, and the one of the manual, are read alike."""
    seen = [
        compared(ansible, [str(source)], folder)
        for folder in CASES
        for source in sorted(folder.iterdir())
        if source.name.startswith("inventory") or source.suffix in {".yml", ".ini"}
    ]
    assert any(seen)
