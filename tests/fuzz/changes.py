"""What is an input changed to? A few random changes of one that is known, or a piece of another in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

WORD = re.compile(rb"[^\s=:,()\[\]{}\"']+")
PIECES = (
    b"", b"\n", b"\t", b" ", b"\0", b"\xff", b"\xed\xb2\x80", b"0", b"-1", b"65536", b"9" * 20, b"9" * 5000,
    b"\xc2\xb2", b".", b"/", b"/99", b"::", b"0.0.0.0/0", b"%", b"@", b"://", b"!", b"-", b"*", b"{", b"}", b"[", b"]",
    b"[" * 3000, b'{"a":' * 3000, b'"', b"'", b"\\", b"\\u0000", b"null", b"true", b"1e999", b"NaN", b"&a", b"*a",
    b"<<: ", b"!!python/name:x", b"{{ x }}", b"{% x %}", b"$ANSIBLE_VAULT", b"\x1b[2J", b"\xe2\x80\xae", b"TOKEN",
    b"BEGIN TOKEN nft 3\n", b"END TOKEN nft\n", b"COMMIT\n", b"-A INPUT ", b"password=", b"-----BEGIN PRIVATE KEY-----",
)  # fmt: skip


def changed(chance: random.Random, fed: Sequence[bytes]) -> bytes:
    """Which input is next?"""
    data = chance.choice(fed)
    for _ in range(chance.randint(1, 6)):
        data = chance.choice(CHANGES)(chance, data, fed)
    return data


def _words(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Put pieces in the place of some words."""
    share = chance.choice((0.01, 0.1, 0.5))
    del fed
    return WORD.sub(lambda found: chance.choice(PIECES) if chance.random() < share else found[0], data)


def _swapped(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Put some words in the place of others."""
    words = WORD.findall(chance.choice(fed)) or [b"x"]
    share = chance.choice((0.01, 0.1, 0.5))
    return WORD.sub(lambda found: chance.choice(words) if chance.random() < share else found[0], data)


def _lines(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Lose, repeat or exchange lines."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    other = chance.choice(chance.choice(fed).split(b"\n"))
    lines[at : at + 1] = chance.choice(([], [lines[at]] * 3, [other], [lines[at], other], [chance.choice(PIECES)]))
    return b"\n".join(lines)


def _cut(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Lose a part, or the end."""
    del fed
    start, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:start] + chance.choice((b"", data[end:], data[start:end] + data[start:]))


def _put(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Put a piece somewhere."""
    del fed
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(PIECES) * chance.choice((1, 1, 1, 30)) + data[at:]


def _bytes(chance: random.Random, data: bytes, fed: Sequence[bytes]) -> bytes:
    """Change single bytes."""
    del fed
    made = bytearray(data or b"x")
    for _ in range(chance.randint(1, 8)):
        made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made)


CHANGES = (_words, _swapped, _lines, _cut, _put, _bytes)
