"""Can this machine run a lab, and what would have to be installed for it?"""

from __future__ import annotations

import os
import shutil
import sys

from .process import run

NEEDED = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
"""Command -> the Debian package that has it."""

SBIN = "/usr/sbin:/sbin"
"""A root shell without a login may not have these on its PATH."""


def missing() -> tuple[str, ...]:
    """Which Debian packages must be installed before a lab can run here?"""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    return tuple(dict.fromkeys(package for command, package in NEEDED.items() if not shutil.which(command, path=path)))


def unavailable() -> str | None:
    """Why can no lab run here? None when one can."""
    if sys.platform != "linux":
        return "a lab needs Linux namespaces"
    if os.geteuid() != 0:
        return "a lab needs root"
    if packages := missing():
        return f"a lab needs: apt-get install {' '.join(packages)}"
    if refused := run("unshare", "--net", "--mount", "true", check=False).stderr.strip():
        return f"a lab makes namespaces: {refused}"
    return None
