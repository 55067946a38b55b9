"""No credential is kept, and nothing else is lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.redact import STRUCK, redact

CASES = yaml.safe_load((Path(__file__).parent / "data/redact/cases.yml").read_text())
RECORDED = sorted((Path(__file__).parent / "data/probes").glob("*/*.txt"))
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


@given(st.text(max_size=300))
def test_twice(text: str) -> None:
    """What was redacted stays as it is."""
    assert redact(text) == redact(redact(text))


@pytest.mark.parametrize("path", RECORDED, ids=[path.parent.name + "-" + path.stem for path in RECORDED])
def test_evidence_stays(path: Path) -> None:
    """What real hosts said without a secret is kept as it is; what their own script struck out stays struck out."""
    text = path.read_text(errors="surrogateescape")
    assert text == redact(text)


@pytest.mark.parametrize(
    "piece",
    ["://", "@", "://@", "password=", "password='", 'password="a', "token:   ", "-----BEGIN PRIVATE KEY-----",
     "-----BEGIN ", "-----BEGIN A PRIVATE KEY-----\n-----END A PRIVATE KEY-----", "secret" * 9 + " ", "\n"],
)  # fmt: skip
def test_linear_time(piece: str) -> None:
    """A megabyte made to be slow takes no longer than any other."""
    start = time.process_time()
    redact(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 3
