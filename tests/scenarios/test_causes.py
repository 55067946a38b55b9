"""What each cause answers to what real hosts said, told or held back.

A file of `causes/` has the cases of one cause: a story, the item that failed, `edits` of what the hosts said (`old` ->
`new` in a probe's answer, or the whole answer `missing`), and the `answer` of this cause for this item alone: proven,
excluded, unknown, or none where the item did not fail.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from whyrefused.causes import registry
from whyrefused.records import Frame, Missing, Reply

from .replay import HERE, alone, read

if TYPE_CHECKING:
    from whyrefused.records import Finding

SHAPES = tuple(sorted(file.stem for file in (HERE / "causes").glob("*.yml")))
WORDS = [
    ("socket-stopped", "services web1 echo", "systemctl start echo.socket"),
    ("socket-stopped", "services web1 idle", "systemctl start idle.socket"),
    ("another-daemon-on-the-port", "ports web1 80/tcp", "systemctl stop intruder.service"),
    ("another-daemon-took-it-nginx-moved", "ports web1 80/tcp", "systemctl stop intruder.service"),
    ("stopped", "services web1 nginx", "systemctl start nginx.service"),
    ("masked", "services web1 nginx", "systemctl unmask nginx.service"),
    ("moved-to-8080", "ports web1 80/tcp", "listen 0.0.0.0:80;"),
    ("loopback-only", "ports web1 80/tcp", "listen 0.0.0.0:80;"),
    ("ipv4-only", "ports web1 80/tcp", "listen [2001:db8:18::11]:80;"),
    ("nft-reject-reset", "connects app1 web1:80", "nft insert rule inet guard input handle 2 "),
    ("iptables-reject", "connects app1 web1:80", "iptables -I INPUT 1 "),
    ("iptables-legacy-reject", "connects app1 web1:80", "iptables-legacy -I INPUT 1 "),
    ("proxy-in-etc-environment", "proxy app1 http_proxy", "remove from /etc/environment: http_proxy="),
    ("hosts-override-to-nobody", "resolves app1 web.example.com", "remove from /etc/hosts: 198.18.0.99 web.example"),
]  # fmt: skip
"""The words that mend an item of a story."""

CASES = [(code, case) for code in SHAPES for case in yaml.safe_load((HERE / f"causes/{code}.yml").read_text())]
IDS = [f"{code}: {case.get('name', case['story'])}: {case['item'].split()[0]}" for code, case in CASES]


def edited(replies: dict[str, Reply], edit: dict[str, str]) -> dict[str, Reply]:
    """The replies after one edit. The words that are replaced must be there."""
    reply = replies[edit["host"]]
    frame = reply.frames[edit["probe"]]
    if "missing" in edit:
        new: Frame | Missing = Missing(edit["missing"])
    else:
        assert isinstance(frame, Frame)
        assert edit["old"] in frame.text, edit
        new = replace(frame, text=frame.text.replace(edit["old"], edit["new"]))
    return {**replies, edit["host"]: replace(reply, frames={**reply.frames, edit["probe"]: new})}


def findings_of(case: dict[str, Any]) -> tuple[Finding, ...]:
    """Which findings explain the item of a case?"""
    inventory, replies, _ = read(case["story"])
    for edit in case.get("edits", ()):
        replies = edited(replies, edit)
    return alone(inventory, replies, case["item"])


@pytest.mark.parametrize(("code", "case"), CASES, ids=IDS)
def test_case(code: str, case: dict[str, Any]) -> None:
    """The cause answers just this; it is named where it is proven and nowhere else."""
    findings = findings_of(case)
    named = [finding for finding in findings if finding.cause == code]
    answers = {finding.differential[code].answer for finding in findings} or {"none"}
    assert {case["answer"]} == answers
    assert (case["answer"] == "proven") is bool(named)
    if named:
        assert [case["variant"]] == [finding.variant for finding in named]
        assert case.get("subject", named[0].subject) == named[0].subject


@pytest.mark.parametrize(("code", "case"), CASES, ids=IDS)
def test_says_why(code: str, case: dict[str, Any]) -> None:
    """Every cause gives a sentence; one that is proven quotes a host and says what mends it."""
    for finding in findings_of(case):
        for ruling in finding.differential.values():
            assert ruling.because
            assert (ruling.answer == "proven") is bool(ruling.variant)
            if ruling.answer == "proven":
                assert ruling.evidence
                assert ruling.fix
                assert ruling.verify
                assert "{" not in "".join((*ruling.fix, *ruling.verify))
    assert code in registry()


@pytest.mark.parametrize(("story", "item", "words"), WORDS)
def test_fix(story: str, item: str, words: str) -> None:
    """The fix says what mends it, for the tool that manages it."""
    inventory, replies, _ = read(story)
    assert words in "\n".join(line for finding in alone(inventory, replies, item) for line in finding.fix)


def test_every_cause_has_a_table() -> None:
    """No cause is without its cases."""
    assert set(SHAPES) == set(registry())


@pytest.mark.parametrize("code", SHAPES)
def test_both_tables(code: str) -> None:
    """Each cause that looks at evidence has at least three cases that it explains and three on which it is silent."""
    answers = [case["answer"] for owner, case in CASES if owner == code]
    assert answers.count("proven") >= 3
    assert len(answers) - answers.count("proven") >= 3
