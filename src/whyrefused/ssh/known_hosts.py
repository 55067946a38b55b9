"""Which host keys does this machine know? Reads known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

Keys stay encoded until they are compared. Plain names are found by a dict; patterns and hashed names by walking, the
latter only when nothing plain gave the answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Verdict = Literal["known", "unknown", "changed", "revoked"]

_MARKERS = ("@cert-authority", "@revoked")
_FIELDS = 3  # names, key type, key


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a known_hosts file."""

    names: str  # as written: a list with commas, or one hashed name
    kind: str  # ssh-ed25519, ssh-rsa …
    encoded: str  # the key, base64
    marker: str  # "", "@cert-authority" or "@revoked"
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where does it stand? FILE:LINE."""
        return f"{self.file}:{self.line}"

    @property
    def blob(self) -> bytes:
        """What is the key, as it travels? Empty if the line is damaged."""
        try:
            return base64.b64decode(self.encoded, validate=True)
        except (binascii.Error, ValueError):
            return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file, ready for lookups."""

    plain: Mapping[str, tuple[Entry, ...]]  # by lower-case name as written, `[name]:port` included
    patterns: tuple[Entry, ...]  # with *, ? or !
    hashed: tuple[Entry, ...]
    marked: tuple[Entry, ...]  # @revoked and @cert-authority, however they name their hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What known_hosts says about one key of one host."""

    verdict: Verdict
    entry: Entry | None = None  # the line that decided, for known and revoked
    others: tuple[Entry, ...] = ()  # the lines that name this host with another key
    authorities: tuple[Entry, ...] = ()  # @cert-authority lines for this host


def fingerprint(blob: bytes) -> str:
    """How does OpenSSH show this key? SHA256:…, without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def lookup_name(host: str, port: int) -> str:
    """Under which name is a host on this port kept? The bare name on port 22, else `[name]:port`."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"  # noqa: PLR2004 - SSH's own port


def parse(text: str, file: str = "") -> Table:
    """What does this file hold? Lines that are no entries are passed over, as OpenSSH does."""
    plain: dict[str, list[Entry]] = {}
    patterns: list[Entry] = []
    hashed: list[Entry] = []
    marked: list[Entry] = []
    for entry in _entries(text, file):
        if entry.marker:
            marked.append(entry)
        elif entry.names.startswith("|"):
            hashed.append(entry)
        elif any(c in entry.names for c in "*?!"):
            patterns.append(entry)
        else:
            for name in entry.names.lower().split(","):
                plain.setdefault(name, []).append(entry)
    return Table(
        plain={name: tuple(found) for name, found in plain.items()},
        patterns=tuple(patterns),
        hashed=tuple(hashed),
        marked=tuple(marked),
    )


def _entries(text: str, file: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split(None, 4)
        marker = fields.pop(0) if fields and fields[0] in _MARKERS else ""
        if len(fields) < _FIELDS or fields[0][0] in "#@":
            continue
        yield Entry(names=fields[0], kind=fields[1], encoded=fields[2], marker=marker, file=file, line=number)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    # OpenSSH knows no bracket expressions: `[host]:port` is literal.
    return re.compile(translate(glob.replace("[", "[[]")))


def _hash_matches(names: str, name: str) -> bool:
    parts = names.split("|")  # |1|salt|hash: HMAC-SHA1 of the name, keyed by the salt
    if len(parts) != 4 or parts[1] != "1":  # noqa: PLR2004 - the two that were just named, and two empty ones
        return False
    try:
        salt, wanted = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode("utf-8", "surrogateescape"), "sha1"), wanted)


def matches(names: str, name: str) -> bool:
    """Does this list of names, patterns and negations, or hashed name, mean this host?"""
    if names.startswith("|"):
        return _hash_matches(names, name)
    found = False
    for part in names.lower().split(","):
        if not part:
            continue
        if part.startswith("!"):
            if _pattern(part[1:]).match(name):
                return False
        elif part == name or _pattern(part).match(name):
            found = True
    return found


def candidates(tables: Iterable[Table], name: str) -> tuple[Entry, ...]:
    """Which unmarked lines name this host? Hashed lines count only when no other does."""
    tables = tuple(tables)
    clear = tuple(
        entry
        for table in tables
        for entry in (*table.plain.get(name, ()), *(e for e in table.patterns if matches(e.names, name)))
    )
    return clear or _hashed(tables, name)


def _hashed(tables: Iterable[Table], name: str) -> tuple[Entry, ...]:
    return tuple(e for table in tables for e in table.hashed if _hash_matches(e.names, name))


def key_types(tables: Iterable[Table], name: str) -> tuple[str, ...]:
    """Which types of key are known for this host? To be offered first, so that the known key is the one shown."""
    return tuple(dict.fromkeys(entry.kind for entry in candidates(tables, name)))


def judge(tables: Iterable[Table], host: str, port: int, blob: bytes, *, alias: str | None = None) -> Judgement:
    """Is this the key of this host? With an alias the port does not count, as in OpenSSH."""
    tables = tuple(tables)
    name = alias.lower() if alias else lookup_name(host, port)
    names = {name, host.lower()} if not alias else {name}
    marked = [e for table in tables for e in table.marked if any(matches(e.names, n) for n in names)]
    for entry in marked:
        if entry.marker == "@revoked" and entry.blob == blob:
            return Judgement(verdict="revoked", entry=entry)
    authorities = tuple(e for e in marked if e.marker == "@cert-authority")
    others = candidates(tables, name)
    found = _same(others, blob) or _same(_hashed(tables, name), blob)
    if found is None and not others and not alias and port != 22:  # noqa: PLR2004 - SSH's own port
        # ssh(1) accepts the bare name's key on another port, but never calls it changed there.
        found = _same(candidates(tables, host.lower()), blob) or _same(_hashed(tables, host.lower()), blob)
    if found is not None:
        return Judgement(verdict="known", entry=found, authorities=authorities)
    return Judgement(verdict="changed" if others else "unknown", others=others, authorities=authorities)


def _same(entries: Iterable[Entry], blob: bytes) -> Entry | None:
    return next((entry for entry in entries if entry.blob == blob), None)


_cache: dict[tuple[str, int, int], Table] = {}
_cache_lock = threading.Lock()


def read(file: str) -> Table:
    """What does this file hold now? Read once a process as long as its time and size stay. Raises OSError."""
    path = Path(file)
    status = path.stat()
    key = (file, status.st_mtime_ns, status.st_size)
    with _cache_lock:
        table = _cache.get(key)
        if table is None:
            table = _cache[key] = parse(path.read_text("utf-8", "surrogateescape"), file)
    return table
