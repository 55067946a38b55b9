"""Which run has a fleet behind it? Hosts that each say their own: no two have a pid, an inode or an address in common.

The standard audit, 14 items a host; on one host in ten something is wrong: a service that failed, a rule that rejects,
or nobody answers at all. Made with `runpy`: `fleet["run"](100)`.
"""

from __future__ import annotations

import random
import runpy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused.records import Line, Result, Run

if TYPE_CHECKING:
    from whyrefused.records import Finding

SAMPLE = runpy.run_path(str(Path(__file__).with_name("sample.py")))
ITEMS = 14
ZONES = 20


def host(number: int, said: random.Random) -> tuple[list[Result], Finding | None]:
    """What does one host say, and what is wrong with it?"""
    name, address = f"web{number:05d}", f"10.{number >> 8 & 255}.{number & 255}.11"
    wrong = said.choice(("stopped", "rejected", "unreached")) if said.random() < 0.1 else ""
    lines = {
        port: Line(
            host=name,
            source="ss -Htulnpe",
            line=f'tcp LISTEN 0 511 0.0.0.0:{port} 0.0.0.0:* users:(("{unit}",pid={said.randrange(300, 99999)},fd=6)) '
            f"ino:{said.randrange(10**6, 10**8)} sk:{said.randrange(16**4):x} cgroup:/system.slice/{unit}.service <->",
        )
        for port, unit in ((22, "ssh"), (80, "nginx"), (8443, "envoy"))
    }
    rule = Line(host=name, source="nft -a list ruleset", line=f"tcp dport 80 accept # handle {said.randrange(2, 400)}")
    items: list[tuple[str, str, str, str, tuple[Line, ...]]] = []
    for unit in ("nginx", "ssh", "cron"):
        since = f"ActiveEnterTimestamp=Sun 2026-11-22 0{said.randrange(10)}:{said.randrange(10, 60)}:17 UTC"
        shown = tuple(
            Line(host=name, source=f"systemctl show {unit}.service", line=it)
            for it in ("ActiveState=active", f"MainPID={said.randrange(300, 99999)}", since)
        )
        items.append(("services", unit, "running, enabled", "active (running), enabled", shown))
    items += [("ports", f"{port}/tcp", "listening on 0.0.0.0", it.line, (it,)) for port, it in lines.items()]
    items += [("firewall", f"80/tcp from {it}", "let in", f"accept: {rule.line}", (rule,)) for it in ("app", "any")]
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        shown = (Line(host=name, source="env -0", line="PATH=/usr/local/bin:/usr/bin:/bin"),)
        items.append(("proxy", variable, "unset", "unset in the login shell, /etc/environment, systemd", shown))
    for known in ("db.example.com", f"{name}.example.com"):
        shown = (Line(host=name, source=f"getent ahostsv4 {known}", line=f"{address}     STREAM {known}"),)
        items.append(("resolves", known, address, address, shown))
    results = [
        Result(
            id=f"checks/test_{check}.py::test_{check}[{name}-{subject}]", host=name, check=check, subject=subject,
            outcome="passed", expected=expected, observed=observed, evidence=evidence,
        )
        for check, subject, expected, observed, evidence in items
    ]  # fmt: skip
    if wrong == "unreached":
        why = f"not reached: {address}:22 does not answer within 10 s"
        return [replace(it, outcome="error", observed=why, evidence=()) for it in results], None
    return (results, None) if not wrong else broken(results, name, wrong)


def broken(results: list[Result], name: str, wrong: str) -> tuple[list[Result], Finding]:
    """The same host with a fault, and the finding that names it."""
    like: Finding = SAMPLE["stopped"]()
    hit = [it for it in results if "nginx" in it.subject or it.subject.startswith("80/tcp")][:3]
    evidence = tuple(replace(it, host=name) for it in like.evidence)
    found = replace(
        like,
        id=f"{like.cause}:{name}:{wrong}",
        cause="service-not-running" if wrong == "stopped" else "server-firewall",
        host=name,
        title=like.title.replace("db1", name),
        explains=tuple(it.id for it in hit),
        evidence=evidence,
    )
    ids = set(found.explains)
    failed = [
        replace(it, outcome="failed", observed="failed (exit-code)", finding=found.id) if it.id in ids else it
        for it in results
    ]
    return failed, found


def run(items: int) -> Run:
    """Which run has so many items?"""
    said = random.Random(items)  # noqa: S311 - no secret
    results: list[Result] = []
    findings, hosts = [], []
    for number in range(-(-items // ITEMS)):
        more, found = host(number, said)
        hosts.append(more[0].host)
        results += more[: items - len(results)]
        findings += [found] if found else []
    groups = {f"zone{zone:02}": tuple(hosts[zone::ZONES]) for zone in range(ZONES)} | {"web": tuple(hosts)}
    made: Run = SAMPLE["broken"]()
    return replace(
        made, results=tuple(results), findings=tuple(findings), hosts=tuple(hosts), groups=groups, notes=(), foreign=()
    )
