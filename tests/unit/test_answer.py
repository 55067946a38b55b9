"""Is it our script's answer? Whole and with its own exit status, or a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.collect import answer
from whyrefused.records import Frame
from whyrefused.ssh import NotReached

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
BODY = b"\nBEGIN %s identity 3\na\nb\nEND %s identity\n" % (TOKEN.encode(), TOKEN.encode())
WHOLE = BODY + b"DONE %s 1\n" % TOKEN.encode()


def reason(output: bytes, status: int = 0) -> str:
    """Why is this none? Empty where it is one."""
    try:
        answer.check(output, status, TOKEN, 1, "web1")
    except NotReached as problem:
        return problem.reason
    return ""


@pytest.mark.parametrize(
    ("output", "status", "expected"),
    [
        (WHOLE, 0, ""),
        (b"motd\n" + WHOLE + b"bye\n", 0, ""),
        (WHOLE, 1, "not-our-output"),
        (WHOLE, 126, "not-our-output"),
        (WHOLE, 255, "not-our-output"),
        (WHOLE, -1, "not-our-output"),
        (b"", 0, "not-our-output"),
        (b"menu\n", 0, "not-our-output"),
        (WHOLE.replace(TOKEN.encode(), b"f" * 16), 0, "not-our-output"),
        (b"This account is currently not available.\n", 1, "no-command"),
        (b"motd\nThis account is currently not available.\n", 1, "no-command"),
        (b"This account is currently not available.\n", 0, "not-our-output"),
        (BODY, 0, "cut-off"),
        (WHOLE.replace(b" 1\n", b" 2\n"), 0, "cut-off"),
    ],
)
def test_check(output: bytes, status: int, expected: str) -> None:
    """Only the whole answer with exit status 0 counts."""
    assert expected == reason(output, status)


@pytest.mark.parametrize(
    ("told", "output", "expected"),
    [
        ("fell-silent", b"", "command-timed-out"),
        ("fell-silent", b"\n\n\n", "command-timed-out"),
        ("fell-silent", BODY, "command-timed-out"),
        ("fell-silent", b"1) status\n> ", "not-our-output"),
        ("command-timed-out", b"1) status\n> ", "command-timed-out"),
        ("no-answer", b"1) status\n> ", "no-answer"),
    ],
)
def test_silenced(told: str, output: bytes, expected: str) -> None:
    """Who printed something else than our script does, and then nothing, ran something else."""
    problem = answer.silenced(NotReached(told, "it printed no line.", output=output), TOKEN)  # type: ignore[arg-type]
    assert expected == problem.reason
    assert problem.message.startswith("it printed no line.")


@given(at=st.integers(0, len(WHOLE) - 1), status=st.sampled_from([0, 1, 255]))
def test_cut_anywhere(at: int, status: int) -> None:
    """An answer that lacks its last bytes, however few, is none."""
    assert reason(WHOLE[:at], status) in {"cut-off", "not-our-output"}


@given(output=st.binary(max_size=200), status=st.integers(0, 2**32 - 1))
def test_anything(output: bytes, status: int) -> None:
    """What does not know the run's token is no answer."""
    assert reason(output, status) in {"not-our-output", "no-command"}


@pytest.mark.parametrize(
    ("clock", "words"),
    [("100000", ""), ("100029", ""), ("100131", "31 s ahead of"), ("99900", "100 s behind"), ("", ""), ("soon", "")],
)
def test_clock(clock: str, words: str) -> None:
    """A clock that is off by more than half a minute is told, with the least by which it is off."""
    frames = {"identity": Frame(text=f"web1\n0\nboot\ndebian\n\nnone\n{clock}\n", status=0)}
    (said,) = answer.notes(WHOLE, TOKEN, frames, (100000.0, 100100.0)) if words else ("",)
    assert words in said
    assert bool(words) == bool([*answer.notes(WHOLE, TOKEN, frames, (100000.0, 100100.0))])


def test_noise() -> None:
    """What stands before the answer is told, escaped and short."""
    (said,) = answer.notes(b"\x1b[2J" + b"x" * 999 + WHOLE, TOKEN, {}, (0.0, 0.0))
    assert (True, True, True) == (said.isprintable(), "\\x1b[2J" in said, len(said) < 200)
