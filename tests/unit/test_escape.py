"""Does text from outside stay text, for eyes, JSON and terminals?"""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.escape import plain, slug, terminal, visible

ANY = st.text(st.characters(exclude_categories=()))
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_all_that_cannot_be_seen_is_named() -> None:
    """Of all characters, those of the invisible categories are shown as escapes, but for newline and tab."""
    unseen = {
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in UNSEEN and character not in "\n\t"
    }
    assert set() == {character for character in unseen if visible(character) == character}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nginx: [emerg] bind() to 0.0.0.0:80", "nginx: [emerg] bind() to 0.0.0.0:80"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r", "a\\x0d"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202efdp", "\\u202efdp"),
        ("\udc80\udcff", "\\x80\\xff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("höst → ✓ 主机 🙂", "höst → ✓ 主机 🙂"),
        ("one\n\ttwo", "one\n\ttwo"),
    ],
)
def test_visible_forms(text: str, shown: str) -> None:
    """Control characters are shown, everything readable stays."""
    assert shown == visible(text)


@given(ANY)
def test_visible_is_done_after_one_pass(text: str) -> None:
    """What is visible stays as it is."""
    assert visible(text) == visible(visible(text))


@given(ANY)
def test_a_terminal_gets_no_control_character_but_newline(text: str) -> None:
    """No C0, DEL, C1, bidi character or surrogate is left, and the lines stay lines."""
    sent = terminal(text)
    assert [] == re.findall(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", sent
    )
    assert text.count("\n") == sent.count("\n")


@given(ANY)
def test_plain_text_is_unicode(text: str) -> None:
    """Every plain text has UTF-8 bytes, and a text that already had them is left alone."""
    plain(text).encode("utf-8", "strict")
    if not re.search("[\ud800-\udfff]", text):
        assert text == plain(text)


@given(ANY)
def test_slugs_are_anchors(text: str) -> None:
    """Whatever the id, its anchor is a plain word."""
    assert re.fullmatch("item-[0-9a-f]{12}", slug("item", text))
