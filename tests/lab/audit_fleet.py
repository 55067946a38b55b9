"""Which fleet do the audits look at? A client, a web server and a database, all as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import healthy
from .faults import SITE

if TYPE_CHECKING:
    from pathlib import Path

    from .fleet import Lab
    from .host import Host

WEB, DATABASE = "web.example.test", "db.example.test"

DECLARED = f"""
all:
  vars:
    expect: {{proxy: none}}
  children:
    app:
      hosts: {{app1: {{}}}}
      vars:
        expect:
          resolves: {{{WEB}: [$web1], {DATABASE}: [$db1]}}
          connects: ["http://{WEB}/", {{to: "{DATABASE}:6379", server: db1}}]
    web:
      hosts: {{web1: {{}}}}
      vars:
        expect:
          services: {{nginx: {{state: running, enabled: true}}}}
          ports:
            80/tcp: {{service: nginx, allow: [any], clients: [app, localhost]}}
    db:
      hosts: {{db1: {{}}}}
      vars:
        expect:
          services: {{redis-server: {{state: running, enabled: true}}}}
          ports:
            6379/tcp: {{service: redis-server, allow: [app], clients: [app]}}
"""
"""The clients of the web server are a group, and the controller itself."""

PATHS = frozenset({f"connects app1 http://{WEB}/", "connects app1 web1:80", "connects localhost web1:80"})
"""Every item that dials the web server."""

ITEMS = 25

KEPT = "/root/kept"
"""Where a host keeps its files as they were when all was well."""

LISTEN = f"sed -i -E '/listen [0-9].*default_server;/d; 0,/listen \\[/s//listen 0.0.0.0:80;\\n&/' {SITE}"
"""Does by hand what a fix of nginx says: write `listen 0.0.0.0:80;` for what it has for IPv4."""

# A fix that was tried has changed the file, so the fault's own way back no longer fits.
AS_IT_WAS = f"cp {KEPT} {SITE}; systemctl reset-failed nginx; systemctl restart nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The hosts, and the inventory of each login."""

    lab: Lab
    app: Host
    web: Host
    database: Host

    def inventory(self, user: str = "root", text: str = DECLARED) -> Path:
        """Which inventory logs in as this user? `deployer` becomes root."""
        become = "all:\n  vars:\n    ansible_become: true" if user == "deployer" else "all:\n  vars:"
        return self.lab.inventory(text.replace("all:\n  vars:", become), user=user, name=f"{user}.yml")


def fleet(lab: Lab) -> Fleet:
    """Boot the three hosts and put them to work."""
    app, web, database = lab.boot("app1", "web1", "db1")
    healthy.web(web)
    healthy.database(database)
    healthy.names(app, {WEB: web.address, DATABASE: database.address})
    # Several audits at once would be more ICMP errors than a kernel sends to one peer (icmp(7), icmp_ratelimit).
    web.run(f"cp {SITE} {KEPT} && sysctl -qw net.ipv4.icmp_ratelimit=0")
    return Fleet(lab=lab, app=app, web=web, database=database)
