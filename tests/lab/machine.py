"""How does a host come to life? An overlay root, its own files, systemd-nspawn, and word from its systemd."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import cgroups
from .paths import owned
from .process import LabError, children, is_init, run
from .record import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BOOT_SECONDS = 90
KEYS = {"root": (0, "root"), "auditor": (1000, "home/auditor"), "deployer": (1001, "home/deployer")}
"""Login -> its user number and home folder in the image."""

# Enters the cgroups, leaves the caller's session and becomes nspawn; its number is the caller's only hold on it.
ENTER = 'pid=$1; shift; while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; echo $$ >"$pid"; exec "$@"'


def lay(lab: str, name: str, folder: Path, image: Sequence[Path], key: str) -> str:
    """Lay the host's root over the folders of the image, write what is its own, and answer its public host key."""
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True)
    # volatile (overlayfs.rst): no sync, since nothing of a host outlives it.
    lower = ":".join(map(str, image))
    layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work,volatile"
    run("mount", "-t", "overlay", owned(lab, name), str(folder / "root"), "-o", layers)
    etc = folder / "root/etc"
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    # As the Debian installer leaves it.
    (etc / "hosts").write_text(f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("")  # no resolver unless a test names one
    _let_in(folder / "root", key)
    host_key = etc / "ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(host_key))
    return " ".join(host_key.with_suffix(".pub").read_text().split()[:2])


def _let_in(root: Path, key: str) -> None:
    for number, home in KEYS.values():
        folder = root / home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "authorized_keys"
        file.write_text(key)
        file.chmod(0o600)
        for path in (folder, file):
            os.chown(path, number, number)


def boot(lab: str, name: str, folder: Path, calls: Sequence[str] = ()) -> Process:
    """Boot the host and answer its PID 1, once its systemd has started all that it starts at boot.

    `calls` are system calls that it may make beside those that nspawn allows anyway.
    """
    with _word(folder / "notify") as word:
        argv = (
            *("setsid", "--fork", "sh", "-c", ENTER, "sh", str(folder / "pid")),
            *(str(path / "cgroup.procs") for path in cgroups.make(owned(lab, name))),
            "--",
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={folder / 'root'}", f"--hostname={name}"),
            f"--machine={owned(lab, name)}",
            *("--register=no", "--keep-unit", "--resolv-conf=off", "--notify-ready=yes", "--link-journal=no"),
            *(f"--network-namespace-path=/run/netns/{owned(lab, name)}", "--capability=CAP_NET_ADMIN,CAP_NET_RAW"),
            *((f"--system-call-filter={' '.join(calls)}",) if calls else ()),
        )
        environment = {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
            "NOTIFY_SOCKET": str(folder / "notify"),
            # The host may set its own net.* sysctls; they are its namespace's.
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        with (folder / "console.log").open("w") as console:
            subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=True)
        _await(word, folder)
    return Process.of(_leader(folder))


@contextmanager
def _word(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(path))
        yield end
    path.unlink(missing_ok=True)


def _await(word: socket.socket, folder: Path) -> None:
    """Wait for READY=1 of sd_notify(3), which nspawn passes on from the host's systemd."""
    deadline = time.monotonic() + BOOT_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        word.settimeout(min(left, 0.5))
        try:
            if b"READY=1" in word.recv(4096).split(b"\n"):
                return
        except TimeoutError:
            if not Process.of(_number(folder)).start:
                break
    tail = (folder / "console.log").read_text(errors="replace")[-1500:]
    raise LabError(f"{folder.name} did not boot: {tail}")


def _number(folder: Path) -> int:
    try:
        return int((folder / "pid").read_text())
    except (OSError, ValueError):
        return os.getpid()  # not written yet, so nothing has died


def _leader(folder: Path) -> int:
    for pid in children(_number(folder)):
        if is_init(pid):
            return pid
    raise LabError(f"{folder.name}: its systemd is gone: {(folder / 'console.log').read_text(errors='replace')}")
