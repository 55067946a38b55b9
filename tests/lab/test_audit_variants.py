"""Does the audit tell the ways apart in which a service is down or a firewall blocks, and keep silent where all is well?

Each test breaks one host of a healthy fleet, audits as root, and does what the finding says.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from . import faults, healthy
from .audit import audit
from .audit_fleet import DECLARED, ITEMS, PATHS, WEB, fleet
from .faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Host, Lab
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab

PORT, ALLOW, SERVICE = "ports web1 80/tcp", "firewall web1 80/tcp allow any", "services web1 nginx"
DOWN = PATHS | {PORT, SERVICE}
BAD = "/etc/nginx/conf.d/bad.conf"
WELL = "systemctl reset-failed nginx; systemctl -q enable --now nginx"


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet, all well."""
    return fleet(lab)


def audited(hosts: Fleet, text: str = DECLARED, *options: str) -> Audited:
    """What does an audit as root say?"""
    return audit(hosts.lab, "--connect-timeout=2", *options, inventory=hosts.inventory(text=text))


def done(host: Host, fix: list[str]) -> None:
    """Do what the finding says; all of it must be commands."""
    for line in fix:
        host.run(line)


def iptables(program: str, *rule: str) -> Fault:
    """The host refuses a port by a rule of iptables."""
    words = " ".join(rule)
    return Fault(title=f"{program} {words}", put=f"{program} -I INPUT {words}", mend=f"{program} -D INPUT {words}")


def ufw(action: str) -> Fault:
    """Ufw keeps the host, lets SSH in, and refuses the web."""
    return Fault(
        title=f"ufw {action}",
        put=f"ufw allow 22/tcp && ufw {action} 80/tcp && ufw --force enable",
        mend="ufw --force disable; ufw --force reset",
    )


RST = ("-p", "tcp", "--dport", "80", "-j", "REJECT", "--reject-with", "tcp-reset")
FIREWALLS = (
    (iptables("iptables-nft", *RST), "reject-tcp-reset", "refused", r"--dport 80 -j REJECT|tcp dport 80 .*reject"),
    (iptables("iptables-legacy", *RST), "reject-tcp-reset", "refused", r"--dport 80 -j REJECT"),
    (ufw("reject"), "reject-tcp-reset", "refused", r"--dport 80 -j REJECT"),
    (ufw("deny"), "drop", "timed-out", r"--dport 80 -j DROP"),
)


@pytest.mark.parametrize(
    ("fault", "variant", "met", "quoted"), FIREWALLS, ids=[str(fault)[:20] for fault, *_ in FIREWALLS]
)
def test_firewalls(hosts: Fleet, fault: Fault, variant: str, met: str, quoted: str) -> None:
    """Whichever program keeps the rules, its own rule is quoted, and the fix is a command of that program."""
    web = hosts.web
    with fault.on(web):
        assert met == hosts.app.connect(WEB, 80)
        run = audited(hosts)
        assert [("server-firewall", variant, "web1")] == run.named, run
        (finding,) = run.findings
        assert (PATHS | {ALLOW}, run.ids("failed")) == (run.of("failed"), set(finding["explains"]))
        assert any(re.search(quoted, line["line"]) for line in finding["evidence"] if line["host"] == "web1"), finding
        assert str(fault).split()[0].removesuffix("-nft") in finding["fix"][0]
        done(web, finding["fix"][:1])
        mended = audited(hosts)
        assert (0, {"passed": ITEMS}) == (mended.status, mended.outcomes), mended
        web.run(f"{fault.put}", check=False)  # what the fix deleted can be taken out again
