"""How is a scenario kept as a story, that replays without hosts? Only where WHYREFUSED_RECORD is set."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from .scenario import Ended

STORIES = Path(__file__).resolve().parents[1] / "scenarios"


def wanted() -> bool:
    """Are stories to be written?"""
    return bool(os.environ.get("WHYREFUSED_RECORD"))


def keep(ended: Ended) -> None:
    """Write the three files of the story; those that are played seldom are not kept."""
    if ended.scenario.seldom:
        return
    folder = STORIES / ended.scenario.name
    folder.mkdir(exist_ok=True)
    run = ended.audits["root"]
    names = {one["id"]: f"{one['check']} {one['host']} {one['subject']}" for one in run.results}
    findings = [
        {
            **{key: one[key] for key in ("cause", "variant", "host", "subject")},
            "explains": sorted(names[each] for each in one["explains"]),
        }
        for one in run.findings
    ]
    expected = {
        "about": ended.scenario.about,
        "outcomes": dict(Counter(one["outcome"] for one in run.results)),
        "findings": sorted(findings, key=lambda one: (one["cause"], one["subject"])),
    }
    (folder / "inventory.yml").write_text(ended.inventory)
    (folder / "evidence.json").write_text(ended.evidence)
    (folder / "expected.yml").write_text(yaml.safe_dump(expected, sort_keys=False, width=120, allow_unicode=True))
