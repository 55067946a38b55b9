"""Which host keys does this machine know? Reads known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

Keys stay encoded until they are compared. Plain names are found by a dict, patterns by walking. A hashed name is only
found by hashing the name once for each line, since each has a salt of its own: a hundred hosts and ten thousand lines
would be a million hashes. So a line is looked for by the key that a host has shown, and all lines are hashed only where
that finds nothing, which is where a host is about to be refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections import Counter
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Verdict = Literal["known", "unknown", "changed", "revoked"]

_MARKERS = ("@cert-authority", "@revoked")
_FIELDS = 3  # names, key type, key
_USUAL = {"ssh-ed25519": 0, "ecdsa-sha2-nistp256": 1, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 3, "ssh-rsa": 4}
"""Which type is taken first of those that are equally frequent?"""
FEW = 500
"""So many lines are hashed before a host is dialled: half a millisecond. Where there are more, see `key_types`."""


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


class Hashes:
    """The hashed lines of one file. What is worked out of them is worked out when it is first needed, and kept."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self._of: dict[str, tuple[Entry, ...]] = {}

    @cached_property
    def kinds(self) -> Counter[str]:
        """Of which types are the keys, and how many of each?"""
        return Counter(entry.kind for entry in self.entries)

    @cached_property
    def _by_key(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.encoded, []).append(entry)
        return found

    @cached_property
    def _salted(self) -> list[tuple[bytes, bytes, Entry]]:
        rows = ((_salt_and_hash(entry.names), entry) for entry in self.entries)
        return [(*row, entry) for row, entry in rows if row]

    def with_key(self, name: str, blob: bytes) -> Entry | None:
        """Which line has this key and means this host? Hashes the lines with the key alone."""
        same = self._by_key.get(base64.b64encode(blob).decode("ascii"), ())
        return next((entry for entry in same if _hash_matches(entry.names, name)), None)

    def known(self, name: str) -> bool:
        """Were all lines hashed for this host before?"""
        return name in self._of

    def of(self, name: str) -> tuple[Entry, ...]:
        """Which lines mean this host? Hashes every line, once a name."""
        if name not in self._of:
            word, digest = _encoded(name), hmac.digest
            self._of[name] = tuple(
                entry for salt, wanted, entry in self._salted if digest(salt, word, "sha1") == wanted
            )
        return self._of[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file, ready for lookups."""

    plain: Mapping[str, tuple[Entry, ...]]  # by lower-case name as written, `[name]:port` included
    patterns: tuple[Entry, ...]  # with *, ? or !
    hashed: tuple[Entry, ...]
    marked: tuple[Entry, ...]  # @revoked and @cert-authority, however they name their hosts
    hashes: Hashes


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
        hashes=Hashes(hashed),
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


def _salt_and_hash(names: str) -> tuple[bytes, bytes] | None:
    parts = names.split("|")  # |1|salt|hash: HMAC-SHA1 of the name, keyed by the salt
    if len(parts) != 4 or parts[1] != "1":  # noqa: PLR2004 - the two that were just named, and two empty ones
        return None
    try:
        return base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return None


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _hash_matches(names: str, name: str) -> bool:
    found = _salt_and_hash(names)
    return found is not None and hmac.digest(found[0], _encoded(name), "sha1") == found[1]


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
    return _clear(tables, name) or _hashed(tables, name)


def _clear(tables: Iterable[Table], name: str) -> tuple[Entry, ...]:
    return tuple(
        entry
        for table in tables
        for entry in (*table.plain.get(name, ()), *(e for e in table.patterns if matches(e.names, name)))
    )


def _hashed(tables: Iterable[Table], name: str) -> tuple[Entry, ...]:
    return tuple(entry for table in tables for entry in table.hashes.of(name))


def key_types(tables: Iterable[Table], name: str) -> tuple[str, ...]:
    """Which types of key are known for this host? To be offered first, so that the known key is the one shown.

    Where only hashed lines could tell, and there are many, it is a guess (`guessed`): the most frequent types first.
    """
    tables = tuple(tables)
    if guessed(tables, name):
        kinds = sum((table.hashes.kinds for table in tables), Counter[str]())
        return tuple(sorted(kinds, key=lambda kind: (-kinds[kind], _USUAL.get(kind, len(_USUAL)))))
    return tuple(dict.fromkeys(entry.kind for entry in candidates(tables, name)))


def guessed(tables: Iterable[Table], name: str) -> bool:
    """Is it too much to find out which types are known for this host, and was it not found out yet?"""
    tables = tuple(tables)
    found_out = all(table.hashes.known(name) for table in tables)
    return not found_out and sum(len(table.hashed) for table in tables) > FEW and not _clear(tables, name)


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
    found = _with_key(tables, name, blob)
    others: tuple[Entry, ...] = ()
    if found is None:
        others = candidates(tables, name)
        if not others and not alias and port != 22:  # noqa: PLR2004 - SSH's own port
            # ssh(1) accepts the bare name's key on another port, but never calls it changed there.
            found = _with_key(tables, host.lower(), blob)
    if found is not None:
        return Judgement(verdict="known", entry=found, authorities=authorities)
    return Judgement(verdict="changed" if others else "unknown", others=others, authorities=authorities)


def _with_key(tables: Iterable[Table], name: str, blob: bytes) -> Entry | None:
    """Which line says that this is the host's key? A plain one before a hashed one."""
    tables = tuple(tables)
    found = next((entry for entry in _clear(tables, name) if entry.blob == blob), None)
    if found is None:
        found = next(filter(None, (table.hashes.with_key(name, blob) for table in tables)), None)
    # A key need not be written as we would write it: base64 leaves bits over.
    return found or next((entry for entry in _hashed(tables, name) if entry.blob == blob), None)


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
