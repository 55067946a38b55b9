"""What is known of well-known daemons: their ports, and where they say on which address and port they listen."""

from __future__ import annotations

from dataclasses import dataclass, replace
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

PORTS = (
    ("systemd-resolved*", (53, 5355)), ("dnsmasq*", (53,)), ("named*", (53, 953)), ("bind9*", (53, 953)),
    ("unbound*", (53,)), ("rpcbind*", (111,)), ("chrony*", (123, 323)), ("cups*", (631,)), ("postfix*", (25, 465, 587)),
    ("exim4*", (25, 465, 587)), ("dovecot*", (110, 143, 993, 995)), ("slapd*", (389, 636)), ("vsftpd*", (21,)),
    ("memcached*", (11211,)), ("mongod*", (27017,)), ("rabbitmq*", (5672, 15672, 25672)), ("epmd*", (4369,)),
    ("elasticsearch*", (9200, 9300)), ("squid*", (3128,)), ("tinyproxy*", (8888,)), ("prometheus.*", (9090,)),
    ("*node*exporter*", (9100,)), ("grafana*", (3000,)), ("tomcat*", (8080,)), ("zabbix-agent*", (10050,)),
)  # fmt: skip
"""Daemons of which only the ports are known."""

MANY_MASTERS = frozenset(
    {"docker.service", "containerd.service", "podman.service", "inetd.service", "xinetd.service", "supervisor.service",
     "supervisord.service", "uwsgi-emperor.service"}
)  # fmt: skip
"""Units that hold ports for others: where they listen says nothing about the one program that is missed."""


def known(unit: str) -> Daemon:
    """Which daemon is this unit, as far as its name tells?"""
    ports = next((ports for pattern, ports in PORTS if fnmatch(unit, pattern)), ())
    found = (daemon for pattern, daemon in DAEMONS if fnmatch(unit, pattern))
    return next(found, replace(GENERIC, ports=ports))


def rebind_socket(socket: str, bind: str, port: int) -> tuple[str, ...]:
    """Which edit makes a socket unit listen on this address and port? The empty line takes back the others."""
    address = bind.partition("%")[0] or "0.0.0.0"  # noqa: S104 - the operator's own declaration
    address = f"[{address}]" if ":" in address else address
    return (
        f"systemctl edit {socket}: [Socket], ListenStream=, ListenStream={address}:{port}",
        f"systemctl restart {socket}",
    )


def rebind(unit: str, bind: str, port: int) -> tuple[str, ...]:
    """Which edit makes this unit listen on this address and port, and which command applies it?"""
    daemon = known(unit)
    address = bind.partition("%")[0] or "0.0.0.0"  # noqa: S104 - the operator's own declaration
    address = f"[{address}]" if ":" in address else address
    values = {"unit": unit, "address": address, "port": port}
    edit = f"in {daemon.file}: {daemon.line}".format(**values)
    return edit, daemon.apply.format(**values)
