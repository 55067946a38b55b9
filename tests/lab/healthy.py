"""What does a host look like when all is well? Each puts one service of the image to work, as its package means it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .host import Host

WEB_PORT = 80
DATABASE_PORT = 6379


def web(host: Host) -> None:
    """Make it a web server: nginx as packaged, on 0.0.0.0:80 and, as a second socket, [::]:80."""
    host.run("systemctl -q enable --now nginx")


def database(host: Host) -> None:
    """Make it a database server: redis on every address, port 6379. As packaged it listens on loopback only."""
    host.run(
        "sed -i -E 's/^bind .*/bind 0.0.0.0 ::/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf"
        " && systemctl -q enable redis-server && systemctl restart redis-server"
    )


def socket_activated(host: Host, name: str, port: int) -> None:
    """Give it an idle service that its socket unit starts: whoever connects gets his words back."""
    host.write(
        f"/etc/systemd/system/{name}.socket",
        f"[Socket]\nListenStream={port}\nAccept=yes\n\n[Install]\nWantedBy=sockets.target\n",
    )
    host.write(
        f"/etc/systemd/system/{name}@.service",
        "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nStandardOutput=socket\n",
    )
    host.run(f"systemctl daemon-reload && systemctl -q enable --now {name}.socket")


def names(host: Host, addresses: Mapping[str, str]) -> None:
    """Let it know these names: they go into its /etc/hosts, since a lab has no DNS unless a test starts one."""
    lines = "".join(f"{address}\t{name}\n" for name, address in addresses.items())
    host.run("cat >>/etc/hosts", stdin=lines)
