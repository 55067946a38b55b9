"""Which packages can be laid over the image for the tests that need them, without a bigger image for all others?

A layer is what an installation added to the image; a host of it has both, the layer above.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import image, paths
from .process import LabError, run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

# As in image.sh: no service may start, and nothing that differs between hosts may stay. The units start when a test
# wants them to; fail2ban without rsyslog has only the journal to read.
INSTALL = r"""
set -eu
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
cp /etc/apt/layer.list /etc/apt/sources.list
apt-get update -qq </dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
rm /usr/sbin/policy-rc.d /etc/apt/sources.list /etc/apt/layer.list
for unit in docker.service docker.socket containerd.service fail2ban.service; do
  systemctl -q disable "$unit" 2>/dev/null || true
done
rm -rf /var/lib/apt/lists /var/cache/apt /usr/share/doc /usr/share/man /usr/share/locale /var/log/apt
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
touch /etc/.updated /var/.updated
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Some packages, and what a host must allow them."""

    packages: tuple[str, ...]
    calls: tuple[str, ...] = ()  # system calls that nspawn forbids and they need

    def ready(self) -> tuple[Path, ...]:
        """Which folders, the uppermost first, are the image with these packages? Built if they are not there."""
        lower = image.ready()
        recipe = "\n".join((lower.name, *self.packages, INSTALL))
        layer = lower.with_name(f"layer-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")
        if not layer.exists():
            with paths.locked("image"):
                if not layer.exists():
                    _build(layer, lower, self.packages)
        return layer, lower


CONTAINERS = Layer(packages=("docker.io", "busybox-static", "fail2ban"), calls=("add_key", "keyctl", "bpf"))
"""Programs that make rules of their own and are too big for every host: 260 MB.

runc makes a session keyring, and guards devices with BPF where control groups are version 2.
"""


def _build(layer: Path, lower: Path, packages: tuple[str, ...]) -> None:
    folders = part, work, root = tuple(layer.with_name(f"{layer.name}.{end}") for end in ("part", "work", "root"))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    run("mount", "-t", "overlay", "overlay", str(root), "-o", f"lowerdir={lower},upperdir={part},workdir={work}")
    try:
        done = _install(root, packages)
    finally:
        run("umount", str(root))
    if not done.returncode:
        os.sync()
        part.rename(layer)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise LabError(f"{' '.join(packages)} cannot be installed over the lab's image:\n{tail}")


def _install(root: Path, packages: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    origin = image.source()
    signed = f"[signed-by={origin.keyring}] " if origin.keyring else ""
    parts = " ".join(origin.components)
    (root / "etc/apt/layer.list").write_text(f"deb {signed}{origin.mirror} {origin.suite} {parts}\n")
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    return run("chroot", str(root), "/bin/sh", "-s", *packages, stdin=INSTALL, check=False, timeout=image.BUILD_SECONDS)
