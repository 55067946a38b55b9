"""A file that is read piece by piece says what it says as a whole, and every reply is found again at its place."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from bench import grown
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.collect import saved, stored
from whyrefused.collect.journal import Journal
from whyrefused.collect.stored import Stored
from whyrefused.records import BadInput, Frame, Missing, Reply

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FRAMES = st.builds(Missing, st.text()) | st.builds(Frame, text=st.text(), status=st.integers(0, 255))
REPLIES = st.builds(
    lambda host, frames, why: Reply(host=host, frames=frames, unreached=why),
    st.text(),
    st.dictionaries(st.text(max_size=3), FRAMES, max_size=3),
    st.none() | st.text(),
)  # fmt: skip


def told(reply: Reply) -> dict[str, Any]:
    """A reply as it can be compared: what is missing compares with nothing."""
    return saved.entry(reply)


@pytest.mark.parametrize("piece", range(1, 20))
def test_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """A number is whole, wherever in it a piece ends."""
    document = {"a": 0.5, "b": 1e25, "hosts": {"": 0.0, "x": -1.5e-7}, "c": [1, 2.5], "d": 12}
    (tmp_path / "file").write_text(json.dumps(document))
    monkeypatch.setattr(stored, "PIECE", piece)
    found = [(name or member, value) for member, name, place, value in Stored(str(tmp_path / "file")).members()
             if place.length]  # fmt: skip
    assert [("a", 0.5), ("b", 1e25), ("hosts", 0.0), ("x", -1.5e-7), ("c", [1, 2.5]), ("d", 12)] == found


@settings(deadline=None, max_examples=150)
@given(
    document=st.dictionaries(st.text(max_size=3), JSON, max_size=4), hosts=st.dictionaries(st.text(), JSON, max_size=4),
    indent=st.sampled_from([None, 0, 1]), ascii_=st.booleans(), piece=st.integers(1, 40),
)  # fmt: skip
def test_members(  # noqa: PLR0913, PLR0917 - what hypothesis draws
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any], hosts: dict[str, Any], indent: int | None,
    ascii_: bool, piece: int,  # noqa: FBT001 - as above
) -> None:  # fmt: skip
    """Read in pieces of any size, it has the members of the whole, and each value stands where it was said to."""
    document = {**document, "hosts": hosts}
    path = tmp_path_factory.mktemp("stored") / "file"
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=ascii_), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "PIECE", piece)
        kept = Stored(str(path))
        found = list(kept.members())
    assert hosts == {name: value for member, name, place, value in found if member == "hosts" and place.length}
    rest = {name: value for name, value in document.items() if name != "hosts"}
    assert rest == {member: value for member, _, _, value in found if member != "hosts"}
    assert all(kept.at(place) == value for _, _, place, value in found if place.length)


WRONG = (
    "", "{", "[]", "1", '"x"', '{"hosts": 1}', '{"hosts": {"a": 1} "b"}', '{"hosts": {"a"}}', '{"hosts": {} } x', "{,}",
    '{"a": 1,}', '{"a" 1}', "{1: 2}", '{"hosts": {"a": ', '{"a": tru}', "\ufeff{}", '{"hosts": []}',
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_no_evidence(text: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not one object of JSON that is evidence is refused, however it is read."""
    monkeypatch.setattr(stored, "PIECE", piece)
    path = tmp_path / "evidence.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="is not evidence"):
        saved.read(str(path))


def test_not_utf_8(tmp_path: Path) -> None:
    """Nor is what is no UTF-8, or ends within a character."""
    for data in (b'{"hosts": {"\xff": 1}}', b'{"hosts": {}}\xc3', b'{"a": "\xe2\x82'):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(BadInput, match="is not evidence"):
            saved.read(str(tmp_path / "file"))


@settings(deadline=None, max_examples=60)
@given(replies=st.lists(REPLIES, max_size=4, unique_by=lambda one: one.host))
def test_evidence(tmp_path_factory: pytest.TempPathFactory, replies: list[Reply]) -> None:
    """Each reply is as it was kept, asked for in any order and again."""
    path = tmp_path_factory.mktemp("evidence") / "evidence.json"
    path.write_text(saved.dumps(replies))
    kept = saved.read(str(path)).replies
    assert sorted(one.host for one in replies) == sorted(kept)
    for one in (*reversed(replies), *replies):
        assert told(one) == told(kept[one.host])


def test_one_bad_host_spoils_it(tmp_path: Path) -> None:
    """Evidence is looked at from its beginning to its end before anybody is judged by it."""
    _, path = grown.fleet(tmp_path, 3)
    path.write_text(path.read_text().replace('"status": 0', '"status": 0.5', 1))
    with pytest.raises(BadInput, match="is not evidence"):
        saved.read(str(path))


def test_another_schema_is_named(tmp_path: Path) -> None:
    """Of what is of another version the version is told, although that stands behind all hosts."""
    _, path = grown.fleet(tmp_path, 3)
    path.write_text(path.read_text().replace("evidence/1", "evidence/9").replace('"status": 0', '"status": 0.5', 1))
    with pytest.raises(BadInput, match="evidence/9"):
        saved.read(str(path))


def test_a_file_that_goes_stays(tmp_path: Path) -> None:
    """What is written under the name while hosts are judged is another file: the old one is read to its end."""
    _, path = grown.fleet(tmp_path, 3)
    before = {host: told(reply) for host, reply in saved.read(str(path)).replies.items()}
    kept = saved.read(str(path)).replies
    path.unlink()
    path.write_text("{}")
    assert before == {host: told(kept[host]) for host in kept}


def test_a_pipe(tmp_path: Path) -> None:
    """Evidence may come through a pipe, which is read but once."""
    _, path = grown.fleet(tmp_path, 3)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_text(path.read_text()), daemon=True).start()
    kept = saved.read(str(pipe)).replies
    assert {host: told(reply) for host, reply in saved.read(str(path)).replies.items()} == {
        host: told(kept[host]) for host in kept
    }


@settings(deadline=None, max_examples=40)
@given(
    answers=st.lists(st.tuples(REPLIES, st.booleans()), max_size=6), cut=st.integers(0, 60),
)  # fmt: skip
def test_journal(tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[Reply, bool]], cut: int) -> None:
    """Of each host the first answer at each look counts; a line that has no end was not finished."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    path.write_text(json.dumps({"schema": saved.JOURNAL, "started": "then"}) + "\n")
    journal = Journal(path)
    for reply, again in answers:
        journal.keep([(reply, ())], again=again)
    first = {reply.host: reply for reply, again in reversed(answers) if not again}
    with path.open("a") as file:
        file.write('{"host": "' + "x" * cut)
    kept = saved.read(str(path)).replies
    assert set(first) == set(kept)
    for host, reply in first.items():
        later = next((other for other, again in answers if again and other.host == host), None)
        frames = {**(later.frames if later else {}), **reply.frames}
        assert set(frames) == set(kept[host].frames)
        assert told(reply)["frames"].items() <= told(kept[host])["frames"].items()
