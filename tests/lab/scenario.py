"""What is a scenario, and what came of it? A fault on real hosts, seen by a plain connect, and what an audit says."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import inventory
from .audit import audit
from .fleet import Lab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .audit import Audited
    from .place import Symptom

FOLDER = Path(__file__).with_name("scenarios")
LOGINS = ("root", "auditor")
"""Who audits: root, and an ordinary user without any right of its own."""

WORDS = """\
await() { until eval "$*" >/dev/null 2>&1; do sleep 0.1; done; }
await_listener() { await "ss -Htln src '$1' | grep ."; }
"""
"""What every step may say beside the shell's own.

A unit of Type=simple, systemd's default, is active before its program has even begun (systemd.service(5)): what it is
to open is not there yet when `systemctl start` returns.
"""

STEP_SECONDS = 180
"""How long a step may take, with all that it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One situation, as a file of `scenarios/` has it."""

    name: str
    about: str
    group: str  # the file it stands in: a cause, `healthy` or `pairs`
    hosts: tuple[str, ...]
    wires: Mapping[str, Mapping[str, str]]
    prepare: tuple[tuple[str, str], ...]  # (host, shell)
    declare: str
    put: tuple[tuple[str, str], ...]
    meets: tuple[Mapping[str, Any], ...]
    finds: frozenset[tuple[str, str, str]]  # cause, variant, host
    unprivileged: frozenset[str]  # causes
    options: tuple[str, ...] = ()
    seldom: bool = False  # played by `make accuracy` only


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a scenario."""

    scenario: Scenario
    met: tuple[tuple[Mapping[str, Any], Symptom], ...]  # what was to be met, and what was
    audits: Mapping[str, Audited] = field(default_factory=dict)  # by login
    inventory: str = ""
    evidence: str = ""  # what the hosts said to root


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Which scenarios are there? All files of the folder, in order."""
    files = [file for file in sorted(FOLDER.glob("*.yml")) if file.stem != "bases"]
    found = [read(file.stem, one) for file in files for one in yaml.safe_load(file.read_text())]
    names = [one.name for one in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two scenarios have one name: {', '.join(sorted(twice))}")
    return tuple(found)


KEYS = {"name", "about", "base", "declare", "put", "meets", "finds", "unprivileged", "options", "seldom"}


@cache
def _bases() -> Mapping[str, Any]:
    return yaml.safe_load((FOLDER / "bases.yml").read_text())


def read(group: str, one: Mapping[str, Any]) -> Scenario:
    """Which scenario is this entry of a file?"""
    if wrong := set(one) - KEYS:
        raise ValueError(f"{group}.yml: {one.get('name')}: unknown keys {wrong}")
    base = _bases()[one.get("base", "web")]
    finds = frozenset((each["cause"], each["variant"], each["host"]) for each in one["finds"])
    meets = one.get("meets", ())
    return Scenario(
        name=one["name"], about=one["about"], group=group,
        hosts=tuple(base["hosts"]), wires=base.get("wires", {}),
        prepare=_steps(base.get("prepare", ())), declare=one.get("declare") or base["declare"],
        put=_steps(one.get("put", ())), meets=tuple(meets if isinstance(meets, list) else [meets]) if meets else (),
        finds=finds,
        unprivileged=frozenset(one["unprivileged"]) if "unprivileged" in one else frozenset(f[0] for f in finds),
        options=tuple(one.get("options", ())), seldom=bool(one.get("seldom")),
    )  # fmt: skip


def _steps(listed: list[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((host, text) for step in listed for host, text in step.items())


def play(scenario: Scenario, logins: tuple[str, ...] = LOGINS) -> Ended:
    """What comes of it? New hosts, the fault, the plain connects, then an audit under each login."""
    # All labs of scenarios have the same addresses, so that what is declared is the same text and read once in stories.
    with Lab(f"s{os.getpid()}-{scenarios().index(scenario)}", number=0) as lab:
        stage(lab, scenario)
        met = tuple((one, _meet(lab, one)) for one in scenario.meets)
        kept = lab.folder / "evidence.json"
        audits = {}
        for login in logins:
            file = lab.inventory(scenario.declare, user=login, name=f"{login}.yml")
            save = ("--save-evidence", kept) if login == "root" else ()
            audits[login] = audit(lab, *scenario.options, *save, inventory=file)
        declared = inventory.rendered(scenario.declare, lab.hosts.values(), "", None)
        return Ended(
            scenario=scenario, met=met, audits=audits, inventory=declared,
            evidence=kept.read_text() if kept.exists() else "",
        )  # fmt: skip


def stage(lab: Lab, scenario: Scenario) -> None:
    """Boot the hosts, prepare them and put the fault."""
    lab.boot(*scenario.hosts)
    for host, segments in scenario.wires.items():
        for segment, address in segments.items():
            lab[host].wire(segment, address)
    for host, text in (*scenario.prepare, *scenario.put):
        lab[host].run(WORDS + inventory.filled(text, lab.hosts.values()), timeout=STEP_SECONDS)


def _meet(lab: Lab, one: Mapping[str, Any]) -> Symptom:
    to = inventory.filled(str(one["to"]), lab.hosts.values())
    if one["from"] == "localhost":
        return lab.connect(to, one["port"], timeout=4)
    return lab[one["from"]].connect(to, one["port"], timeout=4, user=one.get("user", "root"))
