"""Inventories as large as a fleet can be, and files of host keys as long."""

from __future__ import annotations

import base64
import hmac
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 50  # hosts
EXPECT = """{services: {nginx: running, ssh: {state: running, enabled: true}}, proxy: none,
          ports: {443/tcp: {service: nginx, allow: [any]}, 22/tcp: {}}, resolves: {db.example.com: [198.51.100.21]}}"""


def yaml(folder: Path, hosts: int) -> str:
    """One YAML file: groups of fifty, each with what it expects, and three variables a host."""
    lines = ["all:", "  children:"]
    for group in range(-(-hosts // GROUP)):
        lines += [f"    g{group}:", "      vars:", f"        expect: {EXPECT}", "      hosts:"]
        lines += [f"        h{number}: {{ansible_host: {address(number)}, ansible_user: admin, rack: r{number % 7}}}"
                  for number in range(group * GROUP, min(hosts, (group + 1) * GROUP))]  # fmt: skip
    return _put(folder / "hosts.yml", "\n".join(lines))


def ini(folder: Path, hosts: int) -> str:
    """The same in INI."""
    lines = ["[all:vars]", "expect={'services': {'nginx': 'running'}, 'ports': {'443/tcp': {'service': 'nginx'}}}"]
    for number in range(hosts):
        lines += [f"[g{number // GROUP}]"] if number % GROUP == 0 else []
        lines.append(f"h{number} ansible_host={address(number)} ansible_user=admin rack=r{number % 7}")
    return _put(folder / "hosts.ini", "\n".join(lines))


def folder(folder: Path, hosts: int) -> str:
    """A folder: names in INI by a range, and a file of variables for each of 200 groups and for 1,000 hosts."""
    lines = [f"[g{group}]\nh[{group * GROUP}:{(group + 1) * GROUP - 1}]" for group in range(hosts // GROUP)]
    _put(folder / "inventory/hosts", "\n".join(lines))
    for group in range(hosts // GROUP):
        _put(folder / f"inventory/group_vars/g{group}.yml", f"ansible_user: admin\nexpect: {EXPECT}\n")
    for number in range(min(hosts, 1000)):
        _put(folder / f"inventory/host_vars/h{number}.yml", f"ansible_host: {address(number)}\nrack: r{number % 7}\n")
    return str(folder / "inventory")


def templates(folder: Path, hosts: int) -> str:
    """The YAML file with a template in what is expected, so that each host's is its own."""
    path = folder / "hosts.yml"
    yaml(folder, hosts)
    return _put(path, path.read_text().replace("[198.51.100.21]", "['{{ ansible_host }}']"))


def address(number: int) -> str:
    """The host's address."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _put(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    return str(path)


def host_keys(lines: int, *, hashed: bool, kinds: int) -> str:
    """A known_hosts of so many lines, a host for each `kinds` of them; each has a key of its own."""
    made = []
    for number in range(lines):
        name, salt = f"h{number // kinds}.example.com", struct.pack(">5I", *[number] * 5)
        if hashed:
            digest = hmac.digest(salt, name.encode(), "sha1")
            name = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
        made.append(f"{name} {('ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256')[number % kinds]} "
                    f"{base64.b64encode(key(number)).decode()}\n")  # fmt: skip
    return "".join(made)


def key(number: int) -> bytes:
    """The key of this line, as it travels."""
    return b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + struct.pack(">8I", *[number] * 8)
