"""A journal holds whole answers only, wherever it ends, and what it could not hold is told."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.collect import saved
from whyrefused.collect.journal import Journal
from whyrefused.collect.visited import Visited
from whyrefused.records import BadInput, Frame, Missing, Reply

if TYPE_CHECKING:
    from pathlib import Path

HEAD = {"schema": saved.JOURNAL, "started": "2026-01-01T00:00:00Z", "pid": 1, "files": []}
TEXT = st.text(st.characters(codec=None), max_size=20)
FRAMES = st.dictionaries(
    st.sampled_from(["nft", "units"]),
    st.builds(Frame, text=TEXT, status=st.integers(0, 255)) | st.builds(Missing, TEXT),
)


def begun(path: Path) -> Journal:
    """A journal that has its head."""
    path.write_text(json.dumps(HEAD) + "\n")
    return Journal(path)


def answer(name: str, *, unreached: str | None = None) -> tuple[Reply, tuple[str, ...]]:
    """What a host said."""
    return Reply(host=name, frames={"x": Frame(text=name, status=0)}, unreached=unreached), (f"{name} warns",)


@settings(max_examples=30)
@given(hosts=st.lists(FRAMES, max_size=3), ended=st.booleans())
def test_cut_at_every_byte(tmp_path_factory: pytest.TempPathFactory, hosts: list[dict], *, ended: bool) -> None:
    """However far it was written: the hosts whose lines are whole, each with all that it said, and no other."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = begun(path)
    replies = [Reply(host=f"h{number}", frames=frames) for number, frames in enumerate(hosts)]
    for reply in replies:
        journal.keep([(reply, ())])
    if ended:
        journal.end(Visited(replies={}, finished="2026-01-01T00:00:09Z"))
    text = path.read_bytes()
    for cut in range(len(json.dumps(HEAD)) + 1, len(text) + 1):
        path.write_bytes(text[:cut])
        kept = saved.read(str(path))
        whole = text[:cut].count(b"\n") - 1
        assert [saved.entry(one) for one in replies[:whole]] == [saved.entry(one) for one in kept.replies.values()]
        assert (kept.interrupted == "") == (ended and cut == len(text))


def test_both_looks(tmp_path: Path) -> None:
    """A second look adds to what the first one said; of a host that was not reached again the first counts."""
    journal = begun(tmp_path / "journal.jsonl")
    journal.keep([answer("a"), answer("b")])
    more = Reply(host="a", frames={"x": Frame(text="later", status=1), "y": Frame(text="more", status=0)})
    journal.keep([(more, ("again",))], again=True)
    journal.end(Visited(replies={}, finished="then", interrupted="SIGTERM", notes=("few",)))
    kept = saved.read(str(tmp_path / "journal.jsonl"))
    assert {"x": "a", "y": "more"} == {name: frame.text for name, frame in kept.replies["a"].frames.items()}
    assert ("a: a warns", "a: again", "b: b warns", "few") == kept.told
    assert ("then", "SIGTERM") == (kept.finished, kept.interrupted)


def test_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines of those that answered together are written, then synced, before `keep` returns."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / "journal.jsonl").read_text().count("\n")))
    journal = begun(tmp_path / "journal.jsonl")
    journal.keep([answer("a"), answer("b")])
    journal.keep([])
    journal.keep([answer("c")])
    assert [3, 4] == synced


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_half_a_line_is_taken_back(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a line: those before and after it are kept, and the failure is told."""
    journal = begun(tmp_path / "journal.jsonl")
    journal.keep([answer("a")])
    real = os.write

    def full(*arguments: object) -> int:
        if call == "write" and len(arguments[1]) > 9:  # type: ignore[arg-type] - the rest of it fails
            return real(arguments[0], arguments[1][:9])  # type: ignore[arg-type, index] - a descriptor and bytes
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        if call == "write":
            patched.setattr(os, "fsync", full)
        journal.keep([answer("b")])
    journal.keep([answer("c")])
    assert ["a", "c"] == list(saved.read(str(tmp_path / "journal.jsonl")).replies)
    assert journal.problem.endswith("journal.jsonl: No space left on device")


def test_no_journal() -> None:
    """Where none could be made nothing is kept, and nothing fails."""
    journal = Journal(None)
    journal.keep([answer("a")])
    journal.end(Visited(replies={}))
    assert "" == journal.problem


def test_links_are_refused(tmp_path: Path) -> None:
    """A link in its place is not followed."""
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "link").symlink_to("mine")
    journal = Journal(tmp_path / "link")
    journal.keep([answer("a")])
    assert "mine\n" == (tmp_path / "mine").read_text()
    assert journal.problem


@pytest.mark.parametrize(
    "line", ["x", "[]", "{}", '{"host": "a"}', '{"host": "a", "again": false, "warnings": 1}', "null"]
)
def test_what_is_no_journal(line: str, tmp_path: Path) -> None:
    """Other lines than a run writes are bad input, naming the file; a line of a later version is passed over."""
    path = tmp_path / "journal.jsonl"
    begun(path).keep([answer("a")])
    path.write_text(path.read_text() + line + "\n" + path.read_text().splitlines()[1] + "\n")
    if line in {"{}", "[]"}:
        assert ["a"] == list(saved.read(str(path)).replies)
        return
    with pytest.raises(BadInput) as refused:
        saved.read(str(path))
    assert str(path) == refused.value.problems[0].file
