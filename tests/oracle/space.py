"""What is done inside a network namespace? A thread lives in it, and what the thread opens or starts is there too."""

from __future__ import annotations

import ctypes
import os
import shlex
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

P = ParamSpec("P")
T = TypeVar("T")

NAMESPACES = Path("/run/netns")
SYSCTL = Path("/proc/sys/net")
CLONE_NEWNET = 0x40000000
SECONDS = 60
LIBC = ctypes.CDLL(None, use_errno=True)


class RigError(Exception):
    """Something about the rig itself went wrong: never an answer."""


def command(*words: str, text: str | None = None, lock: str = "") -> subprocess.CompletedProcess[str]:
    """What does this command print, and how does it end?

    iptables-legacy lets one of its kind run on the whole machine, whatever the namespace, and another fails; `lock` is
    the file that it is to use for that.
    """
    env = {**os.environ, "XTABLES_LOCKFILE": lock} if lock else None
    try:
        return subprocess.run(
            words,
            input=text or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env=env,
        )
    except subprocess.TimeoutExpired as late:
        raise RigError(f"{shlex.join(words)}: no end after {SECONDS} s") from late


def checked(*words: str, text: str | None = None, lock: str = "") -> str:
    """What does this command print? A failure is a RigError that quotes it."""
    done = command(*words, text=text, lock=lock)
    if done.returncode:
        raise RigError(f"{shlex.join(words)}: exit status {done.returncode}: {done.stderr.strip()}\n{text or ''}")
    return done.stdout


class Space:
    """A network namespace that exists, and a thread in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        try:
            self.do(_enter, name)
        except BaseException:
            self.close()
            raise

    def do(self, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Call this inside; what does it give?"""
        return self._thread.submit(function, *args, **named).result()

    def set(self, settings: Mapping[str, str], *, optional: bool = False) -> None:
        """Write these below /proc/sys/net, which shows each thread its own namespace's."""
        self.do(_write, settings, optional=optional)

    def raw(self, family: int, protocol: int, uid: int = 0) -> socket.socket:
        """Open a raw socket here; rules that ask for the owner see this uid (and root's gid)."""
        return self.do(_raw, family, protocol, uid)

    def close(self) -> None:
        """End the thread; the namespace stays."""
        self._thread.shutdown()


def _enter(name: str) -> None:
    handle = os.open(NAMESPACES / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(handle, CLONE_NEWNET):
            raise RigError(f"{name} cannot be entered: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


def _write(settings: Mapping[str, str], *, optional: bool) -> None:
    for name, value in settings.items():
        path = SYSCTL / name
        if path.exists() or not optional:
            path.write_text(f"{value}\n")


def _raw(family: int, protocol: int, uid: int) -> socket.socket:
    with _as_user(uid):
        return socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)


@contextmanager
def _as_user(uid: int) -> Iterator[None]:
    """Own what is opened as this user, with all of root's rights: the file system's uid is no more than that."""
    LIBC.setfsuid(uid)
    try:
        # setfsuid() gives the value before and no error; what no user has leaves it as it is.
        if LIBC.setfsuid(-1) != uid:
            raise RigError(f"no socket can be opened as uid {uid}")
        yield
    finally:
        LIBC.setfsuid(0)
