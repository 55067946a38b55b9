"""What a host would have sent for a story, to be cut, and what is left of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused import judge, script
from whyrefused.evidence import Evidence
from whyrefused.probes import registry
from whyrefused.records import Frame

from .replay import questions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.records import Inventory, Missing, Reply

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
STATUSES = (None, 127, 126, 255, -1)


def frames_of(reply: Reply) -> dict[str, Frame]:
    """The answers that came whole, in the order in which the script prints them: the slow ones last."""
    whole = {name: it for name, it in reply.frames.items() if isinstance(it, Frame)}
    return {name: whole[name] for name in sorted(whole, key=lambda one: (registry()[one].SIDE_BY_SIDE, one))}


def sent(frames: Mapping[str, Frame], token: str = TOKEN, *, torn: str = "", status: int | None = 0) -> bytes:
    """The bytes of a reply with these answers; that of `torn` ends with another exit status, or with none."""
    parts = [b""]
    for name, frame in frames.items():
        told = status if name == torn else frame.status
        end = f" {token}" if told is None else f"{told} {token}"
        body = frame.text.encode("utf-8", "surrogateescape") + f"\n{end}".encode()
        parts.append(f"BEGIN {token} {name} {len(body)}\n".encode() + body + f"\nEND {token} {name}".encode())
    return b"\n".join((*parts, f"DONE {token} {len(frames)}\n".encode()))


def left(data: bytes, frames: Mapping[str, Frame]) -> dict[str, Frame | Missing]:
    """What is read of these bytes?"""
    return script.split(data, TOKEN, dict.fromkeys(frames, ()))


def edges(data: bytes) -> Iterator[int]:
    """Where a frame begins or ends, and a byte to either side."""
    at = -1
    while (at := data.find(b"\n", at + 1)) >= 0:
        if data.startswith((b"BEGIN ", b"END ", b"DONE "), at + 1):
            yield from range(at - 1, at + 4)


def outcomes(inventory: Inventory, replies: Mapping[str, Reply]) -> dict[str, str]:
    """How does each item end where the hosts said this?"""
    evidence = Evidence(replies.values())
    return {one.id: judge.judge(one, evidence, pytest.skip.Exception).outcome for one in questions_of(inventory)}


def false(whole: Mapping[str, str], torn: Mapping[str, str]) -> list[str]:
    """Which items end as they may not, where less is known? What did not pass does not, nor fail what did not fail."""
    return [name for name, outcome in torn.items() if outcome not in {whole[name], "error", "skipped"}]


def with_frames(replies: Mapping[str, Reply], host: str, frames: Mapping[str, Frame | Missing]) -> dict[str, Reply]:
    """The same replies, but for what this host said."""
    return {**replies, host: replace(replies[host], frames={**replies[host].frames, **frames})}
