"""Where do well-known daemons say on which address and port they listen? For the words of a fix."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One daemon's file and the line in it. `{address}` and `{port}` stand for what it should say."""

    file: str
    line: str
    apply: str = "systemctl restart {unit}"  # most rebind only on a restart


DAEMONS = (
    ("nginx*", Daemon(file="/etc/nginx (grep -rn listen /etc/nginx)", line="listen {address}:{port};",
                      apply="nginx -t && systemctl restart {unit}")),
    ("apache2*", Daemon(file="/etc/apache2/ports.conf", line="Listen {address}:{port}",
                        apply="apachectl configtest && systemctl restart {unit}")),
    ("httpd*", Daemon(file="/etc/httpd/conf/httpd.conf", line="Listen {address}:{port}",
                      apply="apachectl configtest && systemctl restart {unit}")),
    ("haproxy*", Daemon(file="/etc/haproxy/haproxy.cfg", line="bind {address}:{port}",
                        apply="haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl restart {unit}")),
    ("redis*", Daemon(file="/etc/redis/redis.conf", line="bind {address} and port {port}")),
    ("postgresql*", Daemon(file="postgresql.conf (SHOW config_file)",
                           line="listen_addresses = '{address}' and port = {port}")),
    ("mysql*", Daemon(file="/etc/mysql (grep -rn bind-address /etc/mysql)",
                      line="bind-address = {address} and port = {port}")),
    ("mariadb*", Daemon(file="/etc/mysql (grep -rn bind-address /etc/mysql)",
                        line="bind-address = {address} and port = {port}")),
    ("ssh*", Daemon(file="/etc/ssh/sshd_config", line="ListenAddress {address} and Port {port}",
                    apply="sshd -t && systemctl restart {unit}")),
)  # fmt: skip
GENERIC = Daemon(file="its configuration (systemctl cat {unit})", line="listen on {address} port {port}")


def rebind(unit: str, bind: str, port: int) -> tuple[str, ...]:
    """Which edit makes this unit listen on this address and port, and which command applies it?"""
    daemon = next((daemon for pattern, daemon in DAEMONS if fnmatch(unit, pattern)), GENERIC)
    address = bind.partition("%")[0] or "0.0.0.0"  # noqa: S104 - the operator's own declaration
    address = f"[{address}]" if ":" in address else address
    values = {"unit": unit, "address": address, "port": port}
    edit = f"in {daemon.file}: {daemon.line}".format(**values)
    return edit, daemon.apply.format(**values)
