"""What do we log in with? Key files, certificates and agent keys, in the order in which they are offered.

Order: the connection's own key file, then what the agent holds (the configured keys first), then the other files. A
key goes with its certificate before it goes alone. Encrypted files are offered only if the agent holds their key.
"""

from __future__ import annotations

import base64
import copy
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import PublicBlob, UnknownKeyType

from whyrefused.ssh import agent
from whyrefused.ssh.known_hosts import fingerprint
from whyrefused.ssh.records import NotReached, check_key_file, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.ssh.config import Target

MOST = 5
"""Keys offered in one login: sshd's MaxAuthTries is 6 by default, and one try is left for the password."""

_CERTIFICATE = "-cert-v01@openssh.com"
_NUMBERS = {"ssh-ed25519": 1, "ssh-rsa": 2}  # fields of the key proper; the ECDSA types have two
_USABLE = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-")  # without a touch, and still in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One key to try."""

    key: paramiko.PKey | agent.AgentKey
    blob: bytes  # as it is sent
    source: str  # for messages: the file, or the agent

    def __str__(self) -> str:
        kind = _kind(self.blob).removesuffix(_CERTIFICATE)
        if not _kind(self.blob).endswith(_CERTIFICATE):
            return f"{kind} {fingerprint(plain(self.blob))} ({self.source})"
        return f"{kind} certificate {fingerprint(plain(self.blob))} ({self.source}{_over(self.blob)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """All there is to try, and what was left out."""

    keys: tuple[Offer, ...]
    skipped: tuple[str, ...] = ()  # one clause each


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    keys: tuple[Offer, ...] = ()
    public: bytes = b""  # the plain public key, also of a file that could not be used
    skipped: str = ""


def offers(target: Target, seconds: float) -> Offers:
    """What is there to log in with? Raises NotReached (local) when the connection's own key file is unreadable."""
    if not target.keys_allowed:
        return Offers(keys=(), skipped=("public keys are switched off (PubkeyAuthentication no)",))
    if target.key_file and (problem := check_key_file(target.key_file)):
        raise NotReached("local", f"{target.place}: {problem}")
    own = [_load(target.key_file)] if target.key_file else []
    files = [_load(path) for path in dict.fromkeys(target.identity_files)]
    certified = _certified(target, [*own, *files])
    held, problem = _held(target, {file.public for file in (*own, *files)}, seconds)
    found = (*_keys(own), *certified, *held, *_keys(files))
    unique = tuple({offer.blob: offer for offer in reversed(found)}.values())[::-1]
    offered = {plain(offer.blob) for offer in unique}
    skipped = [file.skipped for file in (*own, *files) if file.skipped and file.public not in offered]
    return Offers(keys=unique[:MOST], skipped=tuple(filter(None, (*skipped, problem))))


def _keys(files: Iterable[_File]) -> Iterator[Offer]:
    return (offer for file in files for offer in file.keys)


def _certified(target: Target, files: Iterable[_File]) -> Iterator[Offer]:
    loaded = [offer for offer in _keys(files) if isinstance(offer.key, paramiko.PKey)]
    for path in target.certificate_files:
        try:
            blob = PublicBlob.from_file(path)
        except (OSError, ValueError, paramiko.SSHException):
            continue
        for offer in loaded:
            if offer.blob == plain(blob.key_blob):
                key = copy.copy(offer.key)
                key.public_blob = blob
                yield Offer(key=key, blob=blob.key_blob, source=shown(path))


def _held(target: Target, wanted: set[bytes], seconds: float) -> tuple[tuple[Offer, ...], str]:
    if target.agent is None:
        return (), ""
    try:
        held = [key for key in agent.keys(target.agent, seconds) if key.get_name().startswith(_USABLE)]
    except agent.AgentFailed as problem:
        return (), str(problem)
    found = [Offer(key=key, blob=key.blob, source=f"agent, {key.comment}") for key in held]
    first = [offer for offer in found if plain(offer.blob) in wanted]
    rest = [] if target.identities_only else [offer for offer in found if plain(offer.blob) not in wanted]
    return (*first, *rest), ""


def plain(blob: bytes) -> bytes:
    """Which public key is in this key or certificate?"""
    kind = _kind(blob)
    if not kind.endswith(_CERTIFICATE):
        return blob
    message = paramiko.Message(blob)
    message.get_binary()
    message.get_binary()  # the nonce
    bare = kind.removesuffix(_CERTIFICATE)
    made = paramiko.Message()
    made.add_string(bare)
    for _ in range(_NUMBERS.get(bare, 2)):
        made.add_string(message.get_binary())
    return made.asbytes()


def _over(blob: bytes) -> str:
    """Since when is this certificate not valid any more? Fields: PROTOCOL.certkeys of OpenSSH."""
    message = paramiko.Message(blob)
    for _ in range(2 + _NUMBERS.get(_kind(blob).removesuffix(_CERTIFICATE), 2)):
        message.get_binary()  # type, nonce, and the key
    message.get_int64(), message.get_int(), message.get_binary(), message.get_binary()  # serial, type, name, principals
    message.get_int64()  # valid from
    before = message.get_int64()
    return f", expired on {time.strftime('%Y-%m-%d', time.gmtime(before))}" if before < time.time() else ""


def _kind(blob: bytes) -> str:
    return paramiko.Message(blob).get_binary().decode("ascii", "replace")


_cache: dict[tuple[object, ...], _File] = {}
_cache_lock = threading.Lock()


def _load(path: str) -> _File:
    """Which keys does this file give? Read and decoded once a process as long as it stays as it is."""
    state = (path, *(_state(path + suffix) for suffix in ("", "-cert.pub", ".pub")))
    with _cache_lock:
        if state not in _cache:
            _cache[state] = _read(path)
        return _cache[state]


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: str) -> _File:
    source = shown(path)
    try:
        key = paramiko.PKey.from_path(path)
    except FileNotFoundError:
        return _File(public=_public(path))
    except OSError as error:
        return _File(public=_public(path), skipped=f"{source} cannot be read ({error.strerror})")
    except (TypeError, paramiko.PasswordRequiredException):
        # cryptography says TypeError for a key that wants a password.
        return _File(public=_public(path), skipped=f"{source} is encrypted and the agent does not hold it")
    except (ValueError, UnsupportedAlgorithm, UnknownKeyType, paramiko.SSHException):
        return _File(public=_public(path), skipped=f"{source} is not a private key that this client can use")
    alone = copy.copy(key)
    alone.public_blob = None
    found = [Offer(key=alone, blob=alone.asbytes(), source=source)]
    if key.public_blob is not None:
        found.insert(0, Offer(key=key, blob=key.public_blob.key_blob, source=f"{source}-cert.pub"))
    return _File(keys=tuple(found), public=alone.asbytes())


def _public(path: str) -> bytes:
    # An identity file may also be the public half alone, naming a key of the agent (ssh_config(5), IdentityFile).
    for name in (f"{path}.pub", path):
        try:
            return base64.b64decode(Path(name).read_text("ascii").split()[1], validate=True)
        except (OSError, ValueError, IndexError):
            continue
    return b""
