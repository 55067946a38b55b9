"""What does `ansible-inventory` say? The one program that is run here, in the one place where it is run.

Ansible's precedence, vault, plugins and host patterns are its own; only its JSON comes back to us.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from whyrefused.inventory.flaws import inert, shown
from whyrefused.inventory.levels import is_network
from whyrefused.inventory.settings import DROPPED, OVERRIDE, SETTINGS
from whyrefused.records import BadInput, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

NAME = "ansible-inventory"
TIMEOUT = 300.0
LARGEST = 256 * 1024 * 1024
LARGEST_COMPLAINT = 256 * 1024
OPENERS = 4
"""Values that are vaulted inline which are opened at once; each takes half a second of a processor."""

COLON = re.compile(r":(?![^\[]*\])")
"""A colon outside of brackets: `web[1:3]` is one name."""
UNMATCHED = re.compile(r"Could not match supplied host pattern, ignoring: (.{1,200})")
ORIGIN = re.compile(r"^Origin: (/[^\n]{1,500}?):([0-9]+):[0-9]+$", re.MULTILINE)
SOURCE = re.compile(r"(?:parse inventory source|parse) (/[^\n]{1,500}?)(?: as an inventory source)?$", re.MULTILINE)
ERROR = re.compile(r"^\[?ERROR\]?[:!] *([^\n]{1,300})", re.MULTILINE)
LEAKING = re.compile(r"(got|error|stderr|value)[:=].*", re.IGNORECASE)

REASONS = (
    ("no vault secrets found", "a file is vaulted: give --vault-id or --vault-password-file"),
    ("Decryption failed", "a vaulted file cannot be decrypted with the passwords given"),
    ("vault password file", "the vault password file is not there or cannot be read"),
    ("Unable to find limit file", "the file given to --limit with @ is not there"),
    ("recursive dependency loop", "a group is within itself"),
    ("Found duplicate mapping key", "a key stands twice in one map"),
    ("Inventory script returned non-zero", "the inventory script failed"),
    ("inventory script result", "the inventory script did not print JSON"),
    ("has unknown type", "a section of an INI inventory is [GROUP], [GROUP:vars] or [GROUP:children]"),
    ("Expected key=value", "a line of an INI inventory is not NAME KEY=VALUE …"),
    ("YAML parsing failed", "this is not YAML that Ansible reads"),
    ("requires the locale", "ansible-inventory needs a UTF-8 locale"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What one call printed."""

    text: str
    unmatched: tuple[str, ...]  # parts of --limit that name nobody


def find(environ: Mapping[str, str]) -> str:
    """Where is the command: as told, beside our interpreter, on PATH? Raises BadInput, saying how to get it."""
    told = environ.get(OVERRIDE)
    beside = Path(sys.executable).parent
    found = shutil.which(told or NAME, path=None if told else os.pathsep.join((str(beside), environ.get("PATH", ""))))
    if found:
        return found
    where = f"{OVERRIDE} names {shown(told, 200)}, which is no program" if told else f"{NAME} is not installed"
    raise BadInput(Problem(message=f"{where}; inventories are read by it: pip install 'whyrefused[ansible]'"))


def export(
    sources: Sequence[str], *, limit: Sequence[str] = (), vault: Sequence[str] = (), environ: Mapping[str, str]
) -> Export:
    """What is in these sources, each level's variables apart? Raises BadInput with what the command complains of."""
    # The long forms with `=`: no value can be taken for an option.
    arguments = [f"--inventory={source}" for source in sources]
    arguments += [f"--vault-id={identity}" for identity in vault]
    arguments += [f"--limit={joined(limit)}"] if limit else []
    status, output, complaint = _run([find(environ), "--list", "--export", *arguments], _environment(environ))
    if status != 0:
        raise BadInput(_problem(complaint, status, sources))
    return Export(text=output, unmatched=tuple(map(inert, UNMATCHED.findall(complaint))))


def opened(sealed: Collection[str], *, vault: Sequence[str] = (), environ: Mapping[str, str]) -> dict[str, str]:
    """What do these values say that are vaulted inline? Those that no password opens are left out."""
    program = Path(find(environ)).with_name("ansible-vault")
    if not program.exists():
        return {}
    command = [str(program), "decrypt", "--output=-", *(f"--vault-id={identity}" for identity in vault)]
    environment = _environment(environ)
    with ThreadPoolExecutor(OPENERS) as pool:
        found = pool.map(lambda text: _run(command, environment, text.encode()), sealed)
        return {text: output for text, (status, output, _) in zip(sealed, found, strict=True) if status == 0}


def joined(limit: Sequence[str]) -> str:
    """How are several patterns one? Ansible parts a pattern at its colons only where it has no comma."""
    if len(limit) == 1:
        return limit[0]
    return ",".join(it if "," in it or is_network(it) else COLON.sub(",", it) for it in limit)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in DROPPED}
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if not re.search(r"utf-?8$", locale, re.IGNORECASE):
        kept["LC_ALL"] = "C.UTF-8"  # Ansible does not start under another one
    return {**kept, **SETTINGS}


def _run(command: list[str], environ: dict[str, str], given: bytes = b"") -> tuple[int, str, str]:
    with TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        return _ran(command, environ, file)


def _ran(command: list[str], environ: dict[str, str], given: IO[bytes]) -> tuple[int, str, str]:
    # A session of its own: no terminal to ask a vault password on, and one group to end at the deadline.
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and only the arguments made above
            command,
            env=environ,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise BadInput(Problem(message=f"{shown(command[0], 200)} cannot be run: {inert(str(error))}")) from None
    _running.add(process)
    outputs = _Outputs(process)
    timer = threading.Timer(TIMEOUT, outputs.give_up)
    timer.start()
    try:
        output, complaint = outputs.read()
        status = process.wait()
    finally:
        timer.cancel()
        _running.discard(process)
        if process.poll() is None:
            _end(process)
            process.wait()
    if outputs.late:
        raise BadInput(Problem(message=f"ansible-inventory gave no answer in {TIMEOUT:.0f} s"))
    if outputs.overflown:
        raise BadInput(Problem(message=f"ansible-inventory printed more than {LARGEST // 1024**2} MiB"))
    return status, output.decode("utf-8", "surrogateescape"), complaint.decode("utf-8", "replace")


_running: set[subprocess.Popen[bytes]] = set()


def abandon() -> None:
    """End what is being asked: nobody waits for the answer any more."""
    for process in tuple(_running):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class _Outputs:
    """Both outputs of a process, read side by side and bounded."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.overflown = False
        self.late = False
        self.complaint = b""

    def give_up(self) -> None:
        """End the process: its time is over."""
        self.late = True
        _end(self.process)

    def read(self) -> tuple[bytes, bytes]:
        """What did the process print on stdout and on stderr?"""
        assert self.process.stdout  # noqa: S101 - it is a pipe
        reader = threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True)
        reader.start()
        output = self.process.stdout.read(LARGEST + 1)
        if len(output) > LARGEST:
            self.overflown = True
            _end(self.process)
        reader.join()
        self.process.stdout.close()
        return output, self.complaint

    def _drain(self, stream: IO[bytes]) -> None:
        self.complaint = stream.read(LARGEST_COMPLAINT)
        while stream.read(65536):
            pass
        stream.close()


def _problem(complaint: str, status: int, sources: Sequence[str]) -> Problem:
    """What is wrong, in one sentence? Never more of the complaint than a reason: it quotes lines with passwords."""
    origin = ORIGIN.search(complaint)
    source = SOURCE.search(complaint)
    only = sources[0] if len(sources) == 1 else ""
    file = origin[1] if origin else source[1] if source else only
    reason = next((ours for theirs, ours in REASONS if theirs in complaint), "")
    if not reason:
        found = ERROR.search(complaint)
        reason = LEAKING.sub(r"\1 …", found[1].strip()) if found else f"it ended with status {status}"
        reason = f"ansible-inventory cannot read the inventory: {inert(reason)}"
    return Problem(message=reason, file=file, line=int(origin[2]) if origin else None)
