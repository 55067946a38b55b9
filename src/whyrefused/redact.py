"""Secrets out of text, before anything is stored or shown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STRUCK = "***"

# user:password@ of a URL, up to the last @ of the word, for passwords hold / and @ that nobody wrote as %2F and %40; a
# word after password=, token: and their like. Each pattern takes what it looked at, so time grows with the text only.
URL = re.compile(r"(?<=://)[^\s\"<>]+")
WORD = re.compile(
    r"((?:password|passwd|passphrase|secret(?:[_-]?key)?|token|api[_-]?key|access[_-]?key)[\"']?\s{0,3}[=:]\s{0,3})"
    r"(\"[^\"\n]{1,4096}\"|'[^'\n]{1,4096}'|[^\s\"',;]{1,4096})",
    re.IGNORECASE,
)
KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """What may be kept of this text? Credentials are struck out: of URLs, named ones, keys, and the `known` values."""
    for secret in sorted(known, key=len, reverse=True):
        if secret:
            text = text.replace(secret, STRUCK)
    text = KEY.sub(STRUCK, text)
    text = URL.sub(_without_user, text)
    return WORD.sub(rf"\g<1>{STRUCK}", text)


def _without_user(found: re.Match[str]) -> str:
    _, at, host = found[0].rpartition("@")
    return f"{STRUCK}@{host}" if at else host
