"""Why could a unit not take its port, by its own last words? Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.probes.trouble import Said, Trouble

Kind = Literal["in-use", "not-available", "not-permitted"]

# strerror(3) of glibc and musl, Go's spelling of it, and the names of bind(2)'s errors as Node and Java tell them.
WORDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("in-use", ("address already in use", "address in use", "eaddrinuse", "port already in use")),
    ("not-available", ("cannot assign requested address", "address not available", "eaddrnotavail")),
    ("not-permitted", ("permission denied", "eacces", "permissionerror")),
)
BINDS = ("bind", "listen", "socket", "port")
"""A file may be denied as well: the line, or the trace above it, must be about a socket."""

# Behind an address, `[::]`, `*` or nothing: neither the line of a file (haproxy.cfg:2) nor a time (12:34:56).
PORT = re.compile(r"(?:(?:\d\.\d{1,3}|\]|\*|::|(?<!\S)):|\bport[ =:]{1,3})(\d{1,5})(?!\d)", re.IGNORECASE)
TRACE = 8  # lines of a Python trace above its last that may name the call


@dataclass(frozen=True, slots=True, kw_only=True)
class BindError:
    """One line that says why."""

    kind: Kind
    said: Said
    ports: tuple[int, ...]  # that the line names; more than the one it means, perhaps


def of(trouble: Trouble | None, *, again: bool = False) -> BindError | None:
    """Which was the last such line of the unit's last start? None where there is none, or it is not known.

    One that is started `again` and again may just have begun: then the start before counts.
    """
    if trouble is None:
        return None
    return _last(trouble.journal) or (_last(trouble.earlier) if again else None)


def _last(lines: tuple[Said, ...]) -> BindError | None:
    for at in range(len(lines) - 1, -1, -1):
        kind = _kind(lines[at].line.lower(), (one.line.lower() for one in lines[max(0, at - TRACE) : at]))
        if kind:
            ports = tuple(int(number) for number in PORT.findall(lines[at].line))
            return BindError(kind=kind, said=lines[at], ports=ports)
    return None


def _kind(text: str, before: Iterable[str]) -> Kind | None:
    for kind, words in WORDS:
        if not any(word in text for word in words):
            continue
        if kind != "not-permitted" or any(word in text for word in BINDS):
            return kind
        if any(".bind(" in line for line in before):
            return kind
    return None
