"""Which keys does the SSH agent hold, and what do they sign? The agent protocol (RFC 9987), with a deadline.

paramiko's own client knows only SSH_AUTH_SOCK and waits for ever.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from whyrefused.ssh.records import shown

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_HASH_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}
_LARGEST = 256 * 1024  # what ssh-agent itself takes and gives at most
_CERTIFICATE = "-cert-v01@openssh.com"


class AgentFailed(Exception):  # noqa: N818 - the outcome's own words
    """The agent did not do what it was asked."""


@dataclass(slots=True)
class AgentKey:
    """A key that an agent holds, as paramiko's public key login uses one."""

    agent: str
    blob: bytes
    comment: str
    seconds: float
    public_blob: None = None  # paramiko looks for a certificate here; ours is the blob itself

    def get_name(self) -> str:
        """What type of key is it?"""
        return _string(self.blob)[0].decode("ascii", "replace")

    def asbytes(self) -> bytes:
        """What is offered?"""
        return self.blob

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> bytes:
        """Sign this. Raises AgentFailed."""
        flags = _HASH_FLAGS.get((algorithm or "").removesuffix(_CERTIFICATE), 0)
        request = bytes([_SIGN_REQUEST]) + _packed(self.blob) + _packed(data) + struct.pack(">I", flags)
        answer = _ask(self.agent, request, self.seconds)
        if answer[:1] != bytes([_SIGN_RESPONSE]):
            raise AgentFailed("the agent refused to sign")
        return _string(answer[1:])[0]


def keys(agent: str, seconds: float) -> tuple[AgentKey, ...]:
    """Which keys does it hold, in its order? Raises AgentFailed."""
    answer = _ask(agent, bytes([_REQUEST_IDENTITIES]), seconds)
    if answer[:1] != bytes([_IDENTITIES_ANSWER]):
        raise AgentFailed("the agent does not list its keys")
    rest = answer[5:]
    found = []
    while rest:
        blob, rest = _string(rest)
        comment, rest = _string(rest)
        found.append(AgentKey(agent=agent, blob=blob, comment=shown(comment, 60), seconds=seconds))
    return tuple(found)


def _ask(agent: str, request: bytes, seconds: float) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(seconds)
            line.connect(agent)
            line.sendall(_packed(request))
            (size,) = struct.unpack(">I", _read(line, 4))
            return _read(line, size) if size <= _LARGEST else b""
    except (OSError, ValueError) as error:
        raise AgentFailed(f"the agent at {shown(agent)} did not answer") from error


def _read(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = line.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


def _packed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _string(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        raise AgentFailed("the agent's answer is damaged")
    return data[4 : 4 + size], data[4 + size :]
