"""How does text from outside reach a reader without doing anything but being read?

Every field that a host, an inventory or another test can fill goes through here: `visible` for people, `plain` for
JSON, `terminal` for a terminal, `slug` for what becomes an anchor. HTML's own characters are the template's business:
its autoescaping holds for text and for quoted attributes alike, and no outside text stands anywhere else.
"""

from __future__ import annotations

import hashlib
import re

INVISIBLE = re.compile(
    "["
    # C0 but tab and newline, DEL, C1, soft hyphen
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad"
    # Unicode's format characters (Cf): the bidi controls, zero widths and the byte order mark among them
    "\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2\\u180e\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\U000110bd\\U000110cd\\U00013430-\\U0001343f"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0001\\U000e0020-\\U000e007f"
    # line and paragraph separator; letters that are drawn as nothing (Hangul fillers); surrogates
    "\\u2028\\u2029\\u115f\\u1160\\u3164\\uffa0\\ud800-\\udfff"
    "]"
)
SURROGATE = re.compile("[\\ud800-\\udfff]")


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character.isascii() or "\udc80" <= character <= "\udcff":  # the latter: a byte that was not UTF-8 (PEP 383)
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("ascii", "backslashreplace").decode()


def visible(text: str) -> str:
    r"""What does a reader see, with nothing hidden? Newline and tab stay, all else unseen is named.

    >>> print(visible("a\x1b[2Jb\u202ec\udcff"))
    a\x1b[2Jb\u202ec\xff
    """
    return INVISIBLE.sub(_shown, text)


def plain(text: str) -> str:
    r"""Which text can every JSON reader take? Lone surrogates are no Unicode; JSON itself escapes the rest.

    >>> print(plain("caf\udce9"))
    caf\xe9
    """
    return SURROGATE.sub(_shown, text)


def terminal(text: str) -> str:
    r"""What may a terminal be sent? Of the control characters only newline; a tab becomes four spaces.

    >>> print(terminal("\x1b]0;owned\x07"))
    \x1b]0;owned\x07
    """
    return visible(text).replace("\t", "    ")


def slug(kind: str, text: str) -> str:
    """Which anchor does this id have? The same in every run, and harmless whatever the id holds.

    >>> slug("item", "checks/test_ports.py::test_listens[web1-443/tcp]")
    'item-9c5dfea3ae15'
    """
    return f"{kind}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
