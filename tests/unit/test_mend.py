"""Which commands mend what routes and address translation do wrong? By stories of real hosts."""

from __future__ import annotations

import pytest
from scenarios import replay

WORDS = [
    ("forward-missing", "no-forward", "tcp dport 8443 dnat to 10.9.0.2:80"),
    ("forward-missing", "no-forward", "nft add rule ip nat prerouting ip daddr "),
    ("forwarding-off", "forwarding-off", "sysctl -w net.ipv4.ip_forward=1"),
    ("no-masquerade", "no-return-path", "ip daddr 10.9.0.2 oifname inside masquerade"),
    ("leftover-redirect", "leftover-redirect", "iptables -t nat -D PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT"),
    ("client-route-blackhole", "route-blackhole", "ip route del "),
    ("forward-answers-dropped", "forward-blocked", "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
]


@pytest.mark.parametrize(("story", "variant", "words"), WORDS)
def test_fix(story: str, variant: str, words: str) -> None:
    """The finding names the variant, and its fix the command for the tool that holds the rule."""
    inventory, replies, _ = replay.read(story)
    (finding,) = replay.told(inventory, replies).findings
    assert ("nat-misconfiguration", variant) == (finding.cause, finding.variant)
    assert words in "\n".join(finding.fix)
