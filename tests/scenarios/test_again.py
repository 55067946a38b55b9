"""What is asked at the second look: which address of several is dialled again, and what is a server asked only then?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whyrefused import again, judge
from whyrefused.evidence import Evidence

from .replay import questions_of, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Frame, Missing, Reply
    from whyrefused.script import Asked

PATH = "connects app1 http://web.example.test/"


def more(story: str, path: str, replies: Mapping[str, Reply]) -> Mapping[str, Mapping[str, Asked]]:
    """What is each host asked once more, had nothing been proven of the path?"""
    inventory, _, _ = read(story)
    evidence = Evidence(replies.values())
    judged = [judge.judge(one, evidence, pytest.skip.Exception) for one in questions_of(inventory)]
    failed = [one for one in judge.failures(judged) if one.id == path]
    (known, *_) = judge.explain(inventory, judged, evidence)
    open_ = replace(known, cause="undetermined", explains=(path,))
    return again.questions(inventory, failed, [open_], evidence)


def asked(replies: Mapping[str, Reply]) -> dict[str, str]:
    """With which words are both hosts asked?"""
    found = more("bad-member-and-loopback", PATH, replies)
    return {probe: words[0] for probes in found.values() for probe, words in probes.items() if words}


def test_the_deciding_address() -> None:
    """The server's own, though the last one that was tried is another host's, at whose packets nobody would look."""
    _, replies, _ = read("bad-member-and-loopback")
    found = asked(replies)
    assert {"burst", "watch"} == set(found)
    assert "198.18.0.10/198.18.0.11/80" == found["watch"]
    assert found["burst"].startswith("198.18.0.10/198.18.0.11/80/")


def test_a_server_that_nobody_declared() -> None:
    """What a server is always asked, and was not; the dial is made again besides."""
    name = "rejected-at-a-name-nobody-declared"
    _, replies, _ = read(name)
    server = replies["web1"]
    first = {probe: server.frames[probe] for probe in ("identity", "units", "trouble", "listeners", "addresses")}
    path = "connects app1 http://web.example.test/"
    found = more(name, path, {**replies, "web1": replace(server, frames=first)})
    assert {"identity", "burst"} == set(found["app1"])
    assert {"identity", "nft", "iptables", "queues", "kernel", "routes", "watch"} <= set(found["web1"])
    assert not set(first) - {"identity"} & set(found["web1"])
    unreached = replace(server, frames={}, unreached="no route to host")
    assert {} == more(name, path, {**replies, "web1": unreached})


def test_nothing_where_that_one_tells_nothing() -> None:
    """A connection that no packet of was sent is not made a dozen times more."""
    _, replies, _ = read("bad-member-and-loopback")
    frames: dict[str, Frame | Missing] = dict(replies["app1"].frames)
    dials = frames["dials"]
    text = dials.text.replace("198.18.0.11\tECONNREFUSED", "198.18.0.11\tEPERM")  # type: ignore[union-attr] # a story's
    frames["dials"] = replace(dials, text=text)  # type: ignore[arg-type]
    assert {} == asked({**replies, "app1": replace(replies["app1"], frames=frames)})
