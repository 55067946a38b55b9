"""What known_hosts says of a key."""

from __future__ import annotations

import base64
import hmac
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from bench import inventories
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


LINES, HOSTS = 10_000, 100


@pytest.mark.parametrize("hashed", [False, True])
def test_few_hashes_for_many_lines(monkeypatch: pytest.MonkeyPatch, *, hashed: bool) -> None:
    """A hundred hosts and ten thousand lines: a hash a host where names are hashed, none where they are plain."""
    table = known_hosts.parse(inventories.host_keys(LINES, hashed=hashed, kinds=3))
    made: list[object] = []
    real = hmac.digest
    monkeypatch.setattr(hmac, "digest", lambda *words: made.append(words) or real(*words))
    for number in range(HOSTS):
        name = f"h{number * 33}.example.com"
        kinds = known_hosts.key_types([table], name)
        assert kinds == (("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa") if hashed else tuple(dict.fromkeys(kinds)))
        assert "known" == known_hosts.judge([table], name, 22, inventories.key(number * 99)).verdict
    assert len(made) == (HOSTS if hashed else 0)


def test_a_name_is_hashed_once_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shown key is nobody's all lines are hashed, once; then it is known which types the host has."""
    table = known_hosts.parse(inventories.host_keys(LINES, hashed=True, kinds=3))
    made: list[object] = []
    real = hmac.digest
    assert known_hosts.guessed([table], "h7.example.com")
    monkeypatch.setattr(hmac, "digest", lambda *words: made.append(words) or real(*words))
    for _ in range(2):
        found = known_hosts.judge([table], "h7.example.com", 22, b"other")
        assert ("changed", 3) == (found.verdict, len(found.others))
    assert len(made) == LINES
    assert not known_hosts.guessed([table], "h7.example.com")
    assert ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256") == known_hosts.key_types([table], "h7.example.com")


def test_the_most_frequent_type_is_guessed() -> None:
    """It is known for most hosts; a short file is looked through instead."""
    text = inventories.host_keys(LINES, hashed=True, kinds=1)
    more = "".join(line.replace("ssh-ed25519", "ssh-rsa") for line in text.splitlines(keepends=True)[:7000])
    assert ("ssh-ed25519", "ssh-rsa") == known_hosts.key_types([known_hosts.parse(text + more)], "h1.example.com")
    assert ("ssh-rsa", "ssh-ed25519") == known_hosts.key_types([known_hosts.parse(text[:500] + more)], "x.example.com")
    short = "".join(text.splitlines(keepends=True)[: known_hosts.FEW])
    assert () == known_hosts.key_types([known_hosts.parse(short)], "x.example.com")


def test_a_key_that_is_written_in_another_way() -> None:
    """Base64 leaves bits over, which a line may have set: the key is the same."""
    line = f"{next(iter(known_hosts.read(str(FILE)).hashed)).names} ssh-ed25519 "
    assert base64.b64decode("b2RkbHl=") == base64.b64decode("b2RkbHk=") == b"oddly"
    table = known_hosts.parse(line + "b2RkbHl=")
    assert "known" == known_hosts.judge([table], "hashed.example.com", 22, b"oddly").verdict
