"""Is nothing named wrong where a fault only looks like one of the documented ones?

A path is broken in ways that an audit may not be able to tell yet. It may say so; it may not name another cause than
the true one, nor exclude the true one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from .audit import audit
from .audit_fleet import AS_IT_WAS, DECLARED, WEB, fleet
from .faults import SITE, Fault

if TYPE_CHECKING:
    from . import Lab, Symptom
    from .audit import Audited
    from .audit_fleet import Fleet

pytestmark = pytest.mark.lab


def table(chain: str, rule: str) -> str:
    """Which shell text loads one nft chain?"""
    return f"nft 'table inet near {{ chain c {{ type {chain}; policy accept; {rule}; }}; }}'"


GONE = "nft delete table inet near"
IN, OUT = "filter hook input priority 0", "filter hook output priority 0"
NAT = "nat hook prerouting priority -100"

# Holds port 80 with room for one connection and takes none; app1 fills that room.
FULL = (
    "systemctl stop nginx; systemd-run -q --collect --unit=full /usr/bin/python3 -c 'import socket, time;"
    ' s = socket.create_server(("0.0.0.0", 80), backlog=0); time.sleep(600)\';'
    " until ss -Hltn sport = :80 | grep -q .; do sleep 0.1; done;"
    " for i in 1 2 3; do systemd-run -q --collect --unit=fill$i socat -u TCP:127.0.0.1:80 OPEN:/dev/null; done;"
    " until ss -Hltn sport = :80 | grep -q '^LISTEN *[1-9]'; do sleep 0.1; done"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """One way in which web1's port 80 is not reached, and the only cause that may be named for it."""

    title: str
    host: str
    put: str
    mend: str
    met: Symptom  # by app1 at the web server
    true: tuple[str, ...]  # causes that may be named; the first is the true one and may not be excluded either
    text: str = DECLARED

    def __str__(self) -> str:
        return self.title


NEARS = (
    Near(title="redirect on the server", host="web1", put=table(NAT, "tcp dport 80 redirect to :81"), mend=GONE,
         met="refused", true=("nat-misconfiguration",)),
    Near(title="dnat on the server", host="web1", put=table(NAT, "tcp dport 80 dnat ip to 203.0.113.9"), mend=GONE,
         met="timed-out", true=("nat-misconfiguration",)),
    Near(title="client rejects", host="app1", put=table(OUT, "tcp dport 80 reject with tcp reset"), mend=GONE,
         met="refused", true=("client-firewall",)),
    Near(title="client rejects with ICMP", host="app1", put=table(OUT, "tcp dport 80 reject"), mend=GONE,
         met="refused", true=("client-firewall",)),
    Near(title="client drops", host="app1", put=table(OUT, "tcp dport 80 drop"), mend=GONE, met="timed-out",
         true=("client-firewall",)),
    Near(title="server drops its answers", host="web1", put=table(OUT, "tcp sport 80 drop"), mend=GONE,
         met="timed-out", true=("server-firewall",)),
    Near(title="unreachable route of the client", host="app1", put="ip route add unreachable $web1",
         mend="ip route del unreachable $web1", met="unreachable", true=("nat-misconfiguration",)),
    Near(title="prohibited route of the client", host="app1", put="ip route add prohibit $web1",
         mend="ip route del prohibit $web1", met="unreachable", true=("nat-misconfiguration",)),
    Near(title="blackhole route of the server", host="web1", put="ip route add blackhole $app1",
         mend="ip route del blackhole $app1", met="timed-out", true=("nat-misconfiguration",)),
    Near(title="connection limit", host="web1", put=table(IN, "tcp dport 80 ct count over 0 reject with tcp reset"),
         mend=GONE, met="refused", true=("overload", "server-firewall")),
    Near(title="rate limit", host="web1", mend=GONE, met="refused", true=("overload", "server-firewall"),
         put=table(IN, "tcp dport 80 limit rate over 1/hour burst 1 packets reject with tcp reset")
         + "; for i in 1 2 3; do nc -z -w1 127.0.0.1 80; done"),
    Near(title="accept queue full", host="web1", put=FULL, met="timed-out", true=("overload", "service-not-running"),
         mend=f"systemctl stop full 'fill*'; {AS_IT_WAS}"),
    Near(title="another daemon that hangs up", host="web1", met="reset",
         put="systemctl stop nginx; systemd-run -q --collect --unit=rude socat TCP-LISTEN:80,fork,reuseaddr EXEC:true;"
         " until ss -Hltn sport = :80 | grep -q .; do sleep 0.1; done",
         mend=f"systemctl stop rude; {AS_IT_WAS}", true=("service-not-running",)),
    Near(title="running without a listener", host="web1",
         put="rm /etc/nginx/sites-enabled/default; systemctl restart nginx",
         mend=f"ln -s {SITE} /etc/nginx/sites-enabled/default; {AS_IT_WAS}", met="refused",
         true=("service-not-running", "wrong-port")),
    Near(title="on another interface's address", host="web1", met="refused", true=("wrong-bind-address",),
         put=f"sed -i 's/listen 80 /listen 10.9.0.2:80 /' {SITE}; systemctl restart nginx", mend=AS_IT_WAS),
    Near(title="IPv4-only for an IPv6 client", host="web1", met="connected", true=("wrong-bind-address",),
         put=f"sed -i '/\\[::\\]/d' {SITE}; systemctl restart nginx", mend=AS_IT_WAS,
         text=DECLARED.replace(f'"http://{WEB}/"', '{to: "http://[${web1.v6}]/", server: web1}')),
    Near(title="declared for a unit that is not the owner", host="web1", put="true", mend="true", met="connected",
         true=("wrong-port", "service-not-running"), text=DECLARED.replace("service: nginx", "service: haproxy")),
)  # fmt: skip


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Fleet:
    """Boot the fleet; web1 has an address on a network of its own besides."""
    made = fleet(lab)
    made.web.wire("back", "10.9.0.2/24")
    return made


def audited(hosts: Fleet, near: Near, user: str) -> Audited:
    """What does an audit under this login say?"""
    return audit(hosts.lab, "--connect-timeout=1.5", inventory=hosts.inventory(user, near.text))


@pytest.mark.parametrize("near", NEARS, ids=str)
def test_nothing_is_named_wrong(hosts: Fleet, near: Near) -> None:
    """Whoever logs in: the true cause, or none; and the true one is never excluded."""
    put, mend = (text.replace("$web1", hosts.web.address).replace("$app1", hosts.app.address)
                 for text in (near.put, near.mend))  # fmt: skip
    with Fault(title=near.title, put=f"{put}; true", mend=f"{mend}; true").on(hosts.lab[near.host]):
        met = hosts.app.connect(WEB, 80)
        with ThreadPoolExecutor() as pool:
            runs = list(pool.map(partial(audited, hosts, near), ("root", "auditor")))
    for run in runs:
        assert (near.met, 1) == (met, run.status), run
        assert {cause for cause, _, _ in run.named} <= {*near.true, "undetermined"}, run
        open_ones = [one["differential"] for one in run.findings if one["cause"] == "undetermined"]
        assert "excluded" not in [one[near.true[0]]["answer"] for one in open_ones], run
        assert run.ids("failed") <= {id_ for one in run.findings for id_ in one["explains"]}, run
