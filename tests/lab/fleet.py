"""Which hosts are there, and who looks at them? A lab: a controller, its hosts, and the files to reach them with."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from . import image, inotify, inventory, machine, network, paths, place, sshd, teardown
from .host import Host
from .network import Plan
from .process import LabError, run
from .record import HostRecord, LabRecord, Process

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .layer import Layer
    from .place import Symptom

BOOTERS = 8
"""Hosts that boot at once; more only wait for the processor."""


class Lab:
    """Some hosts that see each other and a controller, and nothing else. `with Lab("name") as lab:` makes and ends it.

    `keep` leaves it up after this process; `Lab.found` takes hold of it again. `number` chooses its addresses, if left
    out free ones: two labs may have the same, for they never see each other.
    """

    def __init__(self, name: str = "lab", *, keep: bool = False, number: int | None = None) -> None:
        paths.owned(name)
        self._number = number
        self.name = name
        self.keep = keep
        self.hosts: dict[str, Host] = {}
        self.folder: Path = paths.labs() / name
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Lab {self.name}: {' '.join(self.hosts)}>"

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(self, *_: object) -> None:
        if not self.keep:
            self.down()

    def __getitem__(self, host: str) -> Host:
        if host not in self.hosts:
            raise LabError(f"the lab {self.name} has no host {host}: it has {', '.join(self.hosts) or 'none'}")
        return self.hosts[host]

    @classmethod
    def found(cls, name: str = "lab") -> Self:
        """Which lab is up under this name? A LabError when none is."""
        lab = cls(name, keep=True)
        if not (lab.folder / "lab.json").exists():
            raise LabError(f"no lab {name} is up")
        folders = sorted((lab.folder / "hosts").iterdir(), key=lambda folder: HostRecord.load(folder).number)
        lab.hosts = {folder.name: lab._host(folder) for folder in folders}
        return lab

    def up(self) -> Self:
        """Begin the lab: its namespace, its key. One of the same name, and those whose process is gone, end first."""
        with paths.locked("labs"):
            for name in {self.name, *teardown.orphans()} & set(teardown.names()):
                teardown.remove(name)
            (self.folder / "hosts").mkdir(parents=True)
            owner = None if self.keep else Process.of(os.getpid())
            LabRecord(number=_free_number() if self._number is None else self._number, owner=owner).save(self.folder)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.name}", "-f", str(self.key))
        network.controller(self.name, self.plan)
        self._write_ssh_files()
        return self

    def down(self) -> None:
        """End the lab: nothing of it is left on the machine."""
        teardown.end(self.name)
        self.hosts = {}
        with paths.locked("labs"):
            teardown.forget(self.name)
            inotify.fit(_booted())

    def boot(self, *names: str, addresses: int = 1, layer: Layer | None = None) -> tuple[Host, ...]:
        """Which hosts are these, booted side by side, each with so many addresses? They answer over SSH.

        The packages of a `layer` are installed over the image, once for all hosts that ask for the same.
        """
        lower = layer.ready() if layer else (image.ready(),)
        calls = layer.calls if layer else ()
        with self._lock:
            folders = self._reserve(names, addresses)
            with paths.locked("labs"):
                inotify.fit(_booted())
        with ThreadPoolExecutor(BOOTERS) as pool:
            for booting in [pool.submit(self._boot, folder, lower, calls) for folder in folders]:
                booting.result()
        with self._lock:
            self.hosts |= {folder.name: self._host(folder) for folder in folders}
            self._write_ssh_files()
        return tuple(self.hosts[name] for name in names)

    @property
    def plan(self) -> Plan:
        """Which addresses are the lab's?"""
        return Plan(number=LabRecord.load(self.folder).number)

    @property
    def address(self) -> str:
        """Which is the controller's IPv4 address?"""
        return self.plan.pair(1)[0]

    @property
    def key(self) -> Path:
        """Which private key logs in to every host, as root, `auditor` and `deployer`?"""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """Which file has every host's key, by name and address?"""
        return self.folder / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """Which file makes `ssh -F` reach every host by name or address, with strict keys?"""
        return self.folder / "ssh_config"

    @property
    def inside(self) -> tuple[str, ...]:
        """Which prefix makes a command of this machine one of the controller?"""
        return ("ip", "netns", "exec", paths.owned(self.name))

    def controller(  # noqa: PLR0913 - subprocess.run's own arguments
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        check: bool = False,
        timeout: float = 600,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """What does this command print where only the lab's hosts can be reached? `env` is all of its environment."""
        return run(*self.inside, *argv, env=env, cwd=cwd, check=check, timeout=timeout, stdin=stdin)

    def connect(self, address: str, port: int, timeout: float = 1.5) -> Symptom:
        """What does a plain TCP connect from the controller meet?"""
        return place.connect((*self.inside, sys.executable), address, port, timeout, "root")

    def ssh(self, host: str, command: str, *, user: str = "root", check: bool = True) -> str:
        """What does this shell command print on a host, over SSH from the controller?"""
        argv = ("ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", "-l", user, host, command)
        return self.controller(argv, check=check).stdout

    def inventory(self, content: str | Mapping[str, Any], *, name: str = "inventory.yml", user: str = "root") -> Path:
        """Where is this written as an Ansible inventory, with the hosts' addresses in it?

        In a text `$web1` is a host's address (`inventory.Addresses` has the rest); a mapping is taken as it is.
        """
        file = self.folder / name
        file.write_text(inventory.rendered(content, self.hosts.values(), user, self.ssh_config))
        return file

    def _reserve(self, names: Sequence[str], addresses: int) -> list[Path]:
        folders = []
        for name in names:
            folder = self.folder / "hosts" / paths.owned(self.name, name).rpartition(".")[2]
            records = [HostRecord.load(other) for other in folder.parent.iterdir()]
            taken = (address for record in records for address in record.addresses)
            folder.mkdir()
            free = self.plan.free(taken, addresses)
            HostRecord(name=name, number=len(records) + 1, addresses=free).save(folder)
            folders.append(folder)
        return folders

    def _boot(self, folder: Path, lower: tuple[Path, ...], calls: tuple[str, ...]) -> None:
        record = HostRecord.load(folder)
        public = self.key.with_suffix(".pub").read_text()
        record = record.keyed(machine.lay(self.name, record.name, folder, lower, public))
        network.attach(self.name, self.plan, record.name, record.number, record.addresses)
        record.led_by(machine.boot(self.name, record.name, folder, calls)).save(folder)

    def _host(self, folder: Path) -> Host:
        return Host(self.name, self.plan, folder, self._write_ssh_files)

    def _write_ssh_files(self) -> None:
        hosts = self.hosts.values()
        self.known_hosts.write_text(sshd.known_hosts((h.name, (*h.addresses, *h.addresses6), h.key) for h in hosts))
        self.ssh_config.write_text(sshd.config(self.key, self.known_hosts, ((h.name, h.address) for h in hosts)))


def _free_number() -> int:
    kept = paths.labs().glob("*/lab.json")
    used = {LabRecord.load(file.parent).number for file in kept}
    return min(set(range(network.LABS)) - used)


def _booted() -> int:
    return sum(1 for _ in paths.labs().glob("*/hosts/*/host.json"))
