"""What known_hosts says of a key."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whyrefused.ssh import known_hosts

DATA = Path(__file__).parent / "data" / "ssh"
FILE = DATA / "known_hosts"
CASES = json.loads((DATA / "judgements.json").read_text())


def key(letter: str) -> bytes:
    """Make the key that the data file calls by this letter."""
    return struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + letter.encode() * 32


@pytest.mark.parametrize(("host", "port", "letter", "verdict", "why"), CASES, ids=[case[-1] for case in CASES])
def test_judge(host: str, port: int, letter: str, verdict: str, why: str) -> None:
    """Each case of the data file gets its verdict."""
    table = known_hosts.read(str(FILE))
    assert verdict == known_hosts.judge([table], host, port, key(letter)).verdict, why


@pytest.mark.parametrize(
    "host",
    ["plain.example.com", "[plain.example.com]:2222", "a.wild.example.com", "hashed.example.com", "x.example.com"],
)
def test_agrees_with_ssh_keygen(host: str) -> None:
    """OpenSSH finds the same lines for a name."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen on this machine")
    done = subprocess.run(["ssh-keygen", "-F", host, "-f", FILE], capture_output=True, text=True, check=False)
    theirs = {line.split()[2] for line in done.stdout.splitlines() if not line.startswith(("#", "@"))}
    ours = {entry.encoded for entry in known_hosts.candidates([known_hosts.read(str(FILE))], host)}
    assert theirs == ours


def test_an_alias_is_taken_as_it_is() -> None:
    """With HostKeyAlias neither the port nor the dialled name counts."""
    table = known_hosts.read(str(FILE))
    assert "known" == known_hosts.judge([table], "x", 2222, key("A"), alias="plain.example.com").verdict
    assert "unknown" == known_hosts.judge([table], "plain.example.com", 22, key("A"), alias="y").verdict


def test_a_hashed_line_saves_a_changed_one() -> None:
    """A plain line with another key does not hide a hashed line with the right one."""
    hashed = next(e for e in known_hosts.read(str(FILE)).hashed)
    plain = base64.b64encode(key("A")).decode()
    text = f"{hashed.names} ssh-ed25519 {hashed.encoded}\nhashed.example.com ssh-ed25519 {plain}\n"
    assert "known" == known_hosts.judge([known_hosts.parse(text)], "hashed.example.com", 22, key("D")).verdict


def test_the_line_is_named() -> None:
    """A changed key comes with the lines that hold the old one."""
    found = known_hosts.judge([known_hosts.read(str(FILE))], "plain.example.com", 22, key("B"))
    assert [f"{FILE}:2"] == [entry.place for entry in found.others]


def test_key_types() -> None:
    """The types that are known for a host are those to ask for first."""
    text = "h ssh-rsa AAAA\nh ecdsa-sha2-nistp256 AAAA\nother ssh-ed25519 AAAA\nh ssh-rsa BBBB\n"
    assert ("ssh-rsa", "ecdsa-sha2-nistp256") == known_hosts.key_types([known_hosts.parse(text)], "h")


def test_read_again_when_it_changes(tmp_path: Path) -> None:
    """A file is parsed once, and again after it was written."""
    file = tmp_path / "known_hosts"
    file.write_text("a ssh-rsa AAAA\n")
    first = known_hosts.read(str(file))
    assert first is known_hosts.read(str(file))
    file.write_text("b ssh-rsa AAAABBBB\n")
    assert ["b"] == list(known_hosts.read(str(file)).plain)


def test_fingerprint() -> None:
    """It is shown as OpenSSH shows it."""
    assert "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" == known_hosts.fingerprint(b"")


@given(st.text(), st.text(min_size=1), st.binary(max_size=40))
@example("@revoked", "h", b"")
@example("|1||| x y", "h", b"")
@example("|1|=|=|=", "|1|=|=|=", b"")
@example("[!-]*[ x AAAA", "[", b"")
def test_any_text(text: str, host: str, blob: bytes) -> None:
    """No file breaks it, and no file makes a key known whose encoding does not stand in it."""
    table = known_hosts.parse(text)
    verdict = known_hosts.judge([table], host, 22, blob).verdict
    assert verdict in ("unknown", "changed") or base64.b64encode(blob).decode() in text


@given(
    st.from_regex(r"[a-z0-9*?!\[\],.:-]{1,40}", fullmatch=True), st.from_regex(r"[a-z0-9.\[\]:-]{1,20}", fullmatch=True)
)
def test_negation_wins(names: str, host: str) -> None:
    """A name that is negated is never matched, whatever else the list says."""
    assert not known_hosts.matches(f"{names},!{host}", host)


def test_ten_thousand_lines() -> None:
    """Ten thousand lines, plain and hashed, are read and searched in well under a second each."""
    encoded = base64.b64encode(key("A")).decode()
    hashed = known_hosts.read(str(FILE)).hashed[0].names
    text = "".join(f"h{n}.example.com ssh-ed25519 {encoded}\n{hashed} ssh-ed25519 {encoded}\n" for n in range(10_000))
    began = time.process_time()
    table = known_hosts.parse(text)
    assert "known" == known_hosts.judge([table], "h9999.example.com", 22, key("A")).verdict
    assert "unknown" == known_hosts.judge([table], "x.example.com", 22, key("A")).verdict
    assert time.process_time() - began < 1.0
