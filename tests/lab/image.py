"""Which image do the hosts start from, and how is it built?"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .process import LabError, run

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "iproute2", "perl-base", "python3"),
    *("nginx-light", "haproxy", "redis-server", "dnsmasq", "tinyproxy", "socat", "netcat-openbsd", "curl"),
    *("nftables", "iptables", "ipset", "conntrack", "ufw", "firewalld", "fail2ban", "libpam-systemd"),
    *("bind9-host", "iputils-ping", "tcpdump", "systemd-resolved"),
)
"""What is on every host. Nothing of it runs until a test starts it, but sshd."""

LATER = ("chromium", "postgresql")
"""What debootstrap cannot resolve: its packages depend on alternatives and virtual ones, which apt knows."""

FINISH = Path(__file__).with_name("image.sh")
BUILD_SECONDS = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the machine's own apt gets its packages from."""

    mirror: str
    suite: str
    components: tuple[str, ...]
    keyring: str  # empty: debootstrap's own choice


def codename() -> str:
    """Which release is this machine? The hosts are the same, so that its own sources serve them."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def source() -> Source:
    """Which archive does this machine install from? Asked of apt, which knows every format of its sources."""
    rows = run("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)",
               "Created-By: Packages").stdout.splitlines()  # fmt: skip
    suite = codename()
    fields = [row.split("|") for row in rows]
    usable = [row for row in fields if row[1] == suite and row[0].startswith(("http://", "https://", "file:"))]
    if not usable:
        raise LabError(f"apt has no source for {suite!r} on this machine: the lab's image cannot be built")
    mirror, _, _, keyring = usable[0]
    return Source(
        mirror=mirror,
        suite=suite,
        components=tuple(dict.fromkeys(row[2] for row in usable if row[0] == mirror)),
        keyring=keyring if Path(keyring).is_file() else "",
    )


def identity(suite: str) -> str:
    """Which recipe is this? A changed recipe is another image."""
    recipe = "\n".join((suite, *PACKAGES, *LATER, FINISH.read_text()))
    return f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ready() -> Path:
    """Where is the image? Built first if it is not there; a folder under its final name is complete."""
    image = paths.images() / identity(codename())
    if not image.exists():
        with paths.locked("image"):
            if not image.exists():
                _build(image)
    return image


def log() -> Path:
    """Where is what the last build printed?"""
    return paths.cache() / "image.log"


def _build(image: Path) -> None:
    part = image.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    with log().open("w"):
        pass
    _logged(*_debootstrap(source(), part))
    # systemd-resolved leaves a link to nowhere; apt in there resolves as it does here.
    resolver = part / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", resolver)
    _logged("chroot", str(part), "/bin/sh", "-s", *LATER, stdin=FINISH.read_text())
    os.sync()
    part.rename(image)


def _debootstrap(origin: Source, into: Path) -> tuple[str, ...]:
    return (
        "debootstrap",
        "--variant=minbase",
        f"--components={','.join(origin.components)}",
        f"--include={','.join(PACKAGES)}",
        *((f"--keyring={origin.keyring}",) if origin.keyring else ()),
        origin.suite,
        str(into),
        origin.mirror,
    )


def _logged(*argv: str, stdin: str = "") -> None:
    done = run(*argv, stdin=stdin, check=False, timeout=BUILD_SECONDS)
    with log().open("a") as file:
        file.write(done.stdout + done.stderr)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise LabError(f"{argv[0]} of the lab's image failed with {done.returncode}, see {log()}:\n{tail}")
