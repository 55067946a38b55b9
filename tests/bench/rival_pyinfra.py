"""The standard audit's fourteen items as a user of pyinfra would write them: facts, and assertions about them."""

from __future__ import annotations

import re

from bench.declared import CLOSED, KEPT_OUT, NAMES, OPEN, PROXIES, SERVICES
from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.facts.systemd import SystemdEnabled, SystemdStatus

units = [f"{unit}.service" for unit in SERVICES]
running = host.get_fact(SystemdStatus, services=units)
enabled = host.get_fact(SystemdEnabled, services=units)
for unit in units:
    assert running[unit]
    assert enabled[unit]

sockets = host.get_fact(Command, command="ss -Hltn")
for port in OPEN:
    assert re.search(rf"0\.0\.0\.0:{port}\s", sockets)
assert not re.search(rf":{CLOSED}\s", sockets)

assert KEPT_OUT in host.get_fact(Command, command="nft list ruleset")
host.get_fact(Command, command="iptables-save")

environ = host.get_fact(Command, command="env; cat /etc/environment")
for variable in PROXIES:
    assert not re.search(rf"^{variable}=", environ, re.MULTILINE)

for name, address in NAMES.items():
    assert host.get_fact(Command, command=f"getent ahostsv4 {name}").split()[0] == address
