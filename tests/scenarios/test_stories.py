"""Each story of a folder here ends as it must, and no lost answer makes it end as another.

A folder holds `inventory.yml`, `evidence.json` as `--save-evidence` wrote it on real hosts, and `expected.yml`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused.causes import registry
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.records import Frame, Missing, Reply

from .replay import HERE, STORIES, read, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str) -> None:
    """The story ends in these outcomes and these findings, and in no other."""
    inventory, replies, expected = read(story)
    end = told(inventory, replies)
    findings = [
        {
            "cause": one.cause,
            "variant": one.variant,
            "host": one.host,
            "subject": one.subject,
            "explains": sorted(one.explains),
        }
        for one in end.findings
    ]
    assert expected["findings"] == sorted(findings, key=lambda one: (one["cause"], one["subject"]))
    assert expected["outcomes"] == dict(Counter(end.outcomes.values()))


@pytest.mark.parametrize("story", STORIES)
def test_findings_hold_proof(story: str) -> None:
    """Every finding that names a cause quotes a host, says what mends it and what shows it, and rules on all causes."""
    inventory, replies, _ = read(story)
    for finding in told(inventory, replies).findings:
        assert list(registry()) == list(finding.differential)
        assert finding.evidence
        assert all(finding.cause in registry()[code].hidden_by for code in finding.hides)
        if finding.cause != "undetermined":
            assert finding.differential[finding.cause].answer == "proven"
            assert finding.fix
            assert finding.verify
            assert {line.host for line in finding.evidence} <= set(inventory.hosts)
            assert registry()[finding.cause].title in finding.title
        else:
            assert "proven" not in {ruling.answer for ruling in finding.differential.values()}


def test_what_is_hidden_is_said() -> None:
    """On which port a stopped service would listen cannot be seen, and the finding says so."""
    inventory, replies, _ = read("nginx-stopped")
    assert [("service-not-running", True)] == [
        (finding.cause, {"wrong-port", "wrong-bind-address"} <= set(finding.hides))
        for finding in told(inventory, replies).findings
    ]


SINCE = {"binding", "kernel", "lookups", "processes", "queues", "routes", "serving", "trouble"}
"""Probes that are newer than the oldest stories; without them a host's state alone decides."""


@pytest.mark.parametrize("story", STORIES)
def test_everything_asked_was_answered(story: str) -> None:
    """A story holds an answer to each question that its items ask, so that it is about the hosts and not about gaps."""
    inventory, replies, _ = read(story)
    for host, asked in questions(inventory, declared(inventory), 4).items():
        if host != "localhost":  # no lab host: it is only named as a source
            assert replies[host].unreached or set(asked) - SINCE <= set(replies[host].frames), host


def losses(replies: Mapping[str, Reply]) -> Iterator[tuple[str, dict[str, Reply]]]:
    """The same replies with one answer lost: cut off, failed in one of the ways a command fails, or a whole host."""
    for host, reply in replies.items():
        yield f"{host}: not reached", {**replies, host: Reply(host=host, frames={}, unreached="timed-out")}
        for probe, frame in reply.frames.items():
            others = [
                Missing(f"{probe}: the answer was cut off"),
                Frame(text="", status=127),
                Frame(text="", status=124),
            ]
            if isinstance(frame, Frame):
                others += [Frame(text=frame.text, status=255), Frame(text="", status=0)]
            for other in others:
                yield f"{host} {probe}", {**replies, host: replace(reply, frames={**reply.frames, probe: other})}


@pytest.mark.parametrize("story", STORIES)
def test_a_lost_answer_proves_nothing(story: str) -> None:
    """Whatever is lost, no passed item fails, no failed one passes, and none is explained by another cause."""
    inventory, replies, _ = read(story)
    whole = told(inventory, replies)
    for lost, rest in losses(replies):
        end = told(inventory, rest)
        for item, outcome in end.outcomes.items():
            assert outcome in {whole.outcomes[item], "error", "skipped"}, (lost, item)
            assert end.causes(item) <= whole.causes(item) | {"undetermined"}, (lost, item)


@pytest.mark.parametrize("story", ["redirected-to-its-own-port", "published-without-a-listener"])
def test_rules_that_nobody_may_read(story: str) -> None:
    """Where a client connects somebody serves, by whatever rules: unread, they make the port no fault of its own."""
    inventory, replies, _ = read(story)
    unread = Missing("nft: needs root")
    web = replies["web1"]
    hidden = replace(web, frames={**web.frames, "nft": unread, "iptables": unread})
    end = told(inventory, {**replies, "web1": hidden})
    assert not end.findings
    assert {"error"} == {outcome for item, outcome in end.outcomes.items() if item.startswith("ports ")}


@pytest.mark.parametrize("story", STORIES)
def test_no_secret(story: str) -> None:
    """No word of a password, and nothing of the machine that recorded it, is in a story."""
    text = (HERE / story / "evidence.json").read_text()
    assert not [word for word in ("s3cr3t", "/srv/", "PRIVATE KEY") if word in text]
