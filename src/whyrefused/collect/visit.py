"""One host, one script, one reply: how the script is carried there by each kind of connection."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyrefused import script, ssh
from whyrefused.collect import answer, limits
from whyrefused.moments import now
from whyrefused.records import Frame, Missing, Reply
from whyrefused.redact import harmless, redact, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Connection, Host
    from whyrefused.script import Asked

NO_SSH = 255  # ssh(1): its own failure, not the command's
TIMED_OUT = 124  # timeout(1)
BLANK = "TOKEN"  # stands for the token, which is another one for each visit
QUIET = 15.0  # seconds; our script prints a line every two, once what answers at once was asked (four seconds at most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How hosts are visited."""

    forks: int = 32
    host_timeout: float = 60.0
    ssh: ssh.Settings = field(default_factory=ssh.Settings)
    become: bool = False  # for all hosts, whatever their variables say (testinfra's --sudo)
    become_user: str | None = None


def visit(host: Host, asked: Mapping[str, Asked], options: Options) -> tuple[Reply, tuple[str, ...]]:
    """What does the host answer? Its reply, and warnings for the reader. Never raises: a failure is in the reply."""
    start = time.monotonic()
    token = secrets.token_hex(8)
    text = script.script(asked, token, become=_become(host.connection, options))
    question = _digest(host.connection, text.replace(token, BLANK), options)
    asked_at = now()
    known = [host.connection.password.reveal()] if host.connection.password else []
    warnings: tuple[str, ...] = ()
    try:
        began = time.time()
        output, status, warnings = _carry(host, text, options)
        answer.check(output, status, token, len(asked), host.name)
    except ssh.NotReached as told:
        problem = answer.silenced(told, token)
        why = redact(f"{problem.reason}: {problem.message}", known)
        warnings = tuple(redact(warning, known) for warning in problem.warnings)
        starved = limits.starved(problem)
    except Exception as error:  # noqa: BLE001 - whatever a backend does, the other hosts go on
        why = f"{type(error).__name__}: {redact(str(error), known)[:500]}"
        starved = limits.starved(error)
    else:
        frames = _redacted(script.split(output, token, asked), known)
        notes = (redact(note, known) for note in answer.notes(output, token, frames, (began, time.time())))
        seconds = time.monotonic() - start
        reply = Reply(host=host.name, frames=frames, seconds=seconds, asked=asked_at, question=question)
        return reply, (*warnings, *notes)
    seconds = time.monotonic() - start
    return Reply(host=host.name, frames={}, unreached=why, seconds=seconds, starved=starved, asked=asked_at), warnings


def digest(host: Host, asked: Mapping[str, Asked], options: Options) -> str:
    """What stands for all that this host is asked, where and as whom? Where two are equal, so is the question."""
    text = script.script(asked, BLANK, become=_become(host.connection, options))
    return _digest(host.connection, text, options)


def _digest(way: Connection, text: str, options: Options) -> str:
    """The same of this script. No password is part of it, so none can be guessed by it."""
    told = (way.kind, way.address, way.port, way.user, way.key_file, way.host_key_checking, way.become, way.become_user)
    arguments = redact(" ".join(way.ssh_arguments))
    machine = "" if way.kind in {"ssh", "openssh"} else _this_machine()
    parts = (*told, arguments, machine, options.ssh, options.become, options.become_user)
    asked = f"{parts!r}\n{text}".encode("utf-8", "backslashreplace")
    return hashlib.sha256(asked).hexdigest()[:32]


@functools.cache
def _this_machine() -> str:
    """Which machine is it to which `local` and the names of containers belong, since when?"""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{os.uname().nodename} {boot}"


def _become(connection: Connection, options: Options) -> str:
    if options.become or options.become_user:
        return options.become_user or "root"
    return connection.become_user if connection.become else ""


def _redacted(frames: Mapping[str, Frame | Missing], known: list[str]) -> dict[str, Frame | Missing]:
    told = {name: frame for name, frame in frames.items() if isinstance(frame, Frame)}
    texts = dict(zip(told, redacted([frame.text for frame in told.values()], known), strict=True))
    kept = {name: Frame(text=texts[name], status=frame.status) for name, frame in told.items()}
    return {name: kept.get(name, frame) for name, frame in frames.items()}


def _carry(host: Host, text: str, options: Options) -> tuple[bytes, int, tuple[str, ...]]:
    """What does the script print there, with which exit status, and what must the reader be warned of?"""
    if host.connection.kind == "ssh":
        return _over_ssh(host.connection, text, options)
    if host.connection.kind == "local":
        return (*_here(text, options), ())
    return (*_through_testinfra(host.connection, text, options), ())


def _over_ssh(connection: Connection, text: str, options: Options) -> tuple[bytes, int, tuple[str, ...]]:
    seconds = options.host_timeout
    # A short deadline leaves room for the keepalives that tell a frozen host from a slow one.
    limits = ssh.Limits(command=seconds, host=seconds, silence=min(ssh.Limits().silence, seconds / 5), quiet=QUIET)
    try:
        output = ssh.visit(connection, text.encode(), limits, options.ssh)
    except ssh.NotReached as problem:
        # The frames say themselves whether they are whole, and the exit status came.
        if problem.reason != "left-open" or problem.status is None:
            raise
        left = f"{connection.address}: what the login began there keeps the session open; it was closed from here"
        return problem.output, problem.status, (*problem.warnings, left)
    return output.stdout, output.status, output.warnings


def _here(text: str, options: Options) -> tuple[bytes, int]:
    """Give the script to a sh of this machine, as its input: an argument may not be longer than 128 KiB (execve(2))."""
    # An operator's own session is not what a login to this machine looks like.
    script_text = f"unset SSH_CONNECTION\n{text}".encode()
    argv = ["timeout", f"{options.host_timeout:g}", "sh"]
    done = subprocess.run(  # noqa: S603 - our own script
        argv, input=script_text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
        env=harmless(os.environ),
    )  # fmt: skip
    if done.returncode == TIMED_OUT:
        raise ssh.NotReached("command-timed-out", f"no answer within {options.host_timeout:g} s (--host-timeout)")
    return done.stdout, done.returncode


def _through_testinfra(connection: Connection, text: str, options: Options) -> tuple[bytes, int]:
    """Carry the script with one of testinfra's backends, as the argument of sh, bounded on the other side."""
    import testinfra  # noqa: PLC0415 - only those who need it pay for loading it

    spec, settings = _spec(connection, options)
    result = testinfra.get_host(spec, **settings).run(f"timeout {options.host_timeout:g} sh -c {shlex.quote(text)}")
    if result.rc in {1, 125, 126, 127, NO_SSH} and b"BEGIN " not in result.stdout_bytes:
        words = " ".join(result.stderr.split())[:300]
        raise ssh.NotReached("unreachable", f"{spec}: exit status {result.rc}: {words}")
    if result.rc == TIMED_OUT:
        raise ssh.NotReached("command-timed-out", f"no answer within {options.host_timeout:g} s (--host-timeout)")
    return bytes(result.stdout_bytes), result.rc


def _spec(connection: Connection, options: Options) -> tuple[str, dict[str, Any]]:
    if connection.kind != "openssh":
        return f"{connection.kind}://{connection.address}", {}
    user = f"{connection.user}@" if connection.user else ""
    port = f":{connection.port}" if connection.port else ""
    key = connection.key_file or options.ssh.identity_file
    extra = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *connection.ssh_arguments]
    return f"ssh://{user}{connection.address}{port}", {
        "ssh_config": options.ssh.ssh_config,
        "ssh_identity_file": key,
        "ssh_extra_args": shlex.join(extra),
    }
