"""What does the tool say of a lab? The real `pytest` in the controller's namespace, and what it wrote."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from whyrefused import report

from . import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fleet import Lab

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r'<h3 id="finding-[^"]*">(.*?)</h3>', re.DOTALL)
NUMBERED = re.compile(r"^\d+\. (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Audited:
    """What became of one run."""

    status: int
    said: str  # on the terminal, both streams
    written: Mapping[str, str] = field(default_factory=dict)  # file name -> text
    found: Mapping[str, Any] = field(default_factory=dict)  # findings.json; empty where none was written

    @property
    def results(self) -> list[dict[str, Any]]:
        """Which items were there?"""
        return list(self.found.get("results", ()))

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Which findings were there, in the order of the report?"""
        return list(self.found.get("findings", ()))

    @property
    def outcomes(self) -> Counter[str]:
        """How did how many items end?"""
        return Counter(one["outcome"] for one in self.results)

    @property
    def named(self) -> list[tuple[str, str, str]]:
        """Which cause, variant and host has each finding?"""
        return [(one["cause"], one["variant"], one["host"]) for one in self.findings]

    def of(self, outcome: str) -> set[str]:
        """Which items ended so, each as `check host subject`?"""
        return {f"{one['check']} {one['host']} {one['subject']}" for one in self.results if one["outcome"] == outcome}

    def ids(self, outcome: str) -> set[str]:
        """Which items ended so, by result id?"""
        return {one["id"] for one in self.results if one["outcome"] == outcome}

    @property
    def first_lines(self) -> tuple[str, str]:
        """What is the first line of the findings, on the terminal and in the page?"""
        spoken, page = NUMBERED.findall(self.said), HEADING.findall(self.written.get("page.html", ""))
        return (spoken or [""])[0], html.unescape((page or [""])[0]).strip()

    def __repr__(self) -> str:
        return f"exit status {self.status}\n{self.said}"


def audit(lab: Lab, *options: str | Path, inventory: Path | None = None, cwd: Path = ROOT) -> Audited:
    """What does the audit say? Findings, page and JUnit are always written, and findings must match their schema."""
    with tempfile.TemporaryDirectory(prefix="audited-", dir=lab.folder) as made:
        folder = Path(made)
        words = (
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--self-contained-html"),
            *((f"--inventory={inventory}",) if inventory else ()),
            *(f"--html={folder}/page.html", f"--findings={folder}/findings.json", f"--junitxml={folder}/junit.xml"),
            *map(str, options),
        )
        done = lab.controller(words, cwd=cwd, env=environment())
        written = {file.name: file.read_text(errors="surrogateescape") for file in folder.iterdir()}
    found = json.loads(written.get("findings.json", "{}"))
    if found:
        jsonschema.validate(found, report.schema())
    return Audited(status=done.returncode, said=done.stdout + done.stderr, written=written, found=found)


def environment() -> dict[str, str]:
    """Which environment has an operator who has set nothing? The machine's, without what steers any of the tools."""
    steers = re.compile(r"(PYTEST|ANSIBLE|SSH|WHYREFUSED)_|.*_proxy$", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not steers.match(name)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # many runs of the same modules: compiling them each time is half of one
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": str(paths.cache() / "pycache"),
        # ansible-inventory is found beside the interpreter, as after `make audit`.
        "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}",
    }
