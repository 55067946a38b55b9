"""Which runs do the tests of the report show? Realistic ones, made with `runpy`: `sample["broken"]()`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from whyrefused.records import Finding, Line, Result, Ruling, Run

CAUSES = {
    "service-not-running": (
        "Service is not running",
        (
            "The most common cause: the program that the client dials does not run on the server. It was never "
            "started, was stopped, or ended by itself. With nobody listening, the kernel answers the SYN with a reset."
        ),
    ),
    "wrong-port": (
        "Incorrect port",
        (
            "The service runs, but it does not listen on the port that the inventory declares; often a setting was "
            "changed on one side only."
        ),
    ),
    "wrong-bind-address": (
        "Listening on the wrong address",
        "The service runs and holds the port, but only on an address that its clients cannot reach, such as 127.0.0.1.",
    ),
    "server-firewall": (
        "Firewall blocking",
        (
            "The server's own firewall answers or swallows the connection before the service sees it. A reject rule "
            "refuses it at once; a drop rule lets it time out."
        ),
    ),
    "overload": (
        "Server overload or resource exhaustion",
        "The server has reached a limit: its queue of waiting connections, its open files, its connection table.",
    ),
    "nat-misconfiguration": (
        "Network misconfiguration",
        "A port forward (NAT) is missing, leads to the wrong place, or to a place that does not answer.",
    ),
    "wrong-destination": (
        "Incorrect hostname or port",
        "The server is as declared, and the client is configured to go elsewhere.",
    ),
    "dns": (
        "Incorrect DNS settings",
        "The name leads the client to an address that is not the server's, or to none.",
    ),
    "client-firewall": (
        "Local firewall or antivirus",
        "The client's own rules stop the connection before it leaves the machine.",
    ),
    "proxy": (
        "Proxy server issues",
        "The client is set to use a proxy that is offline, wrong or not meant for this destination.",
    ),
    "browser": (
        "Browser-related problems",
        "The connection works from the client's shell and fails in its browser: cache, policies, extensions.",
    ),
}


def line(host: str, source: str, text: str) -> Line:
    """What is this line of evidence?"""
    return Line(host=host, source=source, line=text)


def differential(proven: dict[str, Ruling], unknown: tuple[str, ...], excluded: str) -> dict[str, Ruling]:
    """What do all eleven answer, when these are proven and those unknown?"""
    return {
        cause: proven.get(cause)
        or (
            Ruling(answer="unknown", because="This version cannot tell.")
            if cause in unknown
            else Ruling(answer="excluded", because=excluded)
        )
        for cause in CAUSES
    }


LATER = ("overload", "nat-misconfiguration", "wrong-destination", "client-firewall", "browser")

SS_LOOPBACK = 'LISTEN 0 511 127.0.0.1:80 0.0.0.0:* users:(("nginx",pid=4127,fd=6)) cgroup:/system.slice/nginx.service'
SS_SOURCE = "ss -H -t -l -n -p -e"


def loopback() -> Finding:
    """Which finding is it when nginx listens on 127.0.0.1 only?"""
    evidence = (
        line("web1", SS_SOURCE, SS_LOOPBACK),
        line("app1", "connect 10.77.0.11:80", "errno 111 (ECONNREFUSED) after 0.4 ms"),
        line("app2", "connect 10.77.0.11:80", "errno 111 (ECONNREFUSED) after 0.5 ms"),
    )
    proof = Ruling(
        answer="proven",
        because="nginx holds port 80 on 127.0.0.1 alone, and clients dial 10.77.0.11.",
        evidence=evidence[:1],
    )
    return Finding(
        id="wrong-bind-address:web1:80/tcp",
        cause="wrong-bind-address",
        variant="loopback-only",
        host="web1",
        subject="80/tcp",
        title="web1: Listening on the wrong address: nginx.service listens on 127.0.0.1 only; clients dial "
        "10.77.0.11:80",
        explains=(
            "checks/test_ports.py::test_listens[web1-80/tcp]",
            "checks/test_connects.py::test_connects[app1-web1:80]",
            "checks/test_connects.py::test_connects[app2-web1:80]",
        ),
        evidence=evidence,
        fix=(
            "sudo sed -i 's/listen 127.0.0.1:80;/listen 80;/' /etc/nginx/sites-enabled/default",
            "sudo nginx -t && sudo systemctl reload nginx",
        ),
        verify=("ss -H -t -l -n 'sport = :80'", "nc -z -w 4 10.77.0.11 80"),
        differential=differential(
            {"wrong-bind-address": proof},
            LATER,
            "nginx.service is active and owns port 80; no rule matches the packet.",
        ),
    )


def stopped() -> Finding:
    """Which finding is it when the database is down, behind a firewall that would refuse it too?"""
    evidence = (
        line("db1", "systemctl show postgresql@15-main.service", "ActiveState=failed"),
        line("db1", "systemctl show postgresql@15-main.service", "Result=exit-code"),
        line("db1", "systemctl show postgresql@15-main.service", "ExecMainStatus=1"),
    )
    rule = line("db1", "nft -a list ruleset", "tcp dport 5432 ip saddr 10.77.0.12 reject with tcp reset # handle 14")
    return Finding(
        id="service-not-running:db1:postgresql@15-main.service",
        cause="service-not-running",
        variant="failed",
        host="db1",
        subject="postgresql@15-main.service",
        title="db1: Service is not running: postgresql@15-main.service says ActiveState=failed, Result=exit-code",
        explains=(
            "checks/test_services.py::test_service[db1-postgresql@15-main]",
            "checks/test_ports.py::test_listens[db1-5432/tcp]",
        ),
        evidence=evidence,
        fix=("sudo systemctl restart postgresql@15-main.service",),
        verify=("systemctl status postgresql@15-main.service", "journalctl -u postgresql@15-main.service -n 20"),
        differential=differential(
            {
                "service-not-running": Ruling(answer="proven", because="The unit has failed.", evidence=evidence[:1]),
                "server-firewall": Ruling(
                    answer="proven", because="A rule rejects 5432/tcp from 10.77.0.12.", evidence=(rule,)
                ),
            },
            LATER,
            "Nothing listens at all, on no address and no port.",
        ),
    )


def undetermined() -> Finding:
    """Which finding is it when the rules could not be read?"""
    evidence = (
        line("app2", "connect 10.77.0.21:9187", "timed out after 4.0 s (no answer to the SYN)"),
        line("db1", "nft -j list ruleset", "Operation not permitted (you must be root)"),
    )
    return Finding(
        id="undetermined:db1:9187/tcp",
        cause="undetermined",
        variant="",
        host="db1",
        subject="9187/tcp",
        title="db1: undetermined: app2 wants to connect to db1:9187, but its SYN is never answered",
        explains=("checks/test_connects.py::test_connects[app2-db1:9187]",),
        evidence=evidence,
        fix=(),
        verify=("sudo nft list ruleset",),
        differential=differential(
            {
                "server-firewall": Ruling(
                    answer="unknown",
                    because="The rules of db1 could not be read: root is needed.",
                    evidence=evidence[1:],
                )
            },
            ("client-firewall", "nat-misconfiguration"),
            "The exporter listens on 0.0.0.0:9187.",
        ),
    )


def failing() -> tuple[Result, ...]:
    """Which items are not as declared, or not decided?"""
    one, two, three = loopback(), stopped(), undetermined()
    return (
        Result(
            id=one.explains[0], host="web1", check="ports", subject="80/tcp", outcome="failed",
            expected="listening on 0.0.0.0, owned by nginx", observed="listening on 127.0.0.1 only",
            evidence=one.evidence[:1], finding=one.id,
        ),
        *(
            Result(
                id=id_, host=client, client=client, subject=f"{client} → web1:80", evidence=one.evidence[at : at + 1],
                outcome="failed",
                expected="connected", observed="refused", symptom="refused", check="connects", server="web1",
                destination="10.77.0.11", port=80, finding=one.id,
            )
            for at, (client, id_) in enumerate(zip(("app1", "app2"), one.explains[1:], strict=True), 1)
        ),
        Result(
            id=two.explains[0], host="db1", check="services", subject="postgresql@15-main", outcome="failed",
            expected="running, enabled", observed="failed (exit-code)", evidence=two.evidence, finding=two.id,
        ),
        Result(
            id=two.explains[1], host="db1", check="ports", subject="5432/tcp", outcome="failed",
            expected="listening on 0.0.0.0, owned by postgresql@15-main", observed="nothing listens on port 5432",
            evidence=(line("db1", SS_SOURCE, "LISTEN 0 128 0.0.0.0:22 0.0.0.0:* cgroup:/system.slice/ssh.service"),),
            finding=two.id,
        ),
        Result(
            id=three.explains[0], host="app2", check="connects", subject="app2 → db1:9187", outcome="failed",
            expected="connected", observed="timed-out", evidence=three.evidence[:1], finding=three.id, client="app2",
            server="db1", destination="10.77.0.21", port=9187, symptom="timed-out",
        ),
        Result(
            id="checks/test_firewall.py::test_allows[db1-9187/tcp-app]", host="db1", check="firewall",
            subject="9187/tcp from app", outcome="error", expected="let in",
            observed="could not look: nft needs root (add `ansible_become: true`)", evidence=three.evidence[1:],
        ),
    )  # fmt: skip


def quiet() -> tuple[Result, ...]:
    """Which items are as declared, or do not apply?"""
    hosts = {"app1": "10.77.0.12", "app2": "10.77.0.13", "db1": "10.77.0.21", "web1": "10.77.0.11"}
    environment = [
        Result(
            id=f"checks/test_proxy.py::test_proxy[{host}-{name}]", host=host, check="proxy", subject=name,
            outcome="passed", expected="unset", observed="unset in the login shell, /etc/environment, systemd",
            evidence=(line(host, "env -0", "PATH=/usr/local/bin:/usr/bin:/bin"),),
        )
        for host in hosts
        for name in ("http_proxy", "https_proxy", "all_proxy")
    ]  # fmt: skip
    names = [
        Result(
            id=f"checks/test_resolves.py::test_resolves[{host}-db.example.com]", host=host, check="resolves",
            subject="db.example.com", outcome="passed", expected="10.77.0.21", observed="10.77.0.21",
            evidence=(line(host, "getent ahostsv4 db.example.com", "10.77.0.21      STREAM db.example.com"),),
        )
        for host in hosts
    ]  # fmt: skip
    services = [
        Result(
            id=f"checks/test_services.py::test_service[{host}-{unit}]", host=host, check="services", subject=unit,
            outcome="passed", expected="running", observed="active (running)",
            evidence=(line(host, f"systemctl show {unit}.service", "ActiveState=active"),),
        )
        for host, unit in (("web1", "nginx"), ("web1", "ssh"), ("app1", "ssh"), ("app2", "ssh"), ("db1", "ssh"))
    ]  # fmt: skip
    later = Result(
        id="checks/test_headroom.py::test_headroom[db1-backlog]", host="db1", check="headroom", subject="backlog",
        outcome="skipped", expected="20% free", observed="not checked yet",
    )  # fmt: skip
    return (*environment, *names, *services, later)


def broken() -> Run:
    """Which run has faults of every kind?"""
    return Run(
        started="2026-11-22T06:00:01Z",
        finished="2026-11-22T06:00:03Z",
        inventory=("inventories/example",),
        hosts=("web1", "db1", "app1", "app2"),
        complete=True,
        results=(*failing(), *quiet()),
        findings=(loopback(), stopped(), undetermined()),
        groups={"web": ("web1",), "db": ("db1",), "app": ("app1", "app2"), "monitored": ("web1", "db1")},
        notes=("db1: without become; what needs root could not be read.",),
        foreign=(
            ("tests/test_backup.py::test_backup_is_fresh", "passed", ""),
            ("tests/test_backup.py::test_restore", "failed", "assert 3 == 4\n +  where 3 = restored()"),
        ),
    )


def healthy() -> Run:
    """Which run has nothing to find?"""
    results = tuple(it for it in quiet() if it.outcome == "passed")
    return replace(broken(), results=results, findings=(), notes=(), foreign=())


def resumed() -> Run:
    """Which run went on where another had been cut short?"""
    asked = (("web1", "2026-11-22T05:40:02Z"), ("app2", "2026-11-22T05:40:01Z"))
    return replace(broken(), started="2026-11-22T05:40:01Z", resumed="2026-11-22T06:00:01Z", earlier=asked)


def empty() -> Run:
    """Which run checked nothing?"""
    return replace(healthy(), results=(), hosts=(), groups={})


def large(items: int) -> Run:
    """Which run has so many items, one in ten of them failed?"""
    results = []
    for number in range(items):
        host = f"host{number // 14:05d}"
        wrong = number % 10 == 0
        results.append(
            Result(
                id=f"checks/test_ports.py::test_listens[{host}-{8000 + number % 14}/tcp]", host=host, check="ports",
                subject=f"{8000 + number % 14}/tcp", outcome="failed" if wrong else "passed",
                expected="listening on 0.0.0.0",
                observed="listening on 127.0.0.1 only" if wrong else "listening on 0.0.0.0",
                evidence=(line(host, SS_SOURCE, SS_LOOPBACK),), finding=loopback().id if wrong else None,
            )
        )  # fmt: skip
    found = replace(loopback(), explains=tuple(it.id for it in results if it.outcome == "failed"))
    hosts = tuple(sorted({it.host for it in results}))
    return replace(broken(), results=tuple(results), findings=(found,), hosts=hosts, groups={}, foreign=(), notes=())


def many(findings: int) -> Run:
    """Which run has so many findings, each of a stopped service on a host of its own?"""
    found, results, hosts = [], [], []
    for number in range(findings):
        host = f"db{number:04d}"
        id_ = f"checks/test_services.py::test_service[{host}-postgresql]"
        one = stopped()
        found.append(
            replace(one, id=f"{one.cause}:{host}", host=host, title=one.title.replace("db1", host), explains=(id_,))
        )
        hosts.append(host)
        results.append(replace(failing()[3], id=id_, host=host, finding=found[-1].id))
    groups = {f"zone{zone}": tuple(hosts[zone::10]) for zone in range(10)}
    return replace(
        broken(), results=tuple(results), findings=tuple(found), hosts=tuple(hosts), groups=groups, foreign=(), notes=()
    )


OURS = {"outcome", "symptom", "answer", "cause", "complete", "port"}
"""The fields whose values the records' types close: no outside text can stand in them."""


def poisoned(value: Any, payload: str) -> Any:  # noqa: ANN401 - any part of a run
    """What is this record when every text that an outsider could fill ends in the payload?"""
    if isinstance(value, str):
        return value and value + payload  # an empty field leaves out its element
    if isinstance(value, tuple):
        return tuple(poisoned(it, payload) for it in value)
    if isinstance(value, dict):
        return {key if key in CAUSES else key + payload: poisoned(it, payload) for key, it in value.items()}
    if not is_dataclass(value):
        return value
    texts = {it.name: getattr(value, it.name) for it in fields(value) if it.name not in OURS}
    return replace(value, **{name: poisoned(text, payload) for name, text in texts.items()})  # type: ignore[type-var]


def poisoned_run(payload: str, of: Run | None = None) -> Run:
    """Which run has the payload in every field?"""
    run: Run = poisoned(of or broken(), payload)
    # A test's outcome is pytest's own word.
    foreign = tuple((id_, outcome.removesuffix(payload), text) for id_, outcome, text in run.foreign)
    return replace(run, foreign=foreign)
