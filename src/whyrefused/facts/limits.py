"""Which limit of a unit, a program or a kernel is reached? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.facts.addresses import V4
from whyrefused.probes import whole
from whyrefused.probes.units import suffixed

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.processes import Process
    from whyrefused.records import Line

SHOW = "systemctl show"
RANGE, RESERVED, PORTS = "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports", 65536
TABLE = ("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One limit that is reached, and what raises it."""

    variant: str
    because: str
    lines: tuple[Line, ...]
    fix: tuple[str, ...]
    verify: tuple[str, ...]


def of_files(host: HostEvidence, unit: str, spare: int = 0) -> Reached | None:
    """Has a process of this unit as many files as it may, or so few less? Raises `CouldNotLook`."""
    name = suffixed(unit)
    for one in host.running(unit).processes:
        if one.files and one.most_files and one.files + spare >= one.most_files:
            return Reached(
                variant="descriptor-limit",
                because=f"process {one.pid} of {name} has {one.files} files open and may have {one.most_files}, so it "
                "can take no more connections",
                lines=lines(host, one, "/fd ", "Max open files"),
                fix=(
                    f"ls -l /proc/{one.pid}/fd | less",
                    f"prlimit --pid {one.pid} --nofile={2 * one.most_files}:{2 * one.most_files}",
                    f"systemctl edit {name}: [Service] LimitNOFILE={2 * one.most_files}",
                    f"systemctl restart {name}",
                ),
                verify=(f"ls /proc/{one.pid}/fd | wc -l; grep files /proc/{one.pid}/limits",),
            )
    return None


def of_tasks(host: HostEvidence, unit: str, port: int) -> Reached | None:
    """Has this unit as many tasks as it may, one for each connection? Raises `CouldNotLook`.

    A unit that needs one task only, or a few for all, may well be limited to just these: that is no want.
    """
    name, running = suffixed(unit), host.running(unit)
    taken = running.taken.get(port, 0)
    held = host.line("ss -Htn state established", f"taken {port} {taken}")
    now, most = running.number("TasksCurrent"), running.number("TasksMax")
    if now and most and now >= most and taken >= now - 1 >= 1:
        return Reached(
            variant="task-limit",
            because=f"{name} has {now} tasks and may have {most}, so none can start for another connection",
            lines=(host.line(SHOW, f"{name}: {running.said('TasksCurrent', 'TasksMax')}"), held),
            fix=(f"systemctl set-property {name} TasksMax={2 * most}",),
            verify=(f"systemctl show -p TasksCurrent,TasksMax {name}",),
        )
    main = running.processes[0] if running.processes else None
    if main is None or not main.uid or not main.most_tasks:  # root is not bound by it (setrlimit(2))
        return None
    tasks = running.tasks.get(main.uid, 0)
    if tasks < main.most_tasks or not taken >= tasks - 1 >= 1:
        return None
    return Reached(
        variant="task-limit",
        because=f"the user of {name} has {tasks} tasks and may have {main.most_tasks}, so none can start for another "
        "connection",
        lines=(*lines(host, main, "Max processes"), host.line("/proc/*/status", f"tasks {main.uid} {tasks}"), held),
        fix=(f"systemctl edit {name}: [Service] LimitNPROC={2 * main.most_tasks}", f"systemctl restart {name}"),
        verify=(f"grep processes /proc/{main.pid}/limits",),
    )


def lines(host: HostEvidence, one: Process, *words: str) -> tuple[Line, ...]:
    """Which lines of what /proc says of this process hold one of these words?"""
    return tuple(host.line("/proc", line) for line in one.lines if any(word in line for word in words))


def of_socket(host: HostEvidence, socket: str) -> Reached | None:
    """Does this socket unit hold as many connections as it may? systemd closes what comes then (systemd.socket(5))."""
    running = host.running(socket)
    now, most = running.number("NConnections"), running.number("MaxConnections")
    if running.properties.get("Accept") != "yes" or now is None or most is None or now < most:
        return None
    return Reached(
        variant="socket-max-connections",
        because=f"{socket} has {now} connections and may have {most}: systemd closes every other at once",
        lines=(host.line(SHOW, f"{socket}: {running.said('Accept', 'NConnections', 'MaxConnections', 'NRefused')}"),),
        fix=(
            f"systemctl edit {socket}: [Socket] MaxConnections={2 * most}",
            f"systemctl daemon-reload && systemctl restart {socket}",
        ),
        verify=(f"systemctl show -p NConnections,MaxConnections {socket}",),
    )


def of_table(host: HostEvidence) -> Reached | None:
    """Is the table of tracked connections full? Then the kernel drops every packet that begins another one."""
    now, most = (host.kernel.number(name) for name in TABLE)
    if now is None or not most or now < most:
        return None
    return Reached(
        variant="conntrack-full",
        because=f"{host.name} tracks {now} connections and may track {most}: packets of new ones are dropped",
        lines=tuple(host.line("sysctl", host.kernel.said(name)) for name in TABLE),
        fix=(
            "conntrack -L | grep -o 'src=[^ ]*' | sort | uniq -c | sort -rn | head",
            f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}",
            f"in /etc/sysctl.d/90-conntrack.conf: net.netfilter.nf_conntrack_max = {2 * most}",
        ),
        verify=("sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",),
    )


def of_local_ports(host: HostEvidence, address: Address, port: int) -> Reached | None:
    """Are all local ports taken, towards this address and port or at all?

    Of an odd number the kernel leaves one out (__inet_hash_connect in net/ipv4/inet_hashtables.c). Over IPv6 the same
    error may mean that there is no address to dial from: then only ports towards this very peer count.
    """
    kernel = host.kernel
    low, high = (kernel.number(RANGE, at) for at in (0, 1))
    reserved = kernel.values.get(RESERVED, "")
    if low is None or high is None or not low <= high < PORTS:
        return None
    usable = _usable(low, high, reserved)
    towards = kernel.local.get(f"{address} {port}", 0)
    any_ = kernel.local.get("*", 0) if address.version == V4 else 0
    need = usable - 1 if (high - low) % 2 == 0 and usable > 1 else usable
    held, peer = (towards, f"{address}:{port}") if towards >= need else (any_, "*")
    if held < need:
        return None
    return Reached(
        variant="local-ports",
        because=f"{host.name} has taken {held} of its {usable} local ports ({low} to {high}) "
        + (f"towards {peer}" if held == towards else "already")
        + (", others are reserved" if reserved else ""),
        lines=(
            *(host.line("sysctl", kernel.said(name)) for name in (RANGE, RESERVED) if name in kernel.values),
            *((host.line("ss -Htan", f"local {held} {peer}"),) if held else ()),
        ),
        fix=(
            f"ss -tanp dst {address} | less",
            *(("sysctl -w net.ipv4.ip_local_reserved_ports=",) if reserved else ()),
            'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
            "let its programs keep and share their connections (keep-alive, a pool)",
        ),
        verify=(f"ss -Htan dst {address} | wc -l; sysctl net.ipv4.ip_local_port_range",),
    )


def _usable(low: int, high: int, reserved: str) -> int:
    """How many ports of a range are not reserved, as `1-3,7`?"""
    spans: list[tuple[int, int]] = []
    for part in reserved.split(","):
        first, _, last = part.strip().partition("-")
        start, end = whole(first), whole(last or first)
        if start is not None and end is not None:
            spans.append((max(start, low), min(end, high)))
    usable, free = high - low + 1, low
    for start, end in sorted(spans):
        usable -= max(0, end - max(start, free) + 1)
        free = max(free, end + 1)
    return usable


def standstill(host: HostEvidence, unit: str) -> tuple[str, str, tuple[Line, ...]]:
    """Does the program of this unit stand still? In which way, what lets it go on, and the lines; empty where not."""
    running = host.running(unit)
    if running.properties.get("FreezerState") in {"frozen", "freezing"}:
        line = host.line(SHOW, f"{unit}: {running.said('FreezerState')}")
        return "is frozen", f"systemctl thaw {suffixed(unit)}", (line,)
    stopped = [one for one in running.processes if one.state == "T"]
    if not stopped:
        return "", "", ()
    pids = " ".join(str(one.pid) for one in stopped)
    return (
        "is stopped by a signal (State: T)", f"kill -CONT {pids}",
        tuple(line for one in stopped for line in lines(host, one, "State:")),
    )  # fmt: skip
