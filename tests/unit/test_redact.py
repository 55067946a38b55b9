"""No credential is kept, and nothing else is lost."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
import yaml
from fuzz.growth import LINEAR, growth
from hypothesis import example, given
from hypothesis import strategies as st

from whyrefused import redact as module
from whyrefused.redact import BODY, PASSES, STEPS, STRUCK, harmless, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CASES = yaml.safe_load((Path(__file__).parent / "data/redact/cases.yml").read_text())
RECORDED = sorted((Path(__file__).parent / "data/probes").glob("*/*.txt"))
PIECES = (
    "password", "pass", "_pwd", "token", "=", ": ", " ", "\n", "'", '"', "***", "://", "@", "a:b", "--secret", " -p",
    "mysql", "curl", " -u ", "bearer", "login", "requirepass", "authorization", "http_proxy", "eyJhbGci", ".", "AKIA",
    "A1" * 8, "Ab1" * 22, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "$6$", ",", ";", "/",
)  # fmt: skip
"""What the patterns look for."""
SECRET = st.text("abcXYZ019@/?#:%+=.,;'*-_", min_size=8, max_size=40)


@pytest.mark.parametrize("case", CASES, ids=[case["text"][:40] for case in CASES])
def test_case(case: dict[str, str]) -> None:
    """This is what may be kept."""
    assert case["kept"] == redact(case["text"])


@given(SECRET)
def test_url(secret: str) -> None:
    """Whatever characters a password holds, no part of it stays in a URL."""
    assert f"x=http://{STRUCK}@proxy:3128 y" == redact(f"x=http://user:{secret}@proxy:3128 y")


@given(st.text(max_size=60), SECRET, st.text(max_size=60))
def test_known(before: str, secret: str, after: str) -> None:
    """A known secret stays nowhere."""
    assert secret not in redact(before + secret + after, [secret])


@given(secret=SECRET, more=SECRET)
def test_known_within_another(secret: str, more: str) -> None:
    """Where one known secret holds another, no end of the longer one stays."""
    assert f"<{STRUCK}>" == redact(f"<{secret}{more}>", [secret, secret + more, ""])


WRITTEN: Mapping[str, Callable[[str], str]] = {
    "in-a-url": lambda text: quote(text, safe=""),
    "in-a-form": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64-of-a-pair": lambda text: base64.b64encode(f"u:{text}".encode()).decode(),
    "base64-of-more": lambda text: base64.b64encode(f"ab{text}cd".encode()).decode(),
}


@pytest.mark.parametrize("how", WRITTEN)
@given(before=st.text(max_size=20), secret=SECRET)
@example(before="00", secret="00000000")  # noqa: S106 - it stands before it, too
def test_known_otherwise_written(how: str, before: str, secret: str) -> None:
    """A known secret is found in a URL and in base64 too, whatever stands beside it there."""
    written = WRITTEN[how](secret)
    assert written[2:-4] not in redact(f"{before}\n{written}", [secret]).rpartition("\n")[2]


@pytest.mark.parametrize(("before", "start", "end"), [(0, 0, 10), (1, 2, 12), (2, 3, 13), (3, 4, 14)])
def test_known_in_base64(before: int, start: int, end: int) -> None:
    """Just those characters are struck out that nothing but the secret has a part in."""
    coded = base64.b64encode(b"u" * before + b"hunter2!" + b"z" * 4).decode()
    assert coded[:start] + STRUCK + coded[end:] == redact(coded, ["hunter2!"])


def test_known_and_no_text() -> None:
    """A secret may hold bytes that are no text; a short one is not looked for in base64, where it stands by chance."""
    assert f"a{STRUCK}b {STRUCK}" == redact("ahunter\udcff2b hunter%FF2", ["hunter\udcff2"])
    long = "hunter\udcff2"
    coded = base64.b64encode(long.encode("utf-8", "surrogateescape")).decode()
    assert redact(coded, [long]).startswith(STRUCK)
    for secret in ("abc", "hunter2"):
        coded = base64.b64encode(secret.encode()).decode()
        assert coded == redact(coded, [secret])


def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often there is more to strike out, it is looked at a fixed number of times."""
    looks = []

    def more(text: str, _steps: object) -> str:
        looks.append(text)
        assert len(looks) < 99
        return f"{text}x"

    monkeypatch.setattr(module, "_struck", more)
    assert redact("") == "x" * PASSES
    assert len(looks) == PASSES == 8


def test_what_makes_a_pattern_worth_a_look() -> None:
    """Something in small letters must stand in the text; but for a key's bare line, of which nothing is known."""
    signs = [sign for signs, pattern, _ in STEPS if pattern is not BODY for sign in signs]
    assert all(sign and sign == sign.lower() for sign in signs)


def test_harmless() -> None:
    """A program that needs no secret is given no variable that holds one."""
    kept = {"PATH": "/bin", "SSH_AUTH_SOCK": "/tmp/agent", "LC_ALL": "C.UTF-8", "http_proxy": "http://proxy:3128"}  # noqa: S108 - a name
    secret = {
        "CI_JOB_TOKEN": "abc",
        "GIT_URL": "https://oauth2:abc@git/",
        "AWS_SECRET_ACCESS_KEY": "abc",
        "PGPASSWORD": "a",
    }
    assert kept == harmless(kept | secret)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=20).map("".join))
def test_twice(text: str) -> None:
    """What was redacted stays as it is."""
    assert redact(text) == redact(redact(text))


@pytest.mark.parametrize("path", RECORDED, ids=[path.parent.name + "-" + path.stem for path in RECORDED])
def test_evidence_stays(path: Path) -> None:
    """What real hosts said without a secret is kept as it is; what their own script struck out stays struck out."""
    text = path.read_text(errors="surrogateescape")
    assert text == redact(text)


SLOW = (
    "://", "@", "://@", "password=", "password='", 'password="a', "token:   ", "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "-----BEGIN A PRIVATE KEY-----\n-----END A PRIVATE KEY-----", "secret" * 9 + " ", "\n", "--", "--a", " --password",
    "--password ", "mysql ", "mysql -p", "curl -u a", "login a ", "login a password ", "bearer ", "authorization: ",
    "http_proxy=", "http_proxy=a", "eyJ", "eyJaaaaa.", "eyJaaaaa-", "AKIA", "A", "Aa1", "a/", "$6$", "$6$a", "ghp_",
    "pass", "token", "password_", "passkeykey", "requirepass ", "sk-", "sk-a",
)  # fmt: skip


@pytest.mark.parametrize("piece", SLOW)
def test_linear_time(piece: str) -> None:
    """Text made to be slow takes time that grows with its length only, whatever else stands in it."""
    signs = " ".join(sign for signs, _, _ in STEPS for sign in signs)  # so that each pattern is worth a look
    assert growth(redact, lambda size: signs + piece * (size // len(piece))) < LINEAR
