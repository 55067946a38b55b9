"""A story cut anywhere, or ended with another exit status, is no other story: no false pass, ever.

`WHYREFUSED_TORTURE=1` cuts at every byte and tries every status of every answer; without it a spread of both is.
"""

from __future__ import annotations

import os
import zlib

import pytest

from whyrefused.records import Missing

from .replay import STORIES, read
from .torture import STATUSES, edges, false, frames_of, left, outcomes, sent, with_frames

ALL = bool(os.environ.get("WHYREFUSED_TORTURE"))
SPREAD = 61
"""Without ALL every so many bytes are cut, beside the edges of the frames."""


def share(*words: str) -> int:
    """A number that is the same in every run, and another for every host and probe."""
    return zlib.crc32(" ".join(words).encode())


@pytest.mark.parametrize("story", STORIES)
def test_cut_at_every_byte(story: str) -> None:
    """Wherever the reply ends, each answer is whole or missing; and with what is left nothing passes that did not."""
    inventory, replies, _ = read(story)
    whole = outcomes(inventory, replies)
    for host, reply in replies.items():
        frames = frames_of(reply)
        data = sent(frames)
        cuts = (
            range(len(data)) if ALL else sorted({*range(share(story, host) % SPREAD, len(data), SPREAD), *edges(data)})
        )
        states: set[tuple[str, ...]] = set()
        for at in cuts:
            found = left(data[:at], frames)
            assert not [name for name, it in found.items() if not isinstance(it, Missing) and it != frames[name]], at
            states.add(tuple(name for name, it in found.items() if not isinstance(it, Missing)))
        assert len(states) == len(frames) + 1 or not frames
        for number, state in enumerate(sorted(states, key=len)):
            if ALL or (number + share(story, host)) % 4 == 0:
                torn = {name: frame if name in state else Missing("cut off") for name, frame in frames.items()}
                assert not false(whole, outcomes(inventory, with_frames(replies, host, torn))), (host, state)


@pytest.mark.parametrize("story", STORIES)
def test_every_exit_status(story: str) -> None:
    """An answer whose command did not end well is no answer, however whole its text; one without a status neither."""
    inventory, replies, _ = read(story)
    whole = outcomes(inventory, replies)
    for host, reply in replies.items():
        frames = frames_of(reply)
        for name, frame in frames.items():
            if not ALL and share(host, story, name) % 2:
                continue
            lost = outcomes(inventory, with_frames(replies, host, {name: Missing("gone")}))
            for status in STATUSES if ALL else STATUSES[share(story, host, name) % len(STATUSES) :][:1]:
                found = left(sent(frames, torn=name, status=status), frames)
                if status is None or status < 0:
                    assert isinstance(found[name], Missing)
                assert all(found[other] == frames[other] for other in frames if other != name)
                torn = outcomes(inventory, with_frames(replies, host, found))
                assert not false(whole, torn), (host, name, status)
                # ss that is not installed has a stand-in, the kernel's own table.
                if frame.status == 0 and (name, status) != ("listeners", 127):
                    assert undecided(lost) == undecided(torn), (host, name, status)


def undecided(ends: dict[str, str]) -> dict[str, str]:
    """The same ends, where it does not count whether what could not be looked at was only wanted by the way."""
    return {name: "error" if outcome == "skipped" else outcome for name, outcome in ends.items()}


def test_this_can_fail() -> None:
    """Were a cut answer taken for a whole one, some story would end in a false pass."""
    _, replies, _ = read("healthy")
    host = next(name for name, reply in replies.items() if "proc_net" in reply.frames)
    frames = frames_of(replies[host])
    cut = sent(frames).replace(b"\nEND ", b"\nFIN ", 1)
    assert [name for name, it in left(cut, frames).items() if isinstance(it, Missing)] == list(frames)
    assert ["services x"] == false({"services x": "failed"}, {"services x": "passed"})
    assert not false({"services x": "failed"}, {"services x": "error"})
