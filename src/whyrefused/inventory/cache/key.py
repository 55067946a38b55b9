"""Is this the very inventory that was read before? Two that are equal in all that counts have one key."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import whyrefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whyrefused.inventory.sources import Found

READERS = ("jinja2", "pydantic", "PyYAML")
"""Others' code that has a say in what an inventory means."""
VERSION = re.compile(r"^Version: (.+)$", re.MULTILINE)


def key_of(given: Sequence[str], found: Found, limit: Sequence[str], environ: Mapping[str, str]) -> str:
    """What is the sum of all that was read, and of all that it is read by?

    `found` holds the bytes of each file, and the names in each folder that was looked into; Ansible's own settings are
    no part of it, since nothing is kept under any that count (plain/settings.py).
    """
    total = hashlib.sha256()
    named = sorted((name, value) for name, value in environ.items() if name.startswith("ANSIBLE_"))
    head = [
        list(given), list(limit), named, os.path.expanduser("~"), _here(), os.geteuid(), sys.version,  # noqa: PTH111 - no Path
        whyrefused.__version__, list(_own()), [version(name) for name in READERS],
    ]  # fmt: skip
    total.update(json.dumps(head).encode())
    for folder, names in found.listed.items():
        total.update(json.dumps([folder, names]).encode())
    for file in found.files:
        about = [file.path, file.kind, file.name, file.given, file.executable, len(file.data)]
        total.update(json.dumps(about).encode() + file.data)
    return total.hexdigest()


def name_of(given: Sequence[str], limit: Sequence[str]) -> str:
    """Under which name is it kept? One for each inventory, so that a new one takes the place of the old."""
    return hashlib.sha256(json.dumps([list(given), list(limit), _here()]).encode()).hexdigest()[:32]


def version(name: str) -> str:
    """Which version of this distribution is installed? Its page of metadata is long, and not parsed for one line."""
    installed = distribution(name)
    found = VERSION.search(installed.read_text("METADATA") or "")
    return found[1] if found else installed.version


def _here() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def _own() -> Iterator[tuple[str, int, int]]:
    """Which of our own files read an inventory, and are they as they were? A checkout changes without its version."""
    inventory = Path(__file__).parent.parent
    for path in (*sorted(inventory.rglob("*.py")), inventory.parent / "records.py", inventory.parent / "redact.py"):
        state = path.stat()
        yield str(path), state.st_size, state.st_mtime_ns
