"""What is installed with this package, and what does each part come from? A CycloneDX bill of materials of the lock.

`python tests/sbom.py requirements.lock pyproject.toml` prints it. It is a pure function of the two files, so that the
same lock gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!]+)(?: ; (?P<marker>[^\\]+?))? \\")
HASH = re.compile(r"    --hash=sha256:(?P<hash>[0-9a-f]{64})(?: \\)?")
VIA = re.compile(r"    #(?: via|  )? +(?P<name>[a-zA-Z0-9][a-zA-Z0-9._-]*)(?:\[[a-z,]+\])?(?: \(pyproject\.toml\))?")
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # of URLs (RFC 9562)


class NotLocked(ValueError):  # noqa: N818 - says what the line is not
    """A line of the lock that pins nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One distribution of the lock."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: frozenset[str]

    @property
    def reference(self) -> str:
        """What is its package URL?"""
        return f"pkg:pypi/{self.name}@{self.version}"


def parts(lock: str) -> list[Part]:
    """Which distributions does the lock pin? Raises `NotLocked` for a line that is no pin, no hash and no comment."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lock.splitlines(), 1):
        if pin := PINNED.fullmatch(line):
            found.append({**pin.groupdict(default=""), "hashes": [], "via": set()})
        elif found and (one := HASH.fullmatch(line)):
            found[-1]["hashes"].append(one["hash"])
        elif found and (via := VIA.fullmatch(line)):
            found[-1]["via"].add(via["name"].lower())
        elif line.strip() not in {"", "# via"}:
            raise NotLocked(f"line {number}: {line}")
    return [Part(**{**one, "hashes": tuple(one["hashes"]), "via": frozenset(one["via"])}) for one in found]


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]).lower()


def _reached(found: list[Part], roots: set[str]) -> set[str]:
    """Which distributions are installed for these? Those that they need, and so on."""
    reached, ahead = set[str](), roots
    while ahead:
        reached |= ahead
        ahead = {part.name for part in found if part.via & ahead} - reached
    return reached


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """What is the bill of materials of this lock? CycloneDX 1.6; `excluded` are tools that users never install."""
    found, own = parts(lock), project["name"]
    needed = _reached(found, {_normal(one) for one in project["dependencies"]})
    wanted = _reached(found, {_normal(one) for one in project["optional-dependencies"]["ansible"]})
    scope = {
        part.name: "required" if part.name in needed else "optional" if part.name in wanted else "excluded"
        for part in found
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, lock)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": own, "name": own,
                                   "licenses": [{"license": {"id": project["license"]}}]}},
        "components": [
            {
                "type": "library", "bom-ref": part.reference, "name": part.name, "version": part.version,
                "purl": part.reference, "scope": scope[part.name],
                "hashes": [{"alg": "SHA-256", "content": one} for one in part.hashes],
                **({"properties": [{"name": "whyrefused:marker", "value": part.marker}]} if part.marker else {}),
            }
            for part in found
        ],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(part.reference for part in found if name in part.via)}
            for ref, name in [(own, own), *((part.reference, part.name) for part in found)]
        ],
    }  # fmt: skip


def main(lock: str, project: str) -> None:
    """Print it."""
    of = tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"]
    sys.stdout.write(json.dumps(bill(Path(lock).read_text(encoding="utf-8"), of), indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
