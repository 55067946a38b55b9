"""Does the audit tell which program keeps the rules that block, and mend them with that program?

Each firewall of the image is put before the web server of a healthy fleet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from .audit import audit
from .audit_fleet import ITEMS, PATHS, WEB, fleet
from .faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Lab, Symptom
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

ALLOW = "firewall web1 80/tcp allow any"


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


def audited(hosts: Fleet) -> Audited:
    """What does an audit as root say?"""
    return audit(hosts.lab, "--connect-timeout=1.5", inventory=hosts.inventory())


NO_RULES = (
    "ufw --force disable; ufw --force reset; systemctl stop firewalld; for p in iptables-nft ip6tables-nft"
    " iptables-legacy; do $p -F; $p -X; $p -P INPUT ACCEPT; $p -P FORWARD ACCEPT; done; nft flush ruleset"
)
RST = "-I INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One way in which a firewall keeps clients out."""

    program: str  # that keeps the rules, and so must mend them
    put: str
    variant: str
    met: Symptom
    quoted: str

    def __str__(self) -> str:
        return f"{self.program} {self.variant} {self.quoted[:6]}"


# Legacy tables stay once they were used, and iptables-nft-save warns of them from then on: the later ones see that too.
WALLS = (
    Wall(program="iptables-legacy", put=f"iptables-legacy {RST}", variant="reject-tcp-reset", met="refused",
         quoted="--dport 80 -j REJECT"),
    Wall(program="iptables", put=f"iptables-nft {RST}", variant="reject-tcp-reset", met="refused",
         quoted="--dport 80 -j REJECT"),
    Wall(program="ufw", put="ufw allow 22; ufw reject 80/tcp; ufw --force enable", variant="reject-tcp-reset",
         met="refused", quoted="-A ufw-user-input .*--dport 80 -j REJECT"),
    Wall(program="ufw", put="ufw allow 22; ufw deny 80/tcp; ufw --force enable", variant="drop", met="timed-out",
         quoted="-A ufw-user-input .*--dport 80 -j DROP"),
    Wall(program="ufw", put="ufw allow 22; ufw --force enable", variant="drop", met="timed-out", quoted="policy drop"),
    Wall(program="firewall-cmd", put="systemctl start firewalld; firewall-cmd --list-all",
         variant="reject-icmp", met="unreachable", quoted="reject with icmpx admin-prohibited"),
)  # fmt: skip


@pytest.fixture(scope="module", params=WALLS, ids=str)
def walled(request: pytest.FixtureRequest, hosts: Fleet) -> Iterator[tuple[Wall, Symptom, Audited]]:
    """Put one firewall up, look for oneself and audit; take it down in the end."""
    wall: Wall = request.param
    with Fault(title=str(wall), put=wall.put, mend=NO_RULES).on(hosts.web):
        yield wall, hosts.app.connect(WEB, 80), audited(hosts)


def test_firewalls(walled: tuple[Wall, Symptom, Audited]) -> None:
    """Whichever program keeps the rules, its own rule is quoted, and it is the one to mend them."""
    wall, met, run = walled
    assert wall.met == met
    assert [("server-firewall", wall.variant, "web1")] == run.named, run
    (finding,) = run.findings
    assert (PATHS | {ALLOW}, run.ids("failed")) == (run.of("failed"), set(finding["explains"]))
    assert any(re.search(wall.quoted, line["line"]) for line in finding["evidence"] if line["host"] == "web1"), finding
    assert wall.program == finding["fix"][0].split()[0]


def test_firewalls_are_mended(hosts: Fleet, walled: tuple[Wall, Symptom, Audited]) -> None:
    """The commands of the finding let everybody in, and the next audit is green."""
    _, _, run = walled
    for line in run.findings[0]["fix"]:
        hosts.web.run(line)
    mended = audited(hosts)
    assert (0, {"passed": ITEMS}) == (mended.status, mended.outcomes), mended
