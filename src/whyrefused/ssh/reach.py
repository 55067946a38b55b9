"""How is a host visited? Dial, log in, run one script, hang up; tried again only where no login was tried."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from whyrefused.ssh import bastion, config
from whyrefused.ssh.dial import dial
from whyrefused.ssh.login import login
from whyrefused.ssh.records import NotReached
from whyrefused.ssh.session import Session
from whyrefused.ssh.wire import Wire

if TYPE_CHECKING:
    from whyrefused.records import Connection
    from whyrefused.ssh.config import Target
    from whyrefused.ssh.records import Limits, Output, Settings

COMMAND = "sh -s"
"""Every login shell runs this the same way (bash, dash, fish, csh, restricted ones too): one word without a slash, no
quoting, no `exec`. The script comes on its standard input, so no shell but sh ever parses it."""

_UNLIMITED = 2**62
_LOST_WITH_IT = ("cut-off", "server-refuses-connections", "login-hangs", "no-session", "no-command", "no-answer")
"""What a host behind a jump host seems to do when it is the jump host that goes."""


def visit(connection: Connection, script: bytes, limits: Limits, settings: Settings) -> Output:
    """What does this script print there? See the package's docstring."""
    target = config.target(connection, settings)
    session = open_session(target, limits)
    until = session.opened + limits.host
    try:
        return session.run(COMMAND, script, max(min(limits.command, until - time.monotonic()), 0.001))
    except NotReached as problem:
        raise _through(target, problem) from None
    finally:
        session.close()


def open_session(target: Target, limits: Limits) -> Session:
    """Log in there. Raises NotReached."""
    with bastion.slot(target):
        began = time.monotonic()
        session = _connect(target, limits, began + limits.host)
        session.opened = began
        return session


def _connect(target: Target, limits: Limits, until: float) -> Session:
    pauses = iter(limits.pauses)
    tries, looked = 0, False
    while True:
        try:
            tries += 1
            return _once(target, limits, until)
        except NotReached as problem:
            problem = _through(target, problem)
            if problem.again and not looked:
                tries, looked = (
                    tries - 1,
                    True,
                )  # nothing was sent, and this is told once: then it is known which type to ask for
                continue
            pause = next(pauses, None)
            if problem.reason != "server-refuses-connections" or pause is None:
                raise _tried(problem, tries) from None
            # Hosts behind one address that refuses too many at once must not come back all at once.
            pause *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
            # A short deadline has shorter pauses, not fewer tries.
            pause = min(pause, (until - time.monotonic()) / 2)
            if pause <= 0:
                raise _tried(problem, tries) from None
        time.sleep(pause)


def _tried(problem: NotReached, tries: int) -> NotReached:
    if tries > 1:
        return NotReached(problem.reason, f"{problem.message} Tried {tries} times.", warnings=problem.warnings)
    return problem


def _once(target: Target, limits: Limits, until: float) -> Session:
    seconds = max(min(limits.connect, until - time.monotonic()), 0.001)
    try:
        if target.via is None:
            wire = Wire(dial(target, seconds), target.place)
        else:
            wire = Wire(
                bastion.channel(target, until, seconds, lambda hop, end: _bastion(hop, limits, end)), target.place
            )
        transport, warnings = login(wire, target, min(time.monotonic() + limits.login, until))
    except (OSError, RuntimeError) as error:
        # Out of descriptors or threads: whatever it is, it is not the host's.
        raise NotReached("local", f"{target.place}: this machine could not go on ({error}).") from None
    wire.rest()
    return Session(wire, transport, target, limits, warnings)


def _bastion(target: Target, limits: Limits, until: float) -> Session:
    session = _connect(target, limits, until)
    session.carry(_UNLIMITED)
    return session


def _through(target: Target, problem: NotReached) -> NotReached:
    """Is it the jump host that was lost, and not the host behind it?"""
    lost = problem.reason in _LOST_WITH_IT
    if target.via is None or not lost or bastion.lives(target):
        return problem
    found = bastion.lost(target)
    return NotReached(found.reason, found.message, output=problem.output, warnings=problem.warnings)
