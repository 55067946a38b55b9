"""Secrets out of text, before anything is stored or shown. Pure."""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Step = tuple[tuple[str, ...], re.Pattern[str], Callable[[re.Match[str]], str]]

STRUCK = "***"
PASSES = 8
"""What is left of a text may be read otherwise than the whole: it is looked at until nothing is struck out any more."""

# Each pattern takes what it looked at, or looks no further than a fixed number of characters: time grows with the text
# only.
VALUE = r"(?!\*\*\*[}\]])(\"[^\"\n]{1,4096}\"|'[^'\n]{1,4096}'|[^\s\"',;]{1,4096})"

NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase|code)?|[_-]pwd|secret|token|credentials?|(?:api|access|account|private|signing)[_-]?key)"
    r"(?:[_-]?(?:key|id|hash|value|base64)){0,3}[\"']?[ \t]{0,40}[=:]\s{0,3}[ \t]{0,40})" + VALUE,
    re.IGNORECASE,
)
"""A word after password=, token: and their like."""

OPTION = re.compile(
    r"(?<![^\s\"'])(-[a-z0-9_-]{0,41}(?:pass(?:word|wd|phrase)?|secret|token|(?:api|access)-?key)"
    r"[\"']?,?\s{1,3})(?![\s-])" + VALUE,
    re.IGNORECASE,
)
"""A word after --password and its like."""

PROGRAMS = (
    (("curl",), r"curl", r"(\s(?:-u|--user)\s{0,3}[\"']?[^\s:\"']{1,256}:)"),
    (("ldap",), r"ldap\w{1,8}", r"(\s-w\s{0,3})(?!-)"),
    (("mysql", "mariadb"), r"(?:mysql|mariadb)\w{0,12}", r"(\s-p)(?!\d+(?:\s|$))"),
    (("redis-cli",), r"redis-cli", r"(\s-a\s{0,3})(?!-)"),
    (("sshpass", "mongo"), r"(?:sshpass|mongo\w{0,8})", r"(\s-p\s{0,3})(?!-)"),
)
"""The letter by which some programs take a password, to the end of the line: the signs, the names, the letter."""

SPOKEN = re.compile(
    r"(\b(?:login\s{1,3}\S{1,256}\s{1,3}password\s{1,3}|(?:requirepass|masterauth)[\s:=]{1,6}|bearer\s{1,3}"
    r"|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:[a-z]{1,12}[ \t]{1,3})?)[\"']?)([^\s\"',;]{1,8192})",
    re.IGNORECASE,
)
"""What follows without a sign: in a .netrc, in redis.conf, in a header of HTTP."""

URL = re.compile(r"(?<=://)[^\s\"<>]+")
"""user:password@ of a URL, up to the last @ of the word: passwords hold / and @ that nobody wrote as %2F and %40."""

PROXY = re.compile(r"((?:https?|ftp|all|no)_proxy[\"']?\s{0,3}[=:]\s{0,3}[\"']?)([^\s\"'<>/]{1,512}@)", re.IGNORECASE)
"""The same of a proxy without a scheme."""

KIND = r"(?:[A-Z0-9]{1,20} ){0,3}"
KEY = re.compile(rf"-----BEGIN {KIND}PRIVATE KEY.*?(?:END {KIND}PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL)

BODY = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+][A-Za-z0-9+/]{63}(?:[A-Za-z0-9+/]{6})?(?![A-Za-z0-9+/])")
"""A full line of a PEM file (RFC 7468) or of one by OpenSSH: of a key whose head was not told. Or a hexadecimal sum."""

TOKEN = re.compile(
    r"(?<![\w-])eyJ[\w-]{5,8192}(?:\.[\w-]{0,8192}){1,4}"  # a signed or sealed JSON object (RFC 7519)
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,124}\b|\bAIza[\w-]{30,100}|\bya29\.[\w-]{20,4096}"
    r"|\bgh[opsur]_\w{20,255}|\bgithub_pat_\w{20,255}|\bglpat-[\w-]{10,255}|\bxox[abeoprs]-[\w-]{10,255}"
    r"|\bsk-[\w-]{20,255}|\bnpm_\w{30,100}|\bpypi-[\w-]{30,512}|\bhvs\.[\w-]{20,512}"
    r"|\$(?:1|2[abxy]|5|6|y|argon2id)\$[\w./$=,+-]{8,512}"  # a password's hash (crypt(5))
)
"""What is known for a secret by its own shape."""


def redact(text: str, known: Iterable[str] = ()) -> str:
    """What may be kept of this text? Credentials are struck out: of URLs, named ones, keys, and the `known` values."""
    return redacted((text,), known)[0]


def redacted(texts: Sequence[str], known: Iterable[str] = ()) -> list[str]:
    """What may be kept of these texts? As of each alone, sooner: what all have together is looked for once."""
    forms = sorted({form for one in known for form in _forms(one)}, key=lambda form: (-len(form), form))
    lowered = "\n".join(texts).lower()
    # What is struck out leaves nothing that was not there before, so no step is missed that comes to be worth a look.
    steps = [step for step in STEPS if any(sign in lowered for sign in step[0])]
    return [_redacted(text, forms, steps) for text in texts]


def _redacted(text: str, forms: Iterable[str], steps: Sequence[Step]) -> str:
    for form in forms:
        text = text.replace(form, STRUCK)
    left = PASSES
    while left and (struck := _struck(text, steps)) != text:
        text, left = struck, left - 1
    return text


def _struck(text: str, steps: Iterable[Step]) -> str:
    lowered = text.lower()
    for signs, pattern, kept in steps:
        if any(sign in lowered for sign in signs):
            text = pattern.sub(kept, text)
    return text


def harmless(environ: Mapping[str, str]) -> dict[str, str]:
    """Which variables may a program have that needs no secret? Those of which nothing is struck out."""
    return {name: value for name, value in environ.items() if redact(told := f"{name}={value}") == told}


def _forms(secret: str) -> Iterator[str]:
    """How may a known secret be written? As it is, in a URL, and in base64 where it is long enough to be told there."""
    if not secret:
        return
    yield secret
    raw = secret.encode("utf-8", "surrogateescape")
    yield quote(raw, safe="")
    yield quote_plus(raw)
    if len(raw) < 8:  # noqa: PLR2004 - what is shorter may stand anywhere by chance
        return
    # Of base64 the characters that no neighbour has a part in: it depends on how many bytes stand before.
    for before, start in enumerate((0, 2, 3)):
        coded = base64.b64encode(bytes(before) + raw)
        yield coded[start : 8 * (before + len(raw)) // 6].decode()


def _after(found: re.Match[str]) -> str:
    return found[1] + STRUCK


def _of_program(letter: re.Pattern[str], found: re.Match[str]) -> str:
    return letter.sub(_after, found[0])


def _unless_a_sum(found: re.Match[str]) -> str:
    words = found[0]
    mixed = any(map(str.isupper, words)) and any(map(str.islower, words)) and any(map(str.isdigit, words))
    return STRUCK if mixed else words


def _without_user(found: re.Match[str]) -> str:
    _, at, host = found[0].rpartition("@")
    return f"{STRUCK}@{host}" if at else host


STEPS: tuple[Step, ...] = (
    (("private key",), KEY, lambda _: STRUCK),
    (("://",), URL, _without_user),
    (("_proxy",), PROXY, lambda found: f"{found[1]}{STRUCK}@"),
    (("password", "requirepass", "masterauth", "authorization", "bearer"), SPOKEN, _after),
    (("pass", "pwd", "secret", "token", "credential", "key"), NAMED, _after),
    (("pass", "secret", "token", "key"), OPTION, _after),
    *(
        (signs, re.compile(rf"\b{names}\b[^\n]+", re.IGNORECASE), partial(_of_program, re.compile(letter + VALUE)))
        for signs, names, letter in PROGRAMS
    ),
    (("",), BODY, _unless_a_sum),
    (
        ("eyj", "akia", "asia", "aroa", "aida", "aiza", "ya29.", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_",
         "glpat-", "xox", "sk-", "npm_", "pypi-", "hvs.", "$1$", "$2", "$5$", "$6$", "$y$", "$argon2id$"),
        TOKEN,
        lambda _: STRUCK,
    ),
)  # fmt: skip
"""In this order: what must stand in the text, in small letters, for a pattern to be worth a look; what it leaves."""
