"""How is a host behind a jump host dialled? One login per jump host and process, shared by all behind it.

Channels of direct-tcpip do not count as sessions (sshd's MaxSessions), so one connection carries all targets. At most
ten of them log in at a time. A jump host that fails is not tried again for a while: all behind it get its reason.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paramiko

from whyrefused.ssh.records import NotReached, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.ssh.config import Target
    from whyrefused.ssh.session import Session

LOGINS_AT_ONCE = 10
REMEMBERED = 300.0
"""Seconds for which a failed jump host is not tried again: longer than one run takes to ask all hosts behind it."""
_PROHIBITED = 1  # RFC 4254, section 5.1: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED


@dataclass(slots=True)
class Bastion:
    """One jump host."""

    target: Target
    lock: threading.Lock = field(default_factory=threading.Lock)
    slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(LOGINS_AT_ONCE))
    session: Session | None = None
    failure: NotReached | None = None
    failed_at: float = 0.0


_bastions: dict[Target, Bastion] = {}
_bastions_lock = threading.Lock()


def bastion_of(target: Target) -> Bastion | None:
    """Behind which jump host is it?"""
    if target.via is None:
        return None
    with _bastions_lock:
        return _bastions.setdefault(target.via, Bastion(target.via))


@contextmanager
def slot(target: Target) -> Iterator[None]:
    """Log in to at most ten hosts behind one jump host at a time; waiting here is not the host's time."""
    bastion = bastion_of(target)
    if bastion is None:
        yield
        return
    with bastion.slots:
        yield


def channel(
    target: Target, until: float, seconds: float, connect: Callable[[Target, float], Session]
) -> paramiko.Channel:
    """Dial it from its jump host. Raises NotReached (bastion, unreachable, timed-out)."""
    bastion = bastion_of(target)
    assert bastion is not None, "only called for targets behind a jump host"  # noqa: S101 - for the type checker
    session = _session(bastion, until, connect)
    try:
        return session.transport.open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=seconds
        )
    except paramiko.ChannelException as error:
        said = shown(error.args[1] if len(error.args) > 1 else str(error))
        if error.args[:1] == (_PROHIBITED,):
            raise NotReached(
                "bastion",
                f"{target.place}: its jump host {bastion.target.place} forbids forwarding there ('{said}'); "
                "see AllowTcpForwarding and PermitOpen on it.",
            ) from None
        raise NotReached(
            "unreachable",
            f"{target.place}: its jump host {bastion.target.place} could not connect to it and says '{said}'. "
            "Check the host, and the way from the jump host to it.",
        ) from None
    except Exception:  # noqa: BLE001 - paramiko lets any exception of its parsers through
        if not session.alive:
            raise lost(target) from None
        raise NotReached(
            "timed-out",
            f"{target.place}: no answer through its jump host {bastion.target.place} within {seconds:g} s. "
            "Check that the host is up, and firewalls between the two that drop.",
        ) from None


def lost(target: Target) -> NotReached:
    """Say that its jump host is gone, and remember that for the others behind it."""
    bastion = bastion_of(target)
    assert bastion is not None, "only called for targets behind a jump host"  # noqa: S101 - for the type checker
    _fail(bastion, NotReached("bastion", "the connection to it was lost"))
    return NotReached("bastion", f"{target.place}: the connection to its jump host {bastion.target.place} was lost.")


def lives(target: Target) -> bool:
    """Is the connection to its jump host still there?"""
    bastion = bastion_of(target)
    return bastion is None or (bastion.session is not None and bastion.session.alive)


def _session(bastion: Bastion, until: float, connect: Callable[[Target, float], Session]) -> Session:
    if not bastion.lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
        raise NotReached("bastion", f"{bastion.target.place}: the jump host was not reached in time.")
    try:
        if bastion.failure and time.monotonic() - bastion.failed_at < REMEMBERED:
            raise _behind(bastion, bastion.failure)
        if bastion.session is None or not bastion.session.alive:
            try:
                bastion.session = connect(bastion.target, until)
            except NotReached as problem:
                _fail(bastion, problem)
                raise _behind(bastion, problem) from None
        return bastion.session
    finally:
        bastion.lock.release()


def _fail(bastion: Bastion, problem: NotReached) -> None:
    bastion.failure, bastion.failed_at = problem, time.monotonic()


def _behind(bastion: Bastion, problem: NotReached) -> NotReached:
    return NotReached(
        "bastion", f"its jump host {bastion.target.place} was not reached ({problem.reason}): {problem.message}"
    )


def hang_up() -> None:
    """Close the connections to all jump hosts and forget what failed; the next visit begins anew."""
    with _bastions_lock:
        known = list(_bastions.values())
        _bastions.clear()
    for bastion in known:
        if bastion.session is not None:
            bastion.session.close()
