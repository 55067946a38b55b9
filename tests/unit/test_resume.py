"""Only what answers the very same question, whole and young, is taken over from a run that was cut short."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused import __version__, claim, moments
from whyrefused.collect import resume, saved, visit
from whyrefused.collect.journal import Journal
from whyrefused.collect.visit import Options, digest
from whyrefused.collect.visited import Visited
from whyrefused.records import BadInput, Connection, Frame, Host, Missing, Reply, Secret
from whyrefused.ssh import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("/reports/latest.html",)
NOW, AGE = "2026-01-01T01:00:00Z", 3600.0
LINE: dict[str, Any] = {
    "host": "a", "frames": {"x": {"text": "a says", "status": 0}, "y": {"missing": "no y"}}, "unreached": None,
    "warnings": ["a warns"], "again": False, "asked": "2026-01-01T00:30:00Z", "question": "q",
}  # fmt: skip
HEAD = {"schema": saved.JOURNAL, "started": "2026-01-01T00:29:00Z", "pid": 1, "files": [*FILES, "/other"],
        "version": __version__}  # fmt: skip


def written(folder: Path, *lines: dict[str, Any] | bytes, head: object = HEAD) -> Path:
    """The journal of these lines, in a folder as a run makes it."""
    folder.mkdir(mode=0o700)
    path = folder / "journal.jsonl"
    told = [line if isinstance(line, bytes) else json.dumps(line, sort_keys=True).encode() + b"\n" for line in lines]
    path.write_bytes(json.dumps(head).encode() + b"\n" + b"".join(told))
    path.chmod(0o600)
    return path


def taken(*paths: Path, asked: dict[str, str] | None = None, now: str = NOW) -> resume.TakenOver:
    """What is taken over of these journals by a run that asks this?"""
    return resume.taken_over(
        [resume.left(path) for path in paths], asked or {"a": "q"}, files=FILES, now=now, age=AGE
    )  # fmt: skip


def told(reply: Reply) -> tuple[object, ...]:
    """A reply as values that can be compared."""
    return saved.entry(reply), reply.host


def test_an_answer(tmp_path: Path) -> None:
    """Its reply, its warnings, its moment, and the line itself; the note counts, and says when that was."""
    path = written(tmp_path / "left", LINE, {**LINE, "host": "c"})
    found = taken(path, asked={"a": "q", "b": "q"})
    visited = found.visited()
    assert ["a"] == list(visited.replies)
    frames = {"x": Frame(text="a says", status=0), "y": Missing("no y")}
    assert told(Reply(host="a", frames=frames)) == told(visited.replies["a"])
    assert ({"a": ("a warns",)}, {"a": LINE["asked"]}) == (visited.warnings, found.asked)
    assert [path.read_bytes().splitlines(keepends=True)[1]] == list(found.lines())
    words = "--resume: the answers of 1 of 2 hosts are those of an earlier run, asked between {0} and {0}"
    assert (words.format(LINE["asked"]),) == found.notes == visited.notes


@pytest.mark.parametrize(
    ("line", "now", "why"),
    [
        ({"unreached": "timed-out: no answer"}, NOW, "not reached then"),
        ({"question": "another"}, NOW, "asked something else then, or elsewhere"),
        ({"question": ""}, NOW, "asked something else then, or elsewhere"),
        ({}, "2026-01-01T01:30:00Z", ""),
        ({}, "2026-01-01T01:30:01Z", "older than 3600 s (--resume-age)"),
        ({}, "2026-01-01T00:30:00Z", ""),
        ({}, "2026-01-01T00:29:59Z", "asked later than now, as this machine's clock has it"),
        ({"asked": ""}, NOW, "asked nobody knows when"),
        ({"asked": "2026-01-01T00:30:00"}, NOW, "asked nobody knows when"),
        ({"asked": "2026-01-01 00:30:00Z"}, NOW, "asked nobody knows when"),
        ({"asked": "1"}, NOW, "asked nobody knows when"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_which_answers_count(line: dict[str, Any], now: str, why: str, tmp_path: Path) -> None:
    """Whoever was not reached, was asked something else, or too long ago, is asked again; the note says why."""
    found = taken(written(tmp_path / "left", {**LINE, **line}), now=now)
    assert ([] if why else ["a"]) == list(found.answers)
    assert ((f"--resume: visited again, {why}: 1",) if why else ()) == found.notes[1:]
    assert found.notes[0].startswith(f"--resume: the answers of {0 if why else 1} of 1 hosts are")


def test_no_question_fits_none(tmp_path: Path) -> None:
    """What stands for nothing is not equal to what stands for nothing."""
    assert {} == taken(written(tmp_path / "left", {**LINE, "question": ""}), asked={"a": ""}).answers


def test_the_youngest_counts(tmp_path: Path) -> None:
    """Of several runs that left one, in whichever order they are found; of one run its first answer."""
    old = written(tmp_path / "old", LINE, {**LINE, "asked": "2026-01-01T00:31:00Z"})
    new = written(tmp_path / "new", {**LINE, "asked": "2026-01-01T00:40:00Z"})
    newer = written(tmp_path / "newer", {**LINE, "asked": "2026-01-01T00:50:00Z", "question": "another"})
    for paths in ((old, new, newer), (newer, new, old)):
        assert {"a": "2026-01-01T00:40:00Z"} == taken(*paths).asked
    assert {"a": LINE["asked"]} == taken(old).asked
    lost = written(tmp_path / "lost", {**LINE, "asked": "2026-01-01T00:45:00Z", "unreached": "name: none"})
    for paths in ((lost, newer), (newer, lost)):
        assert ("--resume: visited again, asked something else then, or elsewhere: 1",) == taken(*paths).notes[1:]


def test_second_looks_are_not_taken_over(tmp_path: Path) -> None:
    """Half of one tells nothing: both ends are looked at again."""
    again = {**LINE, "again": True, "frames": {"burst": {"text": "", "status": 0}}}
    found = taken(written(tmp_path / "left", again, LINE, again))
    assert {"x", "y"} == set(found.visited().replies["a"].frames)
    assert {} == taken(written(tmp_path / "only", again)).answers


def test_other_files(tmp_path: Path) -> None:
    """What a run left that was to write other files is not this one's, and nothing is told of it."""
    path = written(tmp_path / "left", LINE, head={**HEAD, "files": ["/other"]})
    assert ({}, (resume.NOTHING,)) == (taken(path).answers, taken(path).notes)
    assert resume.NOTHING == "--resume: no run that was cut short had left an answer here"
    other = written(tmp_path / "version", LINE, head={**HEAD, "files": ["/other"], "version": "0"})
    assert (resume.NOTHING,) == taken(other).notes == taken().notes


@pytest.mark.parametrize("head", [{**HEAD, "version": "0"}, {key: HEAD[key] for key in HEAD if key != "version"}])
def test_another_version(head: dict[str, Any], tmp_path: Path) -> None:
    """It may have redacted less, or meant something else: nothing of it is used."""
    path = written(tmp_path / "left", LINE, head=head)
    why = f"--resume: {path} is not used: it is of another version than {__version__}"
    assert ({}, (why, resume.NOTHING)) == (taken(path).answers, taken(path).notes)


@pytest.mark.parametrize(
    "line",
    [b"\n", b"garbage\n", b"\xff\xfe\n", b"[" * 99_999 + b"\n", {**LINE, "frames": 1}, {**LINE, "warnings": "ab"},
     {**LINE, "frames": {"x": {"text": "", "status": False}}}, {**LINE, "unreached": 0},
     {key: LINE[key] for key in LINE if key != "again"}, b"7\n"],
    ids=lambda line: str(line)[:60],
)  # fmt: skip
def test_a_damaged_journal(line: dict[str, Any] | bytes, tmp_path: Path) -> None:
    """Whatever stands in its middle that no run writes: none of it is believed, and it is named."""
    path = written(tmp_path / "left", LINE, line, {**LINE, "host": "b"})
    assert ({}, f"--resume: {path} is not used: it is damaged") == (taken(path).answers, taken(path).notes[0])


@pytest.mark.parametrize(
    "head", ["", [], {}, {"schema": "x"}, {"schema": saved.JOURNAL}, {**HEAD, "files": 1}, {**HEAD, "schema": "x"}]
)
def test_a_damaged_head(head: object, tmp_path: Path) -> None:
    """What does not begin as a journal does is none."""
    assert "it is damaged" == resume.left(written(tmp_path / "left", LINE, head=head)).problem


@given(cut=st.integers(0, 2000))
def test_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """What the end of a killed run's disk cut off is as if it had never been: lines that are whole count."""
    path = written(tmp_path_factory.mktemp("cut") / "left", LINE, {**LINE, "host": "b"})
    text = path.read_bytes()
    path.write_bytes(text[:cut])
    whole = text[:cut].count(b"\n") - 1
    assert ["a", "b"][: max(whole, 0)] == list(taken(path, asked={"a": "q", "b": "q"}).answers)


def by_a_link(path: Path) -> Path:
    """A link in its place."""
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
    return path


def in_a_linked_folder(path: Path) -> Path:
    """A link in place of its folder."""
    link = path.parent.with_name("link")
    link.symlink_to(path.parent)
    return link / path.name


def as_a_pipe(path: Path) -> Path:
    """A pipe to which nobody writes."""
    path.unlink()
    os.mkfifo(path, 0o600)
    return path


def which_others_write(path: Path) -> Path:
    """Others may write to it."""
    path.chmod(0o620)
    return path


def where_others_write(path: Path) -> Path:
    """Others may put another file in its place."""
    path.parent.chmod(0o777)
    return path


def of_another(path: Path) -> Path:
    """It belongs to another user."""
    os.chown(path, 12345, -1)
    return path


def gone(path: Path) -> Path:
    """It is not there any more."""
    path.unlink()
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [(by_a_link, os.strerror(errno.ELOOP)), (in_a_linked_folder, os.strerror(errno.ENOTDIR)),
     (as_a_pipe, "not a regular file"), (which_others_write, "others may write to it"),
     (where_others_write, "others may write to it"), (of_another, "belongs to another user"),
     (gone, os.strerror(errno.ENOENT))],
)  # fmt: skip
def test_whose_it_may_be(make: Callable[[Path], Path], why: str, tmp_path: Path) -> None:
    """A journal that somebody else may have put there is not read, nothing is waited for, and the note says why."""
    if make is of_another and os.geteuid():
        pytest.skip("may not give files away here: needs root")
    path = make(written(tmp_path / "left", LINE))
    assert ({}, f"--resume: {path} is not used: {why}") == (taken(path).answers, taken(path).notes[0])


def test_what_is_old_is_not_read(tmp_path: Path) -> None:
    """Journals that killed runs left in a year cost nothing: the time of the last line says enough."""
    path = written(tmp_path / "left", LINE, b"garbage\n")
    assert "it is damaged" == resume.left(path, age=60).problem
    os.utime(path, (time.time() - 70, time.time() - 70))
    found = resume.left(path, age=60)
    assert ({}, "all in it is older than 60 s (--resume-age)") == (found.answers, found.problem)
    assert frozenset(HEAD["files"]) == found.files  # type: ignore[arg-type] - a list
    assert "it is damaged" == resume.left(path).problem


def test_a_chain(tmp_path: Path) -> None:
    """What is taken over stands in the journal of the run that resumes, by which a third resumes both."""
    second = written(tmp_path / "second", head={**HEAD, "started": NOW})
    journal = Journal(second)
    first = taken(written(tmp_path / "left", LINE))
    journal.copy(first.lines(), first.asked)
    mine = Reply(host="b", frames={"x": Frame(text="b says", status=0)}, asked="2026-01-01T01:00:01Z", question="r")
    journal.keep([(mine, ())])
    found = taken(second, asked={"a": "q", "b": "r"}, now="2026-01-01T01:00:02Z")
    assert {"a": LINE["asked"], "b": mine.asked} == found.asked
    assert told(mine) == told(found.visited().replies["b"])
    killed = saved.read(str(second))
    assert ({"a": LINE["asked"]}, NOW, LINE["asked"]) == (killed.earlier, killed.resumed, killed.started)


def test_many_are_copied_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs the disk no write of its own, and a fleet is never in memory; what is kept later stands behind."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(1))
    large = {**LINE, "frames": {"x": {"text": "x" * (400 << 10), "status": 0}}}
    names = [f"h{number}" for number in range(7)]
    path = written(tmp_path / "left", *({**large, "host": name} for name in names))
    second = written(tmp_path / "second")
    journal = Journal(second)
    found = taken(path, asked=dict.fromkeys(names, "q"))
    journal.copy(found.lines(), found.asked)
    assert len(synced) == 3
    journal.keep([(Reply(host="last", frames={}), ())])
    assert [*names, "last"] == [json.loads(line)["host"] for line in second.read_bytes().splitlines()[2:]]


WAY = Connection(kind="ssh", address="198.51.100.7")
ASKED: dict[str, tuple[str, ...]] = {"identity": (), "names": ("a.example",)}


def stands_for(way: Connection = WAY, asked: dict[str, tuple[str, ...]] = ASKED, options: Options | None = None) -> str:
    """What stands for a question?"""
    return digest(Host(name="a", connection=way, groups=(), expect={}), asked, options or Options())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        stands_for(asked={"identity": ()}),
        stands_for(asked={**ASKED, "names": ("b.example",)}),
        *(stands_for(replace(WAY, **{name: value})) for name, value in (  # type: ignore[arg-type] - one of its own each
            ("address", "198.51.100.8"), ("kind", "openssh"), ("port", 2222), ("user", "u"), ("key_file", "k"),
            ("host_key_checking", False), ("become", True), ("ssh_arguments", ("-J", "b")),
        )),
        stands_for(replace(WAY, become=True, become_user="u")),
        stands_for(options=Options(become=True)), stands_for(options=Options(become_user="u")),
        *(stands_for(options=Options(ssh=Settings(**{name: "x"}))) for name in ("ssh_config", "identity_file", "user")),
    ],
)  # fmt: skip
def test_another_question(other: str) -> None:
    """Something else is asked, or elsewhere, or as somebody else."""
    assert other != stands_for()


def test_the_same_question() -> None:
    """It is the same next time; how long it may take, and how many are asked at once, is no part of it."""
    assert stands_for() == stands_for(options=Options(forks=1, host_timeout=1.0))
    assert len({stands_for(replace(WAY, become=True)), stands_for(replace(WAY, become=True, become_user="u"))}) == 2


@pytest.mark.parametrize(("kind", "same"), [("local", False), ("docker", False), ("ssh", True), ("openssh", True)])
def test_of_which_machine(kind: str, *, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of this name on another runner of CI is another one, and so is `localhost`."""
    way = replace(WAY, kind=kind)  # type: ignore[arg-type] - one of its own
    here = stands_for(way)
    monkeypatch.setattr(visit, "_this_machine", lambda: "another")
    assert same == (here == stands_for(way))


def test_no_password_can_be_guessed_by_it() -> None:
    """It stands on the disk: no password is part of it, wherever the inventory has it."""
    assert stands_for() == stands_for(replace(WAY, password=Secret("s3cret")))
    arguments = [("-o", f"ProxyCommand=sshpass -p {word} ssh -W %h:%p b") for word in ("s3cret", "other")]
    assert len({stands_for(replace(WAY, ssh_arguments=one)) for one in arguments}) == 1


def test_what_a_visit_was_asked() -> None:
    """A visit says itself what it asked, and when it began; so does one that fails, but for the question."""
    host = Host(name="here", connection=Connection(kind="local", address="here"), groups=(), expect={})  # type: ignore[arg-type]
    before = moments.now()
    reply, _ = visit.visit(host, {"identity": ()}, Options())
    assert (None, digest(host, {"identity": ()}, Options())) == (reply.unreached, reply.question)
    assert before <= reply.asked <= moments.now()
    failed, _ = visit.visit(
        replace(host, connection=replace(host.connection, kind="docker")), {"identity": ()}, Options(host_timeout=5)
    )  # fmt: skip
    assert (True, "") == (bool(failed.unreached), failed.question)
    assert failed.asked >= reply.asked


def test_both_moments_are_kept(tmp_path: Path) -> None:
    """With --save-evidence too: when each was asked that an earlier run had asked, and when this one began."""
    replies = {name: Reply(host=name, frames={}) for name in "ab"}
    visited = Visited(replies=replies, started=NOW).after({"a": "2026-01-01T00:30:00Z"}, NOW)
    assert ("2026-01-01T00:30:00Z", NOW, {"a": "2026-01-01T00:30:00Z"}) == (
        visited.started, visited.resumed, visited.earlier
    )  # fmt: skip
    (tmp_path / "kept.json").write_text(saved.text(visited))
    kept = saved.read(str(tmp_path / "kept.json"))
    assert (visited.started, visited.resumed, visited.earlier) == (kept.started, kept.resumed, kept.earlier)
    assert {} == kept.ordered(["b"]).earlier
    fresh = Visited(replies=replies).after({}, NOW)
    assert (NOW, "", {}) == (fresh.started, fresh.resumed, fresh.earlier)


def test_moments_in_a_journal(tmp_path: Path) -> None:
    """They count for hosts that are there; one that is no text makes it bad input."""
    path = written(tmp_path / "left", {"earlier": {"a": "2026-01-01T00:00:00Z", "gone": "2025-01-01T00:00:00Z"}}, LINE)
    kept = saved.read(str(path))
    assert ({"a": "2026-01-01T00:00:00Z"}, "2026-01-01T00:00:00Z") == (kept.earlier, kept.started)
    for number, wrong in enumerate((7, {"a": 7})):
        with pytest.raises(BadInput):
            saved.read(str(written(tmp_path / f"wrong-{number}", {"earlier": wrong}, LINE)))


def test_what_runs_left(tmp_path: Path) -> None:
    """Of those beside the own journal: each that has ended, in the folders of all files; and what they had told."""
    (tmp_path / "reports").mkdir()
    files = [tmp_path / "reports" / "page.html", tmp_path / "found.json"]
    dead = claim.claim(files, "then")
    for lock in dead.locks:
        os.close(lock)
    for one in dead.journals:
        with one.open("ab") as file:
            file.write(json.dumps(LINE).encode() + b"\n")
    living, own = claim.claim([tmp_path / "reports" / "other.html"], "then"), claim.claim(files, "now")
    assert own.journal is not None
    assert (tuple(sorted(map(str, files))), {*dead.journals}) == (
        claim.left(own.journal)[0], {*claim.left(own.journal)[1]}
    )  # fmt: skip
    assert (set(dead.journals), ()) == (set(own.abandoned), own.outlived)
    with dead.journals[0].open("ab") as file:
        file.write(saved.TOLD)
    own.release()
    third = claim.claim(files, "later")
    assert ((dead.journals[1],), (dead.journals[0],)) == (third.abandoned, third.outlived)
    third.release()
    fourth = claim.claim([tmp_path / "reports" / "third.html", tmp_path / "third.json"], "later")
    assert ((dead.journals[1],), ()) == (fourth.abandoned, fourth.outlived)
    fourth.release()
    living.release()


def test_what_is_kept_to_be_resumed(tmp_path: Path) -> None:
    """Its last line says that it was told; where that cannot be written, it stays as that of a killed run."""
    taken_now = claim.claim([tmp_path / "found.json"], "now")
    taken_now.release(keep=True, told=True)
    assert taken_now.journal is not None
    assert taken_now.journal.read_bytes().endswith(b"\n" + saved.TOLD)
    taken_now.journal.unlink()
    taken_now.journal.symlink_to(tmp_path / "mine")
    taken_now.release(keep=True, told=True)
    assert not (tmp_path / "mine").exists()


def test_a_pipe_stops_no_run(tmp_path: Path) -> None:
    """Whatever is planted beside the reports: a run that looks around there waits for nobody."""
    (tmp_path / ".whyrefused-x").mkdir()
    os.mkfifo(tmp_path / ".whyrefused-x" / "journal.jsonl")
    (tmp_path / ".whyrefused-y").mkdir()
    (tmp_path / ".whyrefused-y" / "journal.jsonl").write_bytes(b"\xff\xfe\n\xff\n")
    claim.claim([tmp_path / "found.json"], "now").release()
