"""What can be done to one host of the lab, and what did it see?"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from . import network, place, sshd
from .process import PATIENCE, LabError, run
from .record import HostRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .network import Plan
    from .place import Symptom


class Host:
    """A booted host. What is done here is done as root from outside, not over SSH."""

    def __init__(self, lab: str, plan: Plan, folder: Path, changed: Callable[[], None]) -> None:
        self._lab = lab
        self._plan = plan
        self._folder = folder
        self._changed = changed
        self._record = HostRecord.load(folder)

    def __repr__(self) -> str:
        return f"<{self.name} {self.address}>"

    @property
    def name(self) -> str:
        """What is it called?"""
        return self._record.name

    @property
    def address(self) -> str:
        """Which is its first IPv4 address?"""
        return self._record.addresses[0]

    @property
    def address6(self) -> str:
        """Which is its first IPv6 address?"""
        return self._plan.v6_of(self.address)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Which are all its IPv4 addresses on the lab's network?"""
        return self._record.addresses

    @property
    def addresses6(self) -> tuple[str, ...]:
        """Which are all its IPv6 addresses there?"""
        return tuple(map(self._plan.v6_of, self._record.addresses))

    @property
    def key(self) -> str:
        """Which is its public ssh host key, as in known_hosts?"""
        return self._record.key

    @property
    def differs(self) -> Path:
        """Which folder of this machine has all of the host's root that is not as in the image (overlayfs)?"""
        return self._folder / "upper"

    @property
    def inside(self) -> tuple[str, ...]:
        """Which prefix makes a command of this machine one of the host?"""
        leader = self._record.leader
        if leader is None or not leader.alive:
            raise LabError(f"{self.name} does not run")
        # nsenter(1): mount, UTS, IPC, network, process and cgroup namespaces.
        return ("nsenter", "--target", str(leader.pid), "-m", "-u", "-i", "-n", "-p", "-C", "--")

    def run(self, command: str, *, check: bool = True, stdin: str = "", timeout: float = PATIENCE) -> str:
        """What does this shell command print on the host, as root?"""
        done = run(*self.inside, "/bin/sh", "-c", command, check=check, stdin=stdin, timeout=timeout,
                   env=place.ENVIRONMENT, cwd="/")  # fmt: skip
        return done.stdout

    def succeeds(self, command: str) -> bool:
        """Is the exit status of this shell command 0?"""
        return not run(*self.inside, "/bin/sh", "-c", command, check=False, env=place.ENVIRONMENT, cwd="/").returncode

    def read(self, path: str) -> str:
        """What stands in this file?"""
        return self.run(f"cat -- {shlex.quote(path)}")

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Put this text into a file; its folder is made if it is not there."""
        file = shlex.quote(path)
        self.run(f'mkdir -p -- "$(dirname -- {file})" && cat >{file} && chmod {mode:o} {file}', stdin=text)

    def connect(self, address: str, port: int, timeout: float = 1.5, *, user: str = "root") -> Symptom:
        """What does a plain TCP connect from this host meet? A name goes through the host's own resolver order."""
        return place.connect((*self.inside, "/usr/bin/python3"), address, port, timeout, user)

    def add_address(self, address: str | None = None) -> str:
        """Which address did it get? The next free one of the lab unless one is named, and its IPv6 twin."""
        if address is None:
            (address,) = self._plan.free(self._taken(), 1)
        network.add(self._lab, self._plan, self.name, address)
        self._record = self._record.also_at(address)
        self._record.save(self._folder)
        self._changed()
        return address

    def wire(self, segment: str, address: str) -> None:
        """Give it an interface named like the segment, with ADDRESS/LENGTH, out of the controller's sight."""
        network.wire(self._lab, segment, self.name, self._record.number, address)

    def sshd_log(self) -> tuple[str, ...]:
        """What did its sshd log since boot?"""
        # journalctl(1): --sync returns when all that was logged is readable.
        return tuple(self.run("journalctl --sync; journalctl -q -o cat -t sshd").splitlines())

    def ssh_counts(self) -> sshd.Counts:
        """How many connections and commands did its sshd take since boot?"""
        return sshd.count(self.sshd_log())

    def _taken(self) -> set[str]:
        folders = self._folder.parent.iterdir()
        return {address for folder in folders for address in HostRecord.load(folder).addresses}
