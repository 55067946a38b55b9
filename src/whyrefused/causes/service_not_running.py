"""Service is not running.

The program that clients want to reach is not there to answer: it was stopped, it failed or keeps failing, another
program holds its port, something that it needs is missing, it is masked, or it was never installed. Nothing holds the
port, so the server's kernel answers every connection with a reset. A unit that systemd calls active may still have
nothing behind it, and one that its socket unit starts on demand is as good as running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import FirewallItem, PathItem, ServiceItem, excluded, unknown
from whyrefused.facts import daemons, downs, meant, ports, remedy, services
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.downs import Down
    from whyrefused.probes.listeners import Listener

CODE = "service-not-running"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration", "server-firewall")
VARIANTS = {
    "stopped": "it was stopped",
    "failed": "its program ended with an error",
    "start-limit-hit": "it failed too often, and systemd starts it no more",
    "oom-kill": "the kernel killed it for want of memory",
    "crash-loop": "it dies and is started again and again",
    "masked": "nothing can start it",
    "not-installed": "there is no such unit",
    "bad-unit-file": "systemd cannot read its unit file",
    "starting": "it has not come up yet",
    "disabled": "no boot starts it",
    "active-exited": "systemd calls it active, and its program has ended",
    "port-held": "another program holds its port",
    "could-not-bind": "it could not take its port, and nobody holds it now",
    "address-not-available": "the address it is to listen on is not the host's",
    "bind-not-permitted": "its user may not take the port",
    "dependency-failed": "a unit that it requires failed",
    "condition-not-met": "a condition of its unit file is not met",
    "socket-stopped": "its socket unit is not active",
    "trigger-limit-hit": "its socket unit was triggered too often and gave up",
    "not-listening": "its program runs and listens nowhere",
    "not-yet-listening": "its program has just begun and does not listen yet",
    "nothing-listens": "no program at all listens that could be meant",
}
"""What a variant means; the slugs never change."""

READ = "journalctl -u {unit} -n 50 --no-pager"
RESET = "systemctl reset-failed {unit}"
RESTART = "systemctl restart {unit}"
START = "systemctl start {unit}"

FIX = {
    "stopped": (START,),
    # Automatic restarts leave `Result` as it was when they reach the start limit (systemd.unit(5)): it is taken back.
    "failed": (READ, RESET, RESTART),
    "start-limit-hit": (READ, RESET, START),
    "oom-kill": (READ, RESTART),
    "crash-loop": (READ, RESTART),
    "masked": ("systemctl unmask {unit}", START),
    "not-installed": ("{install}", START),
    "bad-unit-file": ("systemd-analyze verify {unit}", "systemctl daemon-reload", START),
    "starting": ("journalctl -u {unit} -f", "systemctl status {unit}"),
    "active-exited": (READ, RESTART),
    "not-listening": (READ, RESTART),
    "not-yet-listening": ("journalctl -u {unit} -f", "systemctl status {unit}"),
    "disabled": ("systemctl enable --now {unit}",),
    "socket-stopped": ("systemctl start {socket}",),
    "trigger-limit-hit": (READ, RESET, "systemctl reset-failed {socket}", "systemctl start {socket}"),
    "condition-not-met": ("systemctl cat {unit} (Condition…= and Assert…=)", START),
    "dependency-failed": ("journalctl -u {needs} -n 50 --no-pager", "systemctl restart {needs}", START),
    "port-held": (RESET, RESTART),
    "could-not-bind": (RESET, RESTART),
    "address-not-available": ("ip -brief address", "{rebind}", RESET, RESTART),
    "bind-not-permitted": ("{permit}", RESET, RESTART),
}
ENABLES_NOTHING = frozenset({"disabled", "not-installed", "socket-stopped", "trigger-limit-hit"})

INSTALLS = {"debian": "apt-get install", "ubuntu": "apt-get install", "alpine": "apk add", "arch": "pacman -S",
            "opensuse-leap": "zypper install", "sles": "zypper install"}  # fmt: skip
SELINUX = frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"})
PRIVILEGED = 1024  # ip(7), ip_unprivileged_port_start

SSH = 22
"""Whoever holds it, by its own socket or systemd's, it is how the host was visited."""

CONTAINERS = ("docker", "br-", "veth", "cni", "podman", "lxc", "virbr", "flannel", "cali")
"""Interfaces of containers and virtual machines, in which a program may listen unseen."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Is the unit that should answer down?"""
    host = case.at_server(evidence)
    if host is None:
        return unknown("which host should answer is not in the inventory")
    if isinstance(case.item, FirewallItem):
        return excluded("the rules let in or refuse, whether a program listens or not")
    if isinstance(case.item, PathItem) and case.seen.symptom not in {"refused", "reset"}:
        return unknown(f"a port without a program refuses at once; the client saw {case.seen.symptom}")
    try:
        name = meant.unit_of(case, host)
        return _of_unit(case, host, name) if name else _without_unit(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _without_unit(case: Case, host: HostEvidence) -> Ruling:
    if case.port is None:
        return unknown("no unit is declared")
    found, source = ports.on_port(host, case.protocol, case.port)
    if found:
        return excluded(f"a program listens on {case.key}", *(host.line(source, one.line) for one in found))
    return _nothing_else(case, host) or unknown(
        f"nothing listens on {case.key}, and no unit is declared for it (`service:`)"
    )


def _nothing_else(case: Case, host: HostEvidence) -> Ruling | None:
    """Does no program at all listen that could be the one that is missed? Then it does not run, whatever its name."""
    rows, source = ports.table(host)
    if case.key not in case.declared_ports or case.protocol != "tcp" or source != ports.SS:
        return None
    if any(own.interface.startswith(CONTAINERS) for own in host.addresses):
        return None
    if any(not _accounted(case, one) for one in rows) or any(one.port == case.port for one in rows):
        return None
    seen = [one for one in rows if one.protocol == "tcp"]
    others = ", ".join(dict.fromkeys(ports.owner_words(one) for one in seen)) or "nobody"
    return Ruling(
        answer="proven",
        because=f"nothing listens on {case.key}; all that listens is declared or known ({others})",
        evidence=(
            host.line(source, f"no row for {case.key} (nor in /proc/net)"),
            *(host.line(source, one.line) for one in seen),
        ),
        variant="nothing-listens",
        host=host.name,
        subject=case.key,
        fix=(f"start the program that serves {case.key}", f"declare its unit (`service:` of {case.key})"),
        verify=(f"ss -Htln sport = :{case.port}",),
    )


def _accounted(case: Case, listener: Listener) -> bool:
    """Is this listener not the one that is missed: of another protocol, declared, or where it is known to be?"""
    if listener.protocol != case.protocol or f"{listener.port}/{listener.protocol}" in case.declared_ports:
        return True
    if listener.port == SSH:
        return True
    return bool(listener.unit) and listener.port in daemons.known(str(listener.unit)).ports


def _of_unit(case: Case, host: HostEvidence, name: str) -> Ruling:
    down = downs.of(case, host, name)
    if down is None:
        return _up(case, host, name)
    if case.port and not isinstance(case.item, ServiceItem) and _still_held(case, host, down):
        return excluded(f"{down.name} {down.words}, but a process of it holds {case.key}", *down.lines)
    if case.seen.symptom == "reset" and not (
        case.relayed or down.holders or (down.socket and down.socket.active == "active")
    ):
        return unknown(f"{down.name} is down, but something took the connection before it ended it", *down.lines)
    return _proven(case, host, down)


def _up(case: Case, host: HostEvidence, name: str) -> Ruling:
    """It is up; where it listens nowhere, that alone does not show that its program is there."""
    said = host.line("systemctl show", services.of(host, name)[1].said)
    served = case.port is None or isinstance(case.item, ServiceItem)
    if served or ports.on_port(host, case.protocol, case.port or 0)[0]:
        return excluded(f"{name} is running", said)
    if ports.serving(host, name, case.protocol, case.port):
        return excluded(f"{name} is running, and listens", said)
    return unknown(f"{name} is active and listens on no port that is seen here", said)


def _still_held(case: Case, host: HostEvidence, down: Down) -> bool:
    """Did a process outlive its unit? One in a crash loop holds the port now and then."""
    if down.unit.active not in {"failed", "inactive"}:
        return False
    found, _ = ports.on_port(host, case.protocol, case.port or 0)
    return any(one.unit and ports.owned(one, down.unit, None) for one in found)


def _proven(case: Case, host: HostEvidence, down: Down) -> Ruling:
    source = ports.table(host)[1]
    held = "".join(f"; {one.port}/{one.protocol} is held by {ports.owner_words(one)}" for one in down.holders[:1])
    return Ruling(
        answer="proven",
        because=f"{down.name} {down.words}{held}",
        evidence=(*down.lines, *(host.line(source, one.line) for one in down.holders)),
        variant=down.variant,
        host=host.name,
        subject=down.name,
        fix=(*remedy.releases(host, down.holders), *_fix(case, host, down)),
        verify=(
            f"systemctl is-active {down.acts or down.name}",
            *([f"ss -Htln sport = :{case.port}"] if case.port else []),
        ),
    )


def _fix(case: Case, host: HostEvidence, down: Down) -> tuple[str, ...]:
    words = FIX[down.variant]
    if case.wants_enabled and down.variant not in ENABLES_NOTHING:
        words = (*words, "systemctl enable {unit}")
    unit = down.acts or down.name
    install = INSTALLS.get(host.identity.os, "dnf install" if host.identity.os in SELINUX else "install")
    values = {
        "unit": unit,
        "socket": down.socket.id if down.socket else "",
        "needs": down.needs or "UNIT",
        "install": f"{install} the package that holds {unit}",
        "rebind": daemons.rebind(unit, case.bind, case.port or 0)[0] if case.port else f"systemctl cat {unit}",
        "permit": _permit(case, host, unit),
    }
    return tuple(line.format(**values) for line in words)


def _permit(case: Case, host: HostEvidence, unit: str) -> str:
    if host.identity.os in SELINUX:
        return f"semanage port -a -t TYPE -p {case.protocol} {case.port} (ausearch -m AVC -ts recent names the TYPE)"
    if case.port and case.port < PRIVILEGED:
        return f"systemctl edit {unit}: [Service] AmbientCapabilities=CAP_NET_BIND_SERVICE"
    return f"systemctl cat {unit} (User=, CapabilityBoundingSet=, SocketBindDeny=)"
