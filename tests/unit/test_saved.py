"""Saved evidence is what the hosts said, to the byte; what is not saved evidence is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.collect.saved import JOURNAL, SCHEMA, dumps, entry, joined, loads, read, text
from whyrefused.collect.visited import Visited
from whyrefused.records import BadInput, Frame, Missing, Reply

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(codec=None), max_size=60)
FRAME = st.builds(Frame, text=TEXT, status=st.integers(0, 255)) | st.builds(Missing, TEXT)
REPLIES = st.dictionaries(
    st.text(min_size=1, max_size=9).filter(lambda name: name.isprintable()),
    st.tuples(st.dictionaries(st.sampled_from(["nft", "units", "x"]), FRAME), st.none() | TEXT),
    max_size=4,
).map(lambda hosts: [Reply(host=name, frames=frames, unreached=why) for name, (frames, why) in hosts.items()])


def told(reply: Reply) -> tuple[object, ...]:
    """A reply as values that can be compared."""
    frames = {
        name: frame.why if isinstance(frame, Missing) else (frame.text, frame.status)
        for name, frame in reply.frames.items()
    }
    return reply.host, frames, reply.unreached


@given(REPLIES)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, replies: list[Reply]) -> None:
    """What is read back is what was kept, invalid UTF-8 and all; kept again it is the same text."""
    path = tmp_path_factory.mktemp("saved") / "evidence.json"
    path.write_text(dumps(replies), encoding="ascii")
    kept = loads(str(path))
    assert {reply.host: told(reply) for reply in replies} == {name: told(reply) for name, reply in kept.items()}
    assert path.read_text() == dumps(kept.values())


def test_a_host_without_a_name(tmp_path: Path) -> None:
    """It is a host like others."""
    (tmp_path / "evidence.json").write_text(of('{"": {"frames": {}, "unreached": null}}'))
    assert [""] == list(loads(str(tmp_path / "evidence.json")))


def test_order_does_not_matter() -> None:
    """Two runs that saw the same write the same."""
    hosts = [Reply(host=name, frames={}) for name in "ab"]
    assert dumps(hosts) == dumps(reversed(hosts))


def of(hosts: str) -> str:
    """A file of the right schema that holds these hosts."""
    return f'{{"schema": "{SCHEMA}", "hosts": {hosts}}}'


def of_frame(frame: str) -> str:
    """A file of one host with this frame."""
    return of(f'{{"a": {{"frames": {{"x": {frame}}}, "unreached": null}}}}')


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"schema": 1}', f'{{"schema": "{SCHEMA}"}}', of("[]"), of('{"a": 1}'),
     of('{"a": null}'), of('{"": null}'),
     of('{"a": {"frames": {}}}'), of_frame("1"), of_frame('{"text": ""}'), of_frame('{"text": "", "status": "y"}'),
     of_frame('{"text": "", "status": 1e999}'), of_frame('{"text": "", "status": null}'),
     of_frame('{"text": "", "status": false}'), of_frame('{"text": "", "status": 0.9}'),
     of_frame('{"text": "", "status": "0"}'), of_frame('{"text": null, "status": 0}'), of_frame('{"missing": null}'),
     of('{"a": {"frames": {}, "unreached": 0}}'), of('{}, "notes": "ab"'), of('{}, "warnings": {"a": "bc"}'),
     "[" * 100_000, '{"schema": "\\ud800"}'],
    ids=lambda text: text[-60:] or "empty",
)  # fmt: skip
def test_refused(tmp_path: Path, text: str) -> None:
    """A file that is something else is bad input, naming the file."""
    (tmp_path / "evidence.json").write_text(text)
    with pytest.raises(BadInput) as refused:
        loads(str(tmp_path / "evidence.json"))
    assert str(tmp_path / "evidence.json") == refused.value.problems[0].file


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _path: None, "saved evidence cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "saved evidence cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not evidence saved with --save-evidence"),
        (
            lambda path: path.write_text('{"schema": "whyrefused/evidence/9"}'),
            "is 'whyrefused/evidence/9', not 'whyrefused",
        ),
    ],
    ids=["absent", "folder", "bytes", "another schema"],
)
def test_reason(tmp_path: Path, make: object, words: str) -> None:
    """The reason is told."""
    path = tmp_path / "evidence.json"
    make(path)  # type: ignore[operator] - one of the above
    with pytest.raises(BadInput) as refused:
        loads(str(path))
    assert words in str(refused.value)


def test_what_the_file_looks_like(tmp_path: Path) -> None:
    """One JSON text with its schema, that ends with its line; another schema is told by its key."""
    assert SCHEMA == "whyrefused/evidence/1"
    assert dumps([]) == '{\n "hosts": {},\n "schema": "whyrefused/evidence/1"\n}\n'
    (tmp_path / "evidence.json").write_text('{"schema": "x"}')
    with pytest.raises(BadInput) as refused:
        loads(str(tmp_path / "evidence.json"))
    assert refused.value.problems[0].key == "schema"


def test_all_of_a_visit_is_kept(tmp_path: Path) -> None:
    """What the reader must know stands beside what the hosts said, under its own key; of nothing there is no word."""
    visit = Visited(
        replies={name: Reply(host=name, frames={}) for name in "ab"}, warnings={"a": ("key not checked",), "b": ()},
        notes=("few", "slow"), started="then", finished="later", interrupted="SIGTERM",
    )  # fmt: skip
    about = {
        "finished": "later", "interrupted": "SIGTERM", "notes": ["few", "slow"], "schema": SCHEMA, "started": "then",
        "warnings": {"a": ["key not checked"]},
    }  # fmt: skip
    kept = json.loads(text(visit))
    del kept["hosts"]
    assert about == kept
    replies = {name: Reply(host=name, frames={"y": Frame(text="t", status=0), "x": Missing("gone")}) for name in "ba"}
    full = {**about, "hosts": {name: entry(reply) for name, reply in replies.items()}}
    assert json.dumps(full, indent=1, sort_keys=True) + "\n" == text(replace(visit, replies=replies))
    (tmp_path / "evidence.json").write_text(text(visit))
    again = read(str(tmp_path / "evidence.json"))
    assert (again.told, again.started, again.finished, again.interrupted) == (
        visit.told, visit.started, visit.finished, visit.interrupted
    )  # fmt: skip
    (tmp_path / "evidence.json").write_text(dumps([]))
    empty = read(str(tmp_path / "evidence.json"))
    assert (empty.told, empty.started, empty.finished, empty.interrupted) == ((), "", "", "")


HEAD = {"schema": JOURNAL, "started": "then"}
FIRST: dict[str, Any] = {"host": "a", "frames": {}, "unreached": None, "warnings": ["first"], "again": False}
END = {"finished": "later", "interrupted": "", "notes": ["few"]}


def journal(path: Path, *lines: dict[str, Any]) -> Visited:
    """What is read of a journal of these lines?"""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read(str(path))


def test_what_a_journal_says(tmp_path: Path) -> None:
    """A journal tells when the run began, and when it ended; of one that was killed, that."""
    assert JOURNAL == "whyrefused/journal/1"
    ended = journal(tmp_path / "journal", HEAD, FIRST, END)
    assert (ended.started, ended.finished, ended.interrupted, ended.notes) == ("then", "later", "", ("few",))
    twice = journal(tmp_path / "journal", HEAD, END, {**END, "finished": "much later"}, {"of a later version": True})
    assert twice.finished == "later"
    killed = journal(tmp_path / "journal", HEAD, FIRST)
    assert (killed.started, killed.finished, killed.interrupted, killed.notes) == (
        "then", "then", "the run was killed", ()
    )  # fmt: skip


def test_a_journal_that_has_hardly_begun(tmp_path: Path) -> None:
    """Its first line is not whole."""
    (tmp_path / "journal").write_text(json.dumps(HEAD))
    with pytest.raises(BadInput):
        read(str(tmp_path / "journal"))


def test_both_looks_at_a_host(tmp_path: Path) -> None:
    """The second adds what the first has not, in whichever order they stand; a warning of both is told once."""
    first = {**FIRST, "frames": {"x": {"text": "x", "status": 0}}, "warnings": ["same"]}
    second = {**FIRST, "again": True, "warnings": ["same", "more"],
              "frames": {"x": {"text": "?", "status": 1}, "y": {"missing": "gone"}}}  # fmt: skip
    other = {**FIRST, "host": "b", "again": True}
    for lines in ((first, second, other), (second, other, first)):
        kept = journal(tmp_path / "journal", HEAD, *lines, END)
        assert ["a"] == list(kept.replies)
        assert {"x": ("x", 0), "y": "gone"} == told(kept.replies["a"])[1]
        assert kept.warnings == {"a": ("same", "more")}


def test_a_host_that_was_started_anew(tmp_path: Path) -> None:
    """Of a host that was not the same between two looks nothing is known, with the reason."""
    looks = [{**FIRST, "frames": {"identity": {"text": f"a\n0\n{boot}\n", "status": 0}}} for boot in ("one", "two")]
    kept = journal(tmp_path / "journal", HEAD, looks[0], {**looks[1], "again": True}, END)
    assert kept.replies["a"].frames == {}
    assert kept.replies["a"].unreached == (
        "rebooted: the host was started anew between two looks (boot id one, then two)"
    )


def test_how_long_both_looks_took() -> None:
    """Together."""
    one, two = Reply(host="a", frames={}, seconds=2.0), Reply(host="a", frames={}, seconds=3.0)
    assert joined(Visited(replies={"a": one}), Visited(replies={"a": two})).replies["a"].seconds == 5.0
    boots = [Reply(host="a", frames={"identity": Frame(text=f"a\n0\n{boot}\n", status=0)}, seconds=2.0)
             for boot in ("one", "two")]  # fmt: skip
    assert joined(Visited(replies={"a": boots[0]}), Visited(replies={"a": boots[1]})).replies["a"].seconds == 4.0
    notes = joined(Visited(replies={}, notes=("a", "b")), Visited(replies={}, notes=("b", "c"))).notes
    assert notes == ("a", "b", "c")
