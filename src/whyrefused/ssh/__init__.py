"""Our SSH: what a host says, whole and in time, from the host that it is; or the reason why not.

`visit` makes one TCP connection with one login, one session and one exec of `sh -s`, which reads the script from its
standard input. Commands of the script share that input: what reads it must be given another (`</dev/null`). Both
streams are read together; an `Output` exists only if the exit status came, both streams ended and no cap was hit.
Everything else is a `NotReached` with a `reason` out of `REASONS` and what had arrived by then.

- **Configuration** is read by `ssh -G`; the connection's own variables outrank it. Where no ssh program is, the
  defaults hold, and a configuration file with Host, Match or Include is refused.
- **Host keys** are judged before anything is sent: unknown, changed and revoked ones end the visit. `accept-new` takes
  an unknown key for the length of this process, without writing it; `no` (and host key checking switched off) takes
  any but a revoked one. Both put a line into `warnings`. Host certificates are not verified: @cert-authority lines make
  no key known.
- **Login**: the connection's key file, the agent's keys (unless IdentitiesOnly), the configured files with their
  certificates, then the password if one is given. No prompt is answered, nothing is forwarded, no second login follows.
- **Time and size** are bounded from outside by a thread that closes the socket (`Limits`). A server that answers no
  keepalive is not waited for; one that keeps its output open behind the exit status is left, with what it said. Only a
  server that closes the connection before the login is tried again, after the pauses of `Limits`.
- **Jump hosts** (ProxyJump, `-J`) are logged in to once a process and shared; `hang_up` closes them.

All of it may be called from many threads at once. Only this package imports paramiko, and only at the first visit;
`warm_up` does it ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.ssh.arguments import wrong
from whyrefused.ssh.records import REASONS, SHORT, Limits, NotReached, Output, Reason, Settings, check_key_file, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Connection

__all__ = [
    "REASONS",
    "SHORT",
    "Limits",
    "NotReached",
    "Output",
    "Reason",
    "Settings",
    "check_key_file",
    "hang_up",
    "register",
    "shown",
    "visit",
    "warm_up",
    "wrong",
]


def visit(connection: Connection, script: bytes, limits: Limits, settings: Settings) -> Output:
    """What does this script print on that host? Raises NotReached."""
    from whyrefused.ssh import light, reach  # noqa: F401, PLC0415 - loads paramiko, in this order

    return reach.visit(connection, script, limits, settings)


def warm_up() -> None:
    """Load paramiko now, in a thread of the caller's, while something else takes its time."""
    from whyrefused.ssh import light, reach  # noqa: F401, PLC0415 - the loading is the point


def hang_up() -> None:
    """Close the connections to all jump hosts, and forget which of them failed."""
    from whyrefused.ssh import bastion  # noqa: PLC0415 - loads paramiko

    bastion.hang_up()


def register(known: Mapping[str, Connection] | None = None, settings: Settings | None = None) -> None:
    """Make `whyrefused://NAME` a connection type of testinfra; the names in `known` stand for these connections."""
    from whyrefused.ssh import backend  # noqa: PLC0415 - loads testinfra

    backend.register(known, settings)
