"""Real rulesets, as their programs made and their commands printed them, and what they do with a connection.

A folder in data/firewall/ is a host: what its commands print, and `cases.yml`. A story more is a few lines more there.
`recorded.yml` is of tests/lab/test_rulesets.py: cases in which the host's kernel did the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from whyrefused.firewall import Packet, Ruleset, fix, judge, load

DATA = Path(__file__).parent / "data" / "firewall"
HOSTS = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir())
PACKET = {"from": "source", "to": "destination"}
ASKED = ("from", "to", "port", "protocol", "interface", "uid", "addresses", "routes")


def host(name: str) -> Ruleset:
    """Load what a host's commands print."""
    files = {path.name.replace("ipset-save", "ipset save"): path.read_text() for path in (DATA / name).iterdir()}
    return load(files.get("nft.json"), {key: text for key, text in files.items() if key.endswith("save")})


def listed(name: str) -> list[dict[str, Any]]:
    """List the cases of a host."""
    found: list[dict[str, Any]] = []
    for path in sorted((DATA / name).glob("*.yml")):
        told = yaml.safe_load(path.read_text())
        found += told if isinstance(told, list) else [told["usual"] | case for case in told["cases"]]
    return found


def cases() -> list[Any]:
    """List every case of every host."""
    return [
        pytest.param(name, case, id=f"{name}-{number}-{case['from']}-{case['port']}")
        for name in HOSTS
        for number, case in enumerate(listed(name))
    ]


def packet(case: dict[str, Any]) -> Packet:
    """Build the packet that a case is about."""
    given = {PACKET.get(key, key): case[key] for key in ASKED if key in case}
    given.setdefault("destination", "198.51.100.1")
    if "addresses" in given:
        given["addresses"] = frozenset(given["addresses"])
    given["routes"] = tuple(map(tuple, given.get("routes", ())))
    return Packet(**given)


RULESETS = {name: host(name) for name in HOSTS}


@pytest.mark.parametrize(("name", "case"), cases())
def test_verdict(name: str, case: dict[str, Any]) -> None:
    """The trace says what the case expects, and the fix is the one it names."""
    asked, hook = packet(case), case.get("hook", "input")
    trace = judge(RULESETS[name], asked, hook)
    assert case["verdict"] == trace.verdict, trace
    for key in ("how", "author", "names_port", "redirected", "quiet", "errno"):
        if key in case:
            assert case[key] == getattr(trace, key), trace
    assert case.get("why", "") in trace.why
    assert tuple(case.get("readings", trace.readings)) == trace.readings
    decided = trace.decided
    if "rule" in case:
        assert decided
        assert case["rule"] == decided.rule
    if "comment" in case:
        assert decided
        assert case["comment"] == decided.comment
    if "fix" in case:
        assert tuple(case["fix"]) == fix(trace, asked, RULESETS[name], hook)


@pytest.mark.parametrize("name", HOSTS)
def test_every_verdict_is_in_a_case(name: str) -> None:
    """Each host has a case that is let in and one that is not."""
    verdicts = {case["verdict"] for case in listed(name)}
    assert "accept" in verdicts
    assert verdicts & {"reject", "drop"}
