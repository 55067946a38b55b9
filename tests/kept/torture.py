"""What becomes of the files where one call of the system fails? Run as a program: FOLDER EVERY ERRNO,ERRNO…

It audits this machine from within folders of FOLDER, as `pytest` does, and lets every EVERYth call that concerns a file
of theirs fail once. What is loaded and asked before is the same in all steps, so a process made by fork(2) takes each.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from whyrefused import __version__, opening
from whyrefused.collect import saved
from whyrefused.collect.saved import JOURNAL
from whyrefused.moments import now

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = ("open", "write", "fsync", "rename", "close", "mkdir", "ftruncate", "unlink", "rmdir")
CHECK = Path(__file__).parents[2] / "checks" / "test_resolves.py"
LEFT = ".whyrefused-left"
OUTPUTS = {"page.html": "--html", "found.json": "--findings", "junit.xml": "--junitxml", "kept.json": "--save-evidence"}


class Failing:
    """Counts the calls that concern one folder, and makes one of them fail."""

    def __init__(self, folder: Path, step: int, code: int) -> None:
        self.folder = str(folder)
        self.step = step
        self.code = code
        self.calls: list[str] = []

    def install(self) -> None:
        """Stand between Python and the system from now on."""
        for name in CALLS:
            setattr(os, name, self.around(name, getattr(os, name)))

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Which call counts first and may fail?"""

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the system takes and gives
            if self.concerns(arguments[0]):
                self.calls.append(name)
                if len(self.calls) == self.step:
                    if name == "close":  # as the kernel does it: the descriptor is gone all the same
                        real(*arguments)
                    raise OSError(self.code, os.strerror(self.code), self.folder)
            return real(*arguments, **named)

        return call

    def concerns(self, what: object) -> bool:
        """Is it a file of the folder?"""
        try:
            path = str(Path(f"/proc/self/fd/{what}").readlink()) if isinstance(what, int) else os.fspath(what)  # type: ignore[call-overload]
        except (OSError, TypeError):
            return False
        return os.path.abspath(path).startswith(self.folder)  # noqa: PTH100 - resolve() would call what is counted


def audit(folder: Path, *more: str) -> int:
    """Audit this machine there."""
    os.chdir(folder)
    options = [*(f"{option}={name}" for name, option in OUTPUTS.items()), *more]
    return int(pytest.main(["-p", "no:cacheprovider", "-q", str(CHECK), "--inventory=../hosts.yml", *options]))


def leave(folder: Path, line: dict[str, Any]) -> None:
    """Let a run that was killed have left this answer there."""
    head = {"schema": JOURNAL, "started": now(), "pid": 1, "version": __version__,
            "files": [str(folder / name) for name in OUTPUTS]}  # fmt: skip
    (folder / LEFT).mkdir(mode=0o700)
    journal = folder / LEFT / "journal.jsonl"
    journal.write_text(json.dumps(head) + "\n" + json.dumps(line) + "\n")
    journal.chmod(0o600)


def one(folder: Path, step: int, code: int, line: dict[str, Any] | None = None) -> dict[str, Any]:
    """What becomes of it? In a process of its own, so that this one stays as it is."""
    said = folder.parent / f"said-{folder.name}"
    folder.mkdir(exist_ok=True)
    for name in OUTPUTS:
        (folder / name).write_text("old")
    if line:
        leave(folder, line)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        failing = Failing(folder, step, code)
        with said.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        failing.install()
        status = audit(folder, *(["--resume"] if line else []))
        sys.stdout.flush()
        (folder.parent / f"calls-{folder.name}").write_text(json.dumps(failing.calls))
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {
        "step": step,
        "errno": errno.errorcode[code],
        "status": status,
        "said": said.read_text(),
        "calls": json.loads((folder.parent / f"calls-{folder.name}").read_text()),
        "left": sorted(str(path.relative_to(folder)) for path in folder.rglob("*")),
        "files": {name: (folder / name).read_text() for name in OUTPUTS if (folder / name).exists()},
    }


def prepare(inventory: Path) -> dict[str, Any]:
    """Load all that an audit loads, let the inventory be read once, and this machine be visited once: what it said."""
    from whyrefused import manual, wiring  # noqa: F401, PLC0415 - loading is the point
    from whyrefused.collect import fleet, visit  # noqa: PLC0415 - as above

    named = opening.Named(sources=(str(inventory),))
    known = opening.ask(named)()
    opening.ask = lambda _: lambda: known
    (host,) = known.hosts.values()
    answer = visit.visit(host, {"identity": (), "names": ("localhost",)}, visit.Options())
    fleet.visit = lambda *_: answer
    reply, said = answer
    about = {"host": reply.host, "warnings": said, "again": False, "asked": reply.asked, "question": reply.question}
    return {**saved.entry(reply), **about}


def main(folder: Path, codes: list[int], every: int, *, resumes: bool) -> None:
    """Take each step, in turn with one of the errors; print what became of it, a line each."""
    said = prepare(folder / "hosts.yml")
    line = said if resumes else None
    whole = one(folder / "0", 0, errno.EIO, line)
    sys.stdout.write(json.dumps(whole) + "\n")
    for step in range(1, len(whole["calls"]) + 1, every):
        for code in codes if every == 1 else [codes[step % len(codes)]]:
            sys.stdout.write(json.dumps(one(folder / f"{step}-{code}", step, code, line)) + "\n")


if __name__ == "__main__":
    errors = [getattr(errno, name) for name in sys.argv[3].split(",")]
    main(Path(sys.argv[1]).absolute(), errors, int(sys.argv[2]), resumes="--resume" in sys.argv)
