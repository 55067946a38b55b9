"""Which limit of its own configuration does a program hold to? Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from whyrefused.facts.limits import Reached, lines
from whyrefused.probes.serving import LOG, NGINX, daemon_of
from whyrefused.probes.units import suffixed
from whyrefused.records import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.processes import Process

STARTUPS = re.compile(r"\[listener\] (\d{1,9}) of (\d{1,9})-(\d{1,9}) startups")
CHILDREN = re.compile(r"max-children=(\d{1,9})")
STAMP, STAMP_IS = "2000/01/01 00:00:00", "%Y/%m/%d %H:%M:%S"


def closing(host: HostEvidence, unit: str, port: int) -> Reached | None:
    """Does the program close what it accepts, for it holds as many connections as its configuration lets it?"""
    own = [_startups(host, unit, one) for one in host.running(unit).processes[:1]]
    return next(filter(None, own), None) or (_nginx(host, port) if daemon_of(unit) == "nginx" else None)


def waiting(host: HostEvidence, unit: str, port: int, queued: int) -> Reached | None:
    """Does the program accept no more, for it holds as many connections as its configuration lets it?"""
    processes = host.running(unit).processes
    own = [_children(host, unit, one, len(processes) - 1) for one in processes[:1]]
    return next(filter(None, own), None) or (_haproxy(host, port, queued) if daemon_of(unit) == "haproxy" else None)


def _startups(host: HostEvidence, unit: str, one: Process) -> Reached | None:
    """Of sshd(8), which writes into its title how many have not logged in, and from when on it drops others."""
    found = STARTUPS.search(one.own)
    if not found or int(found[1]) < int(found[2]):
        return None
    return Reached(
        variant="max-startups",
        because=f"{found[1]} connections to sshd have not logged in yet, and from {found[2]} on it drops others",
        lines=lines(host, one, "startups"),
        fix=(
            "ss -Htnp state established sport = :ssh",
            f"in /etc/ssh/sshd_config: MaxStartups {2 * int(found[2])}:30:{2 * int(found[3])}",
            f"sshd -t && systemctl reload {suffixed(unit)}",
        ),
        verify=("ps -o args= -C sshd | grep startups",),
    )


def _children(host: HostEvidence, unit: str, one: Process, children: int) -> Reached | None:
    found = CHILDREN.search(one.own)
    if not found or children < int(found[1]):
        return None
    return Reached(
        variant="max-children",
        because=f"{unit} has {children} children and may have {found[1]}: it accepts no other connection",
        lines=lines(host, one, "max-children"),
        fix=(f"systemctl edit --full {suffixed(unit)}: max-children={2 * int(found[1])}", f"systemctl restart {unit}"),
        verify=(f"systemctl status {suffixed(unit)}",),
    )


def _haproxy(host: HostEvidence, port: int, queued: int) -> Reached | None:
    """It stops accepting at maxconn; what waits in the kernel's queue is established too, and not yet its own."""
    serving = host.serving
    held = serving.taken.get(port, 0) - queued
    limits = [(file, words) for file, words in _maxconns(serving.settings, port) if held >= int(words.split()[1]) > 0]
    if not limits:
        return None
    file, words = limits[0]
    most = int(words.split()[1])
    return Reached(
        variant="maxconn",
        because=f"haproxy holds {held} connections on port {port} and may hold {most} (maxconn): it accepts no other",
        lines=(host.line(file, words), host.line("ss -Htn state established", f"taken {serving.taken[port]} {port}")),
        fix=(
            f"in {file}: raise `{words}`",
            f"haproxy -c -f {file} && systemctl reload haproxy",
        ),
        verify=(f"ss -Htn state established sport = :{port} | wc -l",),
    )


def _maxconns(settings: tuple[tuple[str, str], ...], port: int) -> Iterator[tuple[str, str]]:
    """The maxconn lines that hold for this port: of `global`, and of the section that binds it or its `defaults`."""
    sections: list[list[tuple[str, str]]] = []
    for file, words in settings:
        if words.split()[0] in {"global", "defaults", "frontend", "listen", "backend"}:
            sections.append([])
        if sections:
            sections[-1].append((file, words))
    defaults: list[tuple[str, str]] = []
    for section in sections:
        kind = section[0][1].split()[0]
        own = [(file, words) for file, words in section if re.fullmatch(r"maxconn\s+\d{1,9}", words)]
        if kind == "defaults":
            defaults = own
        elif kind == "global":
            yield from own
        elif any(re.fullmatch(rf"bind\s+\S*:{port}", words) for _, words in section):
            yield from own or defaults


def _nginx(host: HostEvidence, port: int) -> Reached | None:
    """A worker without a free connection closes what it accepts, and says so in its log."""
    serving = host.serving
    fresh = _fresh(serving.exhausted, serving.now)
    words = {text.split()[0]: (file, text) for file, text in serving.settings if len(text.split()) > 1}
    held, most = serving.taken.get(port, 0), _room(host, words, serving.cpus, port)
    if not fresh and (most is None or held < most):
        return None
    file, text = words.get("worker_connections", (NGINX, "worker_connections"))
    return Reached(
        variant="worker-connections",
        because=f"nginx holds {held} connections on port {port} and closes every other: its workers have no more "
        f"({text})",
        lines=(
            *((host.line(LOG, serving.exhausted),) if fresh else ()),
            host.line(file, text),
            host.line("ss -Htn state established", f"taken {held} {port}"),
        ),
        fix=(f"in {file}: raise `{text}`", "nginx -t && systemctl reload nginx"),
        verify=(f"ss -Htn state established sport = :{port} | wc -l",),
    )


def _fresh(line: str, now: str) -> bool:
    """Was this line of nginx written in the last minute? It has the host's own time in front."""
    try:
        then, here = (datetime.strptime(text[: len(STAMP)], STAMP_IS) for text in (line, now))  # noqa: DTZ007 - of one host
    except ValueError:
        return False
    return timedelta(0) <= here - then <= timedelta(minutes=1)


def _room(host: HostEvidence, words: dict[str, tuple[str, str]], cpus: int | None, port: int) -> int | None:
    """How many connections have all workers together? Each keeps one for every listening socket and its master."""
    try:
        each = int(words["worker_connections"][1].split()[1])
        workers = words.get("worker_processes", ("", "worker_processes 1"))[1].split()[1]
        number = cpus if workers == "auto" else int(workers)
        sockets = sum(1 for one in host.listeners if one.unit and one.unit == _owner(host, port))
    except (KeyError, ValueError, CouldNotLook):
        return None
    free = each - sockets - 1
    return free * number if number and sockets and free > 0 else None


def _owner(host: HostEvidence, port: int) -> str | None:
    return next((one.unit for one in host.listeners if one.port == port and one.protocol == "tcp"), None)
