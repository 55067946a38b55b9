"""Which run writes these files? Beside them a run has a folder of its own, and in it the journal that it holds locked.

The folder is made by mkdtemp: 0700, and by a name that nobody can guess. It goes with the run. One that is found
unlocked is of a run that was killed, and what its hosts said can still be judged.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused import __version__
from whyrefused.collect.saved import JOURNAL, TOLD
from whyrefused.files import append, make_folder, open_own
from whyrefused.records import BadInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader

PREFIX, NAME = ".whyrefused-", "journal.jsonl"
AUDITS = "audits"
"""The file by which a process says that it is about to visit hosts, where several make up a run."""
PATIENCE = 60.0  # seconds until the run's own process has claimed the files, on a busy machine
TURN = 2.0  # seconds to wait for another run that looks around at this moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The files that this run alone writes."""

    journals: tuple[Path, ...]  # one in each folder it writes to; what the hosts say goes into the first
    locks: tuple[int, ...]
    taken: bool = True  # False where only the folder was made, and no file was claimed yet
    abandoned: tuple[Path, ...] = ()  # journals of runs that were killed
    outlived: tuple[Path, ...] = ()  # journals that stay only until these files are written
    problems: tuple[str, ...] = ()

    @property
    def journal(self) -> Path | None:
        """Where is kept what the hosts say? None where no folder could be made."""
        return self.journals[0] if self.journals else None

    @property
    def folder(self) -> Path | None:
        """Which folder is this run's own?"""
        return self.journals[0].parent if self.journals else None

    def release(self, *, keep: bool = False, told: bool = False) -> None:
        """Let others write there. The journal goes, for the reports have all of it, or is kept where they have not.

        One that is kept and `told` of is there for a run that resumes this one, and for no other.
        """
        for journal in self.journals:
            if told and keep and journal == self.journal:
                _note(journal)
            remove(journal, keep=keep and journal == self.journal)
        for lock in self.locks:
            with suppress(OSError):
                os.close(lock)


def reserve(file: Path) -> Claim:
    """Make this run's own folder beside a file that it may come to write. It keeps nobody from anything."""
    folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - as below
    try:
        make_folder(folder)
        with _turn(folder):
            journal, lock = _own(folder)
    except OSError:
        return Claim(journals=(), locks=(), taken=False)
    return Claim(journals=(journal,), locks=(lock,), taken=False)


def claimed(folder: Path) -> Path | None:
    """Which journal do the processes of one run share in this folder? Waits until the run has claimed its files.

    None where it has no journal. Raises BadInput where the run was refused: then the folder is gone.
    """
    journal = folder / NAME
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if journal.stat().st_size:
                return journal
        except FileNotFoundError:
            if folder.exists():
                return None
            break
        time.sleep(0.01)
    raise BadInput(Problem(file=str(folder), message="the run that this process is a part of has ended"))


def claim(files: Sequence[Path], started: str, *, spare: Path | None = None, reserved: Claim | None = None) -> Claim:
    """Take these files for this run. Raises BadInput where another run has one of them.

    `spare` is a journal that this run reads: it stays, and nobody need be told of it. `reserved` is this run's folder,
    if there is one already.
    """
    held = zip(reserved.journals, reserved.locks, strict=True) if reserved else ()
    ready = {journal.parent.parent: (journal, lock) for journal, lock in held}
    mine = sorted({os.path.abspath(file) for file in files})  # noqa: PTH100 - resolve() would follow links
    journals: list[Path] = []
    locks: list[int] = []
    abandoned: list[Path] = []
    outlived: list[Path] = []
    problems: list[str] = []
    for folder in dict.fromkeys((*ready, *(Path(file).parent for file in mine))):
        try:
            make_folder(folder)
            with _turn(folder):
                dead, told, locked = _others(folder, mine, spare)
                if locked:
                    Claim(journals=tuple(journals), locks=tuple(locks)).release()
                    if reserved:
                        reserved.release()
                    raise BadInput(locked)
                journal, lock = ready.get(folder) or _own(folder)
                head = {
                    "schema": JOURNAL, "started": started, "pid": os.getpid(), "files": mine, "version": __version__
                }  # fmt: skip
                _begin(journal, lock, head, shared=folder in ready)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
            continue
        journals.append(journal)
        locks.append(lock)
        abandoned += dead
        outlived += told
    return Claim(
        journals=tuple(journals), locks=tuple(locks), abandoned=tuple(abandoned), outlived=tuple(outlived),
        problems=tuple(problems),
    )  # fmt: skip


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Only one run at a time looks around here and takes its place. Whoever keeps that for long is not waited for."""
    until = time.monotonic() + TURN
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while not _locked(descriptor) and time.monotonic() < until:
            time.sleep(0.01)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Is it ours now? A file system without such locks counts as yes: there is nothing to wait for."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _own(folder: Path) -> tuple[Path, int]:
    journal = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)) / NAME
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = None
    try:
        lock = os.open(journal, flags, 0o600)
        _locked(lock)
    except OSError:
        _give_up(journal, lock)
        raise
    return journal, lock


def _begin(journal: Path, lock: int, head: dict[str, Any], *, shared: bool) -> None:
    """Write the first line; only then is anything claimed. A folder that others of this run use stays without it."""
    try:
        append(lock, (json.dumps(head) + "\n").encode())
    except OSError:
        with suppress(OSError):
            journal.unlink()
        _give_up(journal, lock, keep=shared)
        raise


def _give_up(journal: Path, lock: int | None, *, keep: bool = False) -> None:
    if lock is not None:
        with suppress(OSError):
            os.close(lock)
    if not keep:
        remove(journal)


def _others(
    folder: Path, mine: Sequence[str], spare: Path | None
) -> tuple[list[Path], list[Path], Problem | None]:  # fmt: skip
    """Which journals of killed runs are here, which are as old as our files, and which of these is another run's?"""
    dead: list[Path] = []
    told: list[Path] = []
    for journal in sorted(folder.glob(f"{PREFIX}*/{NAME}")):
        if journal == spare:
            continue
        try:
            descriptor = os.open(journal, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or gone by now
        with open(descriptor, "rb") as file:  # noqa: PTH123 - Path cannot open a descriptor
            if os.fstat(descriptor).st_uid != os.geteuid():
                continue
            free, head = _locked(descriptor), file.readline()
            taken = _taken(head, mine)
            if free and not file.readline().endswith(b"\n"):
                remove(journal)  # it was killed before any host had answered
            elif free and not _told(file):
                dead.append(journal)
            elif free and taken:
                told.append(journal)
            elif taken and not free:
                return dead, told, taken
    return dead, told, None


def _told(file: BufferedReader) -> bool:
    """Do reports tell all that stands there?"""
    end = os.fstat(file.fileno()).st_size
    return end >= len(TOLD) and os.pread(file.fileno(), len(TOLD), end - len(TOLD)) == TOLD


def left(journal: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Which files does the run of this journal write, and which journals have runs left beside them that have ended?

    Those that nobody may trust are among them: whoever opens one is told why.
    """
    with journal.open("rb") as file:
        files = tuple(map(str, json.loads(file.readline())["files"]))
    found: list[Path] = []
    for folder in dict.fromkeys((journal.parent.parent, *(Path(one).parent for one in files))):
        with suppress(OSError), _turn(folder):
            others = sorted(folder.glob(f"{PREFIX}*/{NAME}"))
            found += [one for one in others if one != journal and not _lives(one)]
    return files, tuple(found)


def _lives(journal: Path) -> bool:
    """Does the run of this journal still hold it?"""
    try:
        with open_own(journal) as file:
            return not _locked(file.fileno())
    except OSError:
        return False


def _taken(head: bytes, mine: Sequence[str]) -> Problem | None:
    """Which of our files does the run write that has this head? One that is just writing its head has none yet."""
    try:
        other = json.loads(head)
        both = [file for file in mine if file in other["files"]]
        words = f"process {int(other['pid'])} of another run, started {other['started']}, is about to write it"
    except (ValueError, KeyError, TypeError):
        return None
    if not both:
        return None
    return Problem(file=both[0], message=f"in use: {words}; wait until it has ended, or give another file")


def _note(journal: Path) -> None:
    """Note that the reports tell all of it. Where that fails it stays for longer, and the next run names it."""
    with suppress(OSError):
        descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            append(descriptor, TOLD)
        finally:
            os.close(descriptor)


def remove(journal: Path, *, keep: bool = False) -> None:
    """Remove a run's folder. What cannot be removed stays: it does no harm, and the next run tries again."""
    with suppress(OSError):
        for file in journal.parent.iterdir():
            if file != journal or not keep:
                file.unlink()
        if not keep:
            journal.parent.rmdir()
