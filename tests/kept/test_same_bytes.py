"""The same evidence makes the same bytes, in whatever order hosts are declared, answer or are visited.

Forty shuffles at each `make test`; WHYREFUSED_SHUFFLES=1000 takes so many.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from scenarios.replay import HERE, STORIES, questions_of, read

from whyrefused import report
from whyrefused.audit import Audit, Settings, finished
from whyrefused.causes import registry
from whyrefused.collect import saved, visited
from whyrefused.collect.journal import Journal
from whyrefused.collect.saved import JOURNAL
from whyrefused.collect.visit import Options

if TYPE_CHECKING:
    from pathlib import Path

    from whyrefused.collect.visited import Visited
    from whyrefused.records import Inventory

SHUFFLES = int(os.environ.get("WHYREFUSED_SHUFFLES", "40"))
CAUSES = {code: (cause.title, cause.text) for code, cause in registry().items()}


def reports(inventory: Inventory, kept: Path) -> tuple[str, str]:
    """Which hashes have page and findings of this evidence?"""
    audit = Audit(Settings(options=Options(), replay=str(kept)), inventory)
    questions = list(questions_of(inventory))
    audit.run(questions, pytest.skip.Exception)
    run = finished(audit.verdicts, {id_: one.outcome for id_, one in audit.verdicts.results.items()}, [])
    texts = report.page(run, causes=CAUSES), report.to_json(run)
    first, second = (hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return first, second


def journal(path: Path, kept: Visited, chance: random.Random) -> Path:
    """The journal of a visit in which the hosts answered in this order."""
    path.write_text(json.dumps({"schema": JOURNAL, "started": kept.started, "pid": 1, "files": []}) + "\n")
    answers = [(reply, kept.warnings.get(host, ())) for host, reply in kept.replies.items()]
    chance.shuffle(answers)
    made = Journal(path)
    while answers:
        many = chance.randint(1, len(answers))
        made.keep(answers[:many])
        answers = answers[many:]
    made.end(kept)
    return path


def shuffled(inventory: Inventory, chance: random.Random) -> Inventory:
    """The same hosts, declared in another order."""
    hosts, groups = list(inventory.hosts.items()), list(inventory.groups.items())
    chance.shuffle(hosts)
    chance.shuffle(groups)
    selected = tuple(host for host, _ in hosts if host in inventory.selected)
    mixed = {name: tuple(chance.sample(members, len(members))) for name, members in groups}
    return dataclasses.replace(inventory, hosts=dict(hosts), groups=mixed, selected=selected)


def visit_of(story: str, replies: dict[str, Any]) -> Visited:
    """What came of the visit that this story tells of?"""
    warnings = dict.fromkeys(replies, ("its key was not checked",))
    about = {"started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:09Z"}
    return visited.Visited(replies=replies, warnings=warnings, notes=(story,), **about)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(SHUFFLES))
def test_order_never_shows(number: int, tmp_path: Path) -> None:
    """A story's evidence, as one file and as journals in which its hosts answered in any order: one page, one JSON."""
    chance = random.Random(number)  # noqa: S311 - repeated by its number
    story = chance.choice(STORIES)
    inventory, replies, _ = read(story)
    kept = visit_of(story, replies)
    (tmp_path / "evidence.json").write_text(saved.text(kept))
    expected = reports(inventory, tmp_path / "evidence.json")
    again = journal(tmp_path / "journal.jsonl", kept, chance)
    assert expected == reports(inventory, again), story
    assert expected == reports(shuffled(inventory, chance), again), f"{HERE / story}, shuffle {number}"
