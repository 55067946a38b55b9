"""Who refused? What two answers, or an ICMP error and its sender, say."""

from __future__ import annotations

import pytest

from whyrefused.ssh.refusal import MARK, Icmp, Knock, Reset, by_icmp, told

KERNEL, RULE, FAR = Reset(service=MARK, ttl=64), Reset(service=0, ttl=64), Reset(service=0, ttl=63)
REFUSED, REJECTED = Knock(word="refused"), Knock(word="rejected")


def knock(reset: Reset | None) -> Knock:
    """A refusal that was seen like this."""
    return Knock(word="refused", reset=reset)


@pytest.mark.parametrize(
    ("port", "control", "words"),
    [
        (knock(KERNEL), knock(KERNEL), "the port is closed, nobody listens on it"),
        (knock(KERNEL), Knock(word="silent"), "the port is closed, nobody listens on it"),
        (knock(RULE), knock(KERNEL), "a firewall's rule"),
        (knock(FAR), knock(KERNEL), "another machine"),
        (knock(KERNEL), knock(FAR), "another machine"),
        # Something between the two takes our mark off, or rejects both.
        (knock(RULE), knock(RULE), "or a firewall resets"),
        (knock(RULE), Knock(word="silent"), "silently dropped"),
        (REFUSED, REFUSED, "or a firewall resets"),
        (REFUSED, REJECTED, "by ICMP"),
        (REFUSED, Knock(word="silent"), "silently dropped"),
        (REFUSED, Knock(word="open"), ""),
        (REFUSED, Knock(word="other"), ""),
    ],
)
def test_told(port: Knock, control: Knock, words: str) -> None:
    """A reset is told by that of a port where nobody listens; what is not known is not claimed."""
    said = told(port, control, 61234)
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize(
    ("version", "code", "sender", "words"),
    [
        (4, 3, "192.0.2.5", "the host itself: its firewall rejects us"),
        (4, 1, "192.0.2.5", "the host itself: its firewall rejects us"),
        (4, 1, "192.0.2.1", "this machine itself: nobody answers for that address"),
        (4, 3, "192.0.2.1", "this machine itself: its own firewall"),
        (4, 13, "192.0.2.254", "'administratively prohibited' came from 192.0.2.254 on the way: a firewall"),
        (4, 0, "192.0.2.254", "it has no way to the host"),
        (6, 3, "192.0.2.254", "it has no way to the host"),
        (6, 77, "192.0.2.254", "'code 77'"),
    ],
)
def test_by_icmp(version: int, code: int, sender: str, words: str) -> None:
    """The sender of an ICMP error is who refuses."""
    assert words in by_icmp(Icmp(version=version, code=code, sender=sender), "192.0.2.5", "192.0.2.1")
