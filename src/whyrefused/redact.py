"""Secrets out of text, before anything is stored or shown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STRUCK = "***"

# user:password@ of a URL, up to the last @ before the path ends; a word after password=, token: and their like.
URL = re.compile(r"(?<=://)[^\s/?#]{1,4096}@")
WORD = re.compile(
    r"((?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)[\"']?\s{0,3}[=:]\s{0,3})"
    r"(\"[^\"\n]{1,4096}\"|'[^'\n]{1,4096}'|[^\s\"',;]{1,4096})",
    re.IGNORECASE,
)
KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,65536}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """What may be kept of this text? Credentials are struck out: of URLs, named ones, keys, and the `known` values."""
    for secret in sorted(known, key=len, reverse=True):
        if secret:
            text = text.replace(secret, STRUCK)
    text = KEY.sub(STRUCK, text)
    text = URL.sub(f"{STRUCK}@", text)
    return WORD.sub(rf"\g<1>{STRUCK}", text)
