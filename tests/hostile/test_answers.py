"""Does what one host says cost the others anything? Words that no host has any business with, in whole answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hostile import poison
from scenarios import replay

from whyrefused import diagnose, firewall, judge
from whyrefused.probes import Unreadable, dials
from whyrefused.records import Frame

WORDS = ("/", "-1", "9" * 20, "9" * 5000, ".", "::", "\t", "\n", "\u00b2", "\udcff", "\0", "[", "x" * 3000)
STORIES = ("iptables-reject", "nft-reject-reset", "bad-configuration", "browser-flag-proxy")


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("every", [2, 11, 90])
def test_every_item_is_judged(story: str, every: int) -> None:
    """Each declared item has its one verdict, and no rule of a cause breaks."""
    inventory, kept, _ = replay.read(story)
    declared = {one.id for one in replay.questions_of(inventory)}
    for start in range(6):
        run = poison.judged(inventory, poison.replies(kept, WORDS, every, start * 17))
        assert (declared, len(declared)) == ({one.id for one in run.results}, len(run.results))
        because = {one.because for found in run.findings for one in found.differential.values()}
        assert [] == [words for words in because if words.startswith("the rule itself failed")]


def test_a_rule_that_breaks_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a cause's rule breaks, that cause is unknown, and the findings stand."""
    inventory, kept, _ = replay.read("bad-configuration")
    before = poison.judged(inventory, kept)

    def rule(*_: object) -> None:
        raise KeyError("INPUT")

    broken = {**diagnose.registry(), "dns": SimpleNamespace(rule=rule, hidden_by=(), title="x")}
    monkeypatch.setattr(diagnose, "registry", lambda: broken)
    after = poison.judged(inventory, kept)
    assert [one.id for one in before.findings] == [one.id for one in after.findings]
    assert {("unknown", "the rule itself failed: KeyError: 'INPUT'")} == {
        (one.differential["dns"].answer, one.differential["dns"].because) for one in after.findings
    }


def test_a_case_that_breaks_has_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a failure itself cannot be told, it stays a failure, and nothing is raised."""
    inventory, kept, _ = replay.read("bad-configuration")

    def case_of(*_: object) -> None:
        raise KeyError("INPUT")

    monkeypatch.setattr(diagnose, "case_of", case_of)
    run = poison.judged(inventory, kept)
    assert () == run.findings
    assert "failed" in {one.outcome for one in run.results}


@pytest.mark.parametrize(
    "save", ["-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with owned", "-A INPUT -j REJECT --reject-with 1 2"]
)
def test_a_refusal_that_is_none(save: str) -> None:
    """A REJECT in a way that no kernel has is not modelled: the verdict is that nothing can be told."""
    rules = firewall.load(None, {"iptables-save": f"*filter\n:INPUT ACCEPT [0:0]\n{save}\nCOMMIT\n"})
    packet = firewall.Packet(source="192.0.2.7", destination="198.51.100.1", port=80)
    assert "cannot-tell" == firewall.judge(rules, packet).verdict


def test_an_own_address_that_is_none() -> None:
    """A dial from what is no address is not understood."""
    with pytest.raises(Unreadable):
        dials.parse(Frame(text="a 1\ttry\t192.0.2.1\tok\t1\towned\t-\na 1\tend", status=0))


def test_judged_alike_without_harm() -> None:
    """What has no payload is judged as ever."""
    inventory, kept, _ = replay.read("iptables-reject")
    plain, again = (poison.judged(inventory, it) for it in (kept, poison.replies(kept, ("",), 3, 0)))
    assert judge.NOT_RUN not in {one.observed for one in plain.results}
    assert plain == again
