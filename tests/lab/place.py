"""What does a plain connect from one place of a lab meet? Independent of everything that is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast, get_args

from .process import LabError, run

Symptom = Literal["connected", "refused", "reset", "timed-out", "unreachable", "dns-failure", "local-error"]

DIAL = Path(__file__).with_name("dial.py").read_text()

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "LANG": "C.UTF-8",
}
"""What a command on a host finds in its environment: nothing of the caller's."""


def connect(python: tuple[str, ...], address: str, port: int, timeout: float, user: str) -> Symptom:
    """Which symptom has a TCP connect that is tried by this interpreter, there?"""
    said = run(
        *python, "-I", "-c", DIAL, address, str(port), str(timeout), user,
        env=ENVIRONMENT, timeout=timeout + 60,
    ).stdout.strip()  # fmt: skip
    if said not in get_args(Symptom):
        raise LabError(f"connect to {address}:{port}: {said}")
    return cast("Symptom", said)
