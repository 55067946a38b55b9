"""Does the audit tell the ways apart in which a service is down, and keep silent when all is well?

Each test breaks one host of a healthy fleet, audits as root, and does what the finding says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from . import faults, healthy
from .audit import audit
from .audit_fleet import AS_IT_WAS, DECLARED, ITEMS, LISTEN, PATHS, fleet
from .faults import SITE, Fault

if TYPE_CHECKING:
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
    return audit(hosts.lab, "--connect-timeout=1.5", *options, inventory=hosts.inventory(text=text))


def done(host: Host, fix: list[str]) -> None:
    """Do what the finding says; all of it must be commands."""
    for line in fix:
        host.run(line)


def unit(name: str, command: str, *, more: str = "", service: str = "") -> str:
    """Which shell text writes and starts such a service?"""
    text = f"[Unit]\\n{more}\\n[Service]\\nExecStart={command}\\n{service}\\n"
    return f"printf '{text}' >/etc/systemd/system/{name}.service; systemctl daemon-reload; systemctl start {name}"


def gone(name: str) -> str:
    """Which shell text takes it away?"""
    return f"systemctl stop {name}; rm /etc/systemd/system/{name}.service; systemctl daemon-reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """One way in which a service is down."""

    variant: str
    put: str
    mend: str
    quoted: str
    failed: frozenset[str] = frozenset({"services web1 nginx", "ports web1 80/tcp"}) | PATHS
    unit: str = "nginx"  # declared to run, as nginx is
    mends: bool = True  # whether the commands of the fix are all that it takes

    def __str__(self) -> str:
        return f"{self.unit} {self.variant}"


def only(name: str) -> frozenset[str]:
    """Which items fail where a unit is down that no port is declared for?"""
    return frozenset({f"services web1 {name}"})


def declaring(name: str) -> str:
    """Which fleet is declared with this unit running on the web server too? `once` is to hold a port besides."""
    port = "\n            9000/tcp: {service: once}" if name == "once" else ""
    there = "enabled: true}}\n          ports:"
    more = f"enabled: true}}, {name}: running}}\n          ports:{port}"
    return DECLARED if name == "nginx" else DECLARED.replace(there, more, 1)


DOWNS = (
    Down(variant="masked", put="systemctl stop nginx; systemctl -q mask nginx", quoted="LoadState=masked",
         mend=f"systemctl -q unmask nginx; {WELL}"),
    Down(variant="failed", put="systemctl kill -s KILL nginx; until systemctl is-failed nginx; do sleep 0.1; done",
         quoted="Result=signal", mend=WELL),
    Down(variant="failed", put=f"echo nonsense >{BAD}; systemctl restart nginx", quoted="Result=exit-code",
         mend=f"rm {BAD}; {WELL}", mends=False),
    Down(variant="not-installed", unit="apache2", put="true", mend="true", quoted="LoadState=not-found",
         failed=only("apache2"), mends=False),
    Down(variant="crash-loop", unit="flapper", failed=only("flapper"), quoted=r"NRestarts=\d+", mend=gone("flapper"),
         put=unit("flapper", '/bin/sh -c "sleep 0.1; exit 3"', more="StartLimitIntervalSec=0",
                  service="Restart=always\\nRestartSec=0.1")
         + "; until [ $(systemctl show -p NRestarts --value flapper) -ge 3 ]; do sleep 0.1; done", mends=False),
    Down(variant="active-exited", unit="once", failed=frozenset({"ports web1 9000/tcp"}), mends=False,
         put=unit("once", "/bin/true", service="Type=oneshot\\nRemainAfterExit=yes"),
         quoted="SubState=exited", mend=gone("once")),
)  # fmt: skip


@pytest.mark.parametrize("down", DOWNS, ids=str)
def test_service_not_running(hosts: Fleet, down: Down) -> None:
    """Each way in which a service is down has its variant, systemd's own words and, where there is one, its fix."""
    text = declaring(down.unit)
    with Fault(title=down.variant, put=f"{down.put}; true", mend=down.mend).on(hosts.web):
        run = audited(hosts, text)
        assert [("service-not-running", down.variant, "web1")] == run.named, run
        (finding,) = run.findings
        if down.mends:
            done(hosts.web, finding["fix"])
            mended = audited(hosts, text)
            assert (0, []) == (mended.status, mended.findings), mended
        told = hosts.web.run(finding["fix"][0], check=False) if down.variant == "failed" else ""
    assert (down.failed, set(finding["explains"])) == (run.of("failed"), run.ids("failed"))
    assert any(re.search(down.quoted, line["line"]) for line in finding["evidence"] if line["host"] == "web1"), finding
    if "nonsense" in down.put:
        assert BAD in told


HOLDER = (
    "systemd-run -q --collect --unit=thief socat TCP-LISTEN:80,fork,reuseaddr EXEC:/bin/cat;"
    " until ss -Hltn sport = :80 | grep -q .; do sleep 0.1; done"
)


def test_another_daemon_holds_the_port(hosts: Fleet) -> None:
    """Where another daemon took the port and the service went elsewhere, the holder is named and quoted."""
    moved = faults.nginx_moved(8080)
    holder = Fault(title="held", put=f"{moved.put}; {HOLDER}", mend=f"systemctl stop thief; {moved.mend}")
    with holder.on(hosts.web):
        run = audited(hosts)
    assert [("wrong-port", "held-by-another", "web1")] == run.named, run
    assert {PORT} == run.of("failed")
    assert "thief.service" in run.first_lines[0]
    assert {"socat", "nginx"} <= set(
        re.findall(r'\(\("([a-z]+)"', str([one["line"] for one in run.findings[0]["evidence"]]))
    )


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "not-started"])
def test_the_fix_frees_a_held_port(hosts: Fleet, moved: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """What the finding tells to do, done, gives the port back to the service, whoever holds it now."""
    before = faults.nginx_moved(8080).put if moved else "systemctl stop nginx"
    with Fault(title="held", put=f"{before}; {HOLDER}; systemctl start nginx; true",
               mend=f"systemctl stop thief; {AS_IT_WAS}").on(hosts.web):  # fmt: skip
        (finding,) = audited(hosts).findings
        for line in finding["fix"]:
            hosts.web.run(LISTEN if "listen 0.0.0.0:80;" in line else line, check=False)
        assert "refused" != hosts.web.connect("127.0.0.1", 80)
        assert [] == audited(hosts).findings


def test_two_faults_are_two_findings(hosts: Fleet) -> None:
    """A stopped service behind a rejecting rule: two findings; the paths count for what they met first; both fixed."""
    with faults.nginx_stopped().on(hosts.web), faults.port_rejected(80).on(hosts.web):
        run = audited(hosts)
        assert {("server-firewall", "reject-tcp-reset", "web1"), ("service-not-running", "stopped", "web1")} == set(
            run.named
        ), run
        for finding in run.findings:
            done(hosts.web, finding["fix"])
        mended = audited(hosts)
        hosts.web.run("nft 'add table inet guard80'")
    explained = {one["check"]: one["finding"].partition(":")[0] for one in run.results if one["outcome"] == "failed"}
    assert {
        "connects": "server-firewall", "firewall": "server-firewall",
        "ports": "service-not-running", "services": "service-not-running",
    } == explained  # fmt: skip
    assert DOWN | {ALLOW} == run.of("failed")
    assert (0, {"passed": ITEMS}) == (mended.status, mended.outcomes), mended


def test_faults_of_two_hosts_are_told_apart(hosts: Fleet) -> None:
    """A stopped web server and a database on loopback: a finding each, each with the items of its own host."""
    conf = "/etc/redis/redis.conf"
    bound = Fault(
        title="redis on loopback",
        put=f"cp {conf} /root/redis; sed -i 's/^bind .*/bind 127.0.0.1/' {conf}; systemctl restart redis-server",
        mend=f"cp /root/redis {conf}; systemctl restart redis-server",
    )
    with faults.nginx_stopped().on(hosts.web), bound.on(hosts.database):
        met = [hosts.app.connect(hosts.web.address, 80), hosts.app.connect(hosts.database.address, 6379)]
        run = audited(hosts)
    assert ["refused", "refused"] == met
    assert {("service-not-running", "stopped", "web1"), ("wrong-bind-address", "loopback", "db1")} == set(run.named)
    explained = [{id_ for id_ in one["explains"] if "db" in id_} for one in run.findings if one["host"] == "web1"]
    assert [set()] == explained


def test_only_the_controller_is_kept_out(hosts: Fleet) -> None:
    """`localhost` among the clients is the machine that runs the audit: it dials, and its refusal is explained."""
    text = DECLARED.replace("clients: [app, localhost]", "clients: [localhost]")
    with faults.port_rejected(80, source=hosts.lab.address).on(hosts.web):
        met = (hosts.lab.connect(hosts.web.address, 80), hosts.app.connect(hosts.web.address, 80))
        run = audited(hosts, text)
    assert ("refused", "connected") == met
    assert [("server-firewall", "reject-tcp-reset", "web1")] == run.named, run
    assert {"connects localhost web1:80", ALLOW} == run.of("failed")
    assert any(hosts.lab.address in line["line"] for line in run.findings[0]["evidence"] if line["host"] == "web1")


SILENT = """
all:
  vars:
    expect: {proxy: none}
  children:
    web:
      hosts: {web1: {}}
      vars:
        expect:
          services: {nginx: running, relay: running, sshd: {state: running, enabled: true}, echo.socket: running}
          ports:
            80/tcp: {service: nginx, allow: [any], clients: [localhost]}
            7000/tcp: {service: relay, allow: [any]}
            7777/tcp: {service: echo.socket, clients: [localhost]}
            22/tcp: {service: sshd, allow: [any], clients: [localhost]}
            81/tcp: absent
"""
RELAY = (
    "printf '[Socket]\\nListenStream=7000\\n' >/etc/systemd/system/relay.socket;"
    " printf '[Service]\\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:80\\n'"
    " >/etc/systemd/system/relay.service; systemctl daemon-reload; systemctl start relay.socket"
)
DUAL = f"sed -i -E '/listen 80 /d; s/listen \\[::\\]:80 /&ipv6only=off /' {SITE} && systemctl restart nginx"


def test_what_is_well_stays_silent(hosts: Fleet) -> None:
    """No finding for a dual-stack [::], an idle socket-activated service, an alias, or a rule for another port."""
    healthy.socket_activated(hosts.web, "echo", 7777)
    hosts.web.run(RELAY)
    well = Fault(title="well", put=DUAL, mend=AS_IT_WAS)
    with well.on(hosts.web), faults.port_rejected(81).on(hosts.web), faults.port_dropped(8080).on(hosts.web):
        met = [hosts.app.connect(hosts.web.address, 80), hosts.app.connect(hosts.web.address, 81)]
        idle = hosts.web.run("systemctl is-active relay.service", check=False).strip()
        run = audited(hosts, SILENT)
    hosts.web.run("systemctl stop relay.socket relay.service echo.socket")
    assert (["connected", "refused"], "inactive") == (met, idle)
    assert (0, [], {"passed"}) == (run.status, run.findings, set(run.outcomes)), run


def test_a_socket_unit_of_another_name(hosts: Fleet) -> None:
    """A port that systemd holds for a service through a socket unit of another name is the service's."""
    text = SILENT.replace("7000/tcp: {service: relay", "7001/tcp: {service: relay").replace("7777", "7778")
    put = f"{RELAY}; cd /etc/systemd/system; sed 's/7000/7001\\nService=relay.service/' relay.socket >relay-in.socket"
    well = Fault(
        title="two sockets", put=f"{put}; systemctl daemon-reload; systemctl start relay-in.socket",
        mend="systemctl stop relay.socket relay-in.socket relay; rm /etc/systemd/system/relay-in.socket",
    )  # fmt: skip
    healthy.socket_activated(hosts.web, "echo", 7778)
    with well.on(hosts.web):
        run = audited(hosts, text)
    hosts.web.run("systemctl stop echo.socket")
    assert (0, []) == (run.status, run.findings), run


def test_not_enabled_is_not_down(hosts: Fleet) -> None:
    """A service that runs and does not start at boot is not called one that does not run."""
    with Fault(title="disabled", put="systemctl -q disable nginx", mend="systemctl -q enable nginx").on(hosts.web):
        run = audited(hosts)
    assert {SERVICE} == run.of("failed")
    assert "Service is not running" not in run.first_lines[0]
