"""What is known of well-known daemons: their ports, and where they say on which address and port they listen."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One daemon's file and the line in it. `{address}` and `{port}` stand for what it should say."""

    file: str
    line: str
    apply: str = "systemctl restart {unit}"  # most rebind only on a restart
    ports: tuple[int, ...] = ()  # that it is known for


DAEMONS = (
    ("nginx*", Daemon(file="/etc/nginx (grep -rn listen /etc/nginx)", line="listen {address}:{port};",
                      apply="nginx -t && systemctl restart {unit}", ports=(80, 443))),
    ("apache2*", Daemon(file="/etc/apache2/ports.conf", line="Listen {address}:{port}",
                        apply="apachectl configtest && systemctl restart {unit}", ports=(80, 443))),
    ("httpd*", Daemon(file="/etc/httpd/conf/httpd.conf", line="Listen {address}:{port}",
                      apply="apachectl configtest && systemctl restart {unit}", ports=(80, 443))),
    ("caddy*", Daemon(file="/etc/caddy/Caddyfile", line="bind {address}, and the site's port {port}", ports=(80, 443))),
    ("haproxy*", Daemon(file="/etc/haproxy/haproxy.cfg", line="bind {address}:{port}",
                        apply="haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl restart {unit}", ports=(80, 443))),
    ("tinyproxy*", Daemon(file="/etc/tinyproxy/tinyproxy.conf", line="Port {port}, and Listen {address} or no Listen",
                          ports=(8888,))),
    ("squid*", Daemon(file="/etc/squid/squid.conf", line="http_port {port}",
                      apply="squid -k parse && systemctl restart {unit}", ports=(3128,))),
    ("redis*", Daemon(file="/etc/redis/redis.conf", line="bind {address} and port {port}", ports=(6379,))),
    ("postgresql*", Daemon(file="postgresql.conf (SHOW config_file)",
                           line="listen_addresses = '{address}' and port = {port}", ports=(5432,))),
    ("mysql*", Daemon(file="/etc/mysql (grep -rn bind-address /etc/mysql)",
                      line="bind-address = {address} and port = {port}", ports=(3306,))),
    ("mariadb*", Daemon(file="/etc/mysql (grep -rn bind-address /etc/mysql)",
                        line="bind-address = {address} and port = {port}", ports=(3306,))),
    ("ssh*", Daemon(file="/etc/ssh/sshd_config", line="ListenAddress {address} and Port {port}",
                    apply="sshd -t && systemctl restart {unit}", ports=(22,))),
)  # fmt: skip
GENERIC = Daemon(file="its configuration (systemctl cat {unit})", line="listen on {address} port {port}")

MANY_MASTERS = frozenset(
    {"docker.service", "containerd.service", "podman.service", "inetd.service", "xinetd.service", "supervisor.service",
     "supervisord.service", "uwsgi-emperor.service"}
)  # fmt: skip
"""Units that hold ports for others: where they listen says nothing about the one program that is missed."""


def known(unit: str) -> Daemon:
    """Which daemon is this unit, as far as its name tells?"""
    return next((daemon for pattern, daemon in DAEMONS if fnmatch(unit, pattern)), GENERIC)


def rebind(unit: str, bind: str, port: int) -> tuple[str, ...]:
    """Which edit makes this unit listen on this address and port, and which command applies it?"""
    daemon = known(unit)
    address = bind.partition("%")[0] or "0.0.0.0"  # noqa: S104 - the operator's own declaration
    address = f"[{address}]" if ":" in address else address
    values = {"unit": unit, "address": address, "port": port}
    edit = f"in {daemon.file}: {daemon.line}".format(**values)
    return edit, daemon.apply.format(**values)
