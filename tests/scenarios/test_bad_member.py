"""A wrong address beside the one that was dialled changes nothing: each story ends as without it.

To every connection of a story that failed a try is added at an address that nobody has, as a name in round robin would
bring it: before the others and after them, and one of a family that the client does not speak.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused.records import Frame

from .replay import STORIES, read, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.records import Reply

NOBODY = "203.0.113.250"
ENDS = {
    "refused": "try\t{nobody}\tECONNREFUSED\t0\t{source}\t-",
    "timed out": "try\t{nobody}\tETIMEDOUT\t4003\t{source}\t-",
    "gone": "try\t{nobody}\tEHOSTUNREACH\t3055\t{source}\t3/1/{source}",
    "no IPv6": "try\t2001:db8:ffff::250\tENETUNREACH\t0\t::\t-",
}

UNDECLARED = {"rejected-at-a-name-nobody-declared"}
"""Stories of a server of whose port nothing is declared: beside another address nobody knows who is meant."""

TRY = re.compile(r"^(?P<path>.+?)\ttry\t[^\t]+\t(?P<word>[^\t]+)\t[^\t]+\t(?P<source>[\d.]+)\t[^\t]+$")
"""A try over IPv4; in `browses` the path has the words of a browser's own."""


def rows(text: str, more: str, *, first: bool) -> Iterator[str]:
    """The rows of `dials` or `browses`, with one more try for each path of which every try failed."""
    lines = text.split("\n")
    tries = [(at, found) for at, line in enumerate(lines) if (found := TRY.match(line))]
    last = {found["path"]: at for at, found in tries}
    connected = {found["path"] for _, found in tries if found["word"] == "ok"}
    # A path whose only way is that the client has none is another story with one to somewhere.
    wanted = {at: found for at, found in tries if last[found["path"]] == at and found["path"] not in connected
              and found["source"] != "0.0.0.0"}  # fmt: skip  # noqa: S104 - no way
    for at, line in enumerate(lines):
        found = wanted.get(at)
        added = [f"{found['path']}\t{more.format(nobody=NOBODY, source=found['source'])}"] if found else []
        yield from (*added, line) if first else (line, *added)


def beside(replies: Mapping[str, Reply], more: str, *, first: bool) -> dict[str, Reply]:
    """The same replies, every connection that failed with one more try."""
    found = dict(replies)
    for host, reply in replies.items():
        dialled = {probe: reply.frames[probe] for probe in ("dials", "browses") if probe in reply.frames}
        told = {probe: replace(frame, text="\n".join(rows(frame.text, more, first=first)))
                for probe, frame in dialled.items() if isinstance(frame, Frame)}  # fmt: skip
        found[host] = replace(reply, frames={**reply.frames, **told})
    return found


@pytest.mark.parametrize("story", sorted({*STORIES} - UNDECLARED))
def test_a_bad_member_changes_nothing(story: str) -> None:
    """Every item ends as before, there are the same findings, and what was explained is, by no other cause."""
    inventory, replies, _ = read(story)
    whole = told(inventory, replies)
    for name, more in ENDS.items():
        for first in (False, True):
            end = told(inventory, beside(replies, more, first=first))
            assert end.outcomes == whole.outcomes, (name, first)
            assert {one.id for one in end.findings} == {one.id for one in whole.findings}, (name, first)
            for item in end.outcomes:
                assert end.causes(item) <= whole.causes(item), (name, first, item)
                assert bool(end.causes(item)) == bool(whole.causes(item)), (name, first, item)


@pytest.mark.parametrize("story", UNDECLARED)
def test_a_bad_member_of_nobody(story: str) -> None:
    """Every item ends as before, and what was explained is, or nobody knows."""
    inventory, replies, _ = read(story)
    whole = told(inventory, replies)
    for more in ENDS.values():
        for first in (False, True):
            end = told(inventory, beside(replies, more, first=first))
            assert end.outcomes == whole.outcomes
            assert all(end.causes(item) <= whole.causes(item) | {"undetermined"} for item in end.outcomes)
