"""firewall: the rules let in every declared source, and refuse those that must be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import verdicts
from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.firewall import FirewallItem


def look(declared: FirewallItem, evidence: Evidence) -> Seen:
    """What do the rules do with a new connection from the source? A verdict that cannot be told is *could not look*."""
    host = evidence[declared.host]
    found = verdicts.of_item(evidence, declared)
    unclear = [one for one in found if one.answer == "cannot-tell"]
    wrong = [one for one in found if one not in unclear and (one.answer == "accept") is not declared.let_in]
    if unclear and not wrong:
        raise CouldNotLook(f"{host.name}: {verdicts.words(unclear[0])}")
    shown = wrong or found
    lines = tuple(dict.fromkeys(line for one in shown for line in verdicts.lines(host, one)))
    said = "; ".join(dict.fromkeys(verdicts.words(one) for one in shown))
    return Seen(
        value=found, said=said, lines=lines or (host.line("nft list ruleset; iptables-save", "no rule applies"),)
    )


def test_firewall(declared: FirewallItem, seen: Seen) -> None:
    """Every part of the source is let in, or every part is refused, as declared."""
    decided = [one for one in seen.value if one.answer != "cannot-tell"]
    assert decided
    assert all((one.answer == "accept") is declared.let_in for one in decided)
