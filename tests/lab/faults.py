"""How is a host put into a fault state, and out of it? A fault is two shell texts; `with fault.on(host):` does both."""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .host import Host

Reject = Literal["tcp reset", "icmpx port-unreachable", "icmpx admin-prohibited"]
"""nft(8), reject: with a TCP reset, or with the ICMP or ICMPv6 message that goes with the packet."""

SITE = "/etc/nginx/sites-available/default"
# Many restarts in ten seconds are a start limit of their own (systemd.unit(5)); a test's are not a crash loop.
RESTART_NGINX = "systemctl reset-failed nginx; systemctl restart nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a host."""

    title: str
    put: str  # run as root, makes it so
    mend: str  # run as root, takes it back

    def __str__(self) -> str:
        return self.title

    def into(self, host: Host) -> None:
        """Put the host into the fault state."""
        host.run(self.put)

    def out_of(self, host: Host) -> None:
        """Take the host out of it."""
        host.run(self.mend)

    @contextmanager
    def on(self, host: Host) -> Iterator[None]:
        """Hold the host in the fault state for a while."""
        self.into(host)
        try:
            yield
        finally:
            self.out_of(host)


def stopped(unit: str) -> Fault:
    """A service does not run."""
    return Fault(title=f"{unit} stopped", put=f"systemctl stop {unit}", mend=f"systemctl start {unit}")


def nginx_stopped() -> Fault:
    """The web server does not run."""
    return stopped("nginx")


def nginx_moved(port: int = 8080) -> Fault:
    """The web server listens on another port."""
    return _nginx(f"nginx on {port}", (" 80 ", f" {port} "), (" [::]:80 ", f" [::]:{port} "))


def nginx_on_loopback() -> Fault:
    """The web server listens on loopback only."""
    return _nginx("nginx on loopback", (" 80 ", " 127.0.0.1:80 "), (" [::]:80 ", " [::1]:80 "))


def port_rejected(port: int, how: Reject = "tcp reset", *, source: str = "") -> Fault:
    """The host's own firewall refuses a port: to everyone, or to one address or network."""
    return _filtered(port, f"reject with {how}", source)


def port_dropped(port: int, *, source: str = "") -> Fault:
    """The host's own firewall swallows what comes for a port: from everyone, or from one address or network."""
    return _filtered(port, "drop", source)


def proxy_in_environment(url: str, variable: str = "http_proxy") -> Fault:
    """Every login is told to go through a proxy."""
    return Fault(
        title=f"{variable} in /etc/environment",
        put=f"printf '%s\\n' {shlex.quote(f'{variable}={url}')} >>/etc/environment",
        mend=f"sed -i '/^{variable}=/d' /etc/environment",
    )


def wrong_hosts_entry(name: str, address: str) -> Fault:
    """The host's /etc/hosts sends a name elsewhere. Every entry with the name gives way: glibc answers them all."""
    kept = f"/run/lab.hosts.{name}"
    return Fault(
        title=f"{name} in /etc/hosts",
        put=f"cp /etc/hosts {kept} && sed -i -E '/[[:space:]]{re.escape(name)}([[:space:]]|$)/d' /etc/hosts"
        f" && printf '%s\\t%s\\n' {address} {name} >>/etc/hosts",
        mend=f"cat {kept} >/etc/hosts && rm {kept}",
    )


def _nginx(title: str, *edits: tuple[str, str]) -> Fault:
    def edited(pairs: list[tuple[str, str]]) -> str:
        script = "; ".join(f"s/^([[:space:]]*listen){re.escape(old)}/\\1{new}/" for old, new in pairs)
        return f"sed -i -E {shlex.quote(script)} {SITE} && {{ {RESTART_NGINX}; }}"

    return Fault(title=title, put=edited(list(edits)), mend=edited([(new, old) for old, new in edits]))


def _filtered(port: int, verdict: str, source: str) -> Fault:
    match = f"{'ip6' if ':' in source else 'ip'} saddr {source} " if source else ""
    table = f"inet guard{port}"
    chain = f"chain input {{ type filter hook input priority 0; policy accept; {match}tcp dport {port} {verdict}; }}"
    return Fault(
        title=f"{port} {verdict}{f' for {source}' if source else ''}",
        put=f"nft {shlex.quote(f'table {table} {{ {chain}; }}')}",
        mend=f"nft delete table {table}",
    )
