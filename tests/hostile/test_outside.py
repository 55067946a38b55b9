"""What is said of a host that cannot be connected to: who refuses, who says that there is no way, who is silent?

Three namespaces in a row: the controller, a router, a host. Nothing listens; rules and routes make each case.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hostile import whole
from hostile.support import Known, keygen
from hostile.whole import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile.whole import Ran

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft"))), reason="namespaces need root, ip and nft"
    ),
]

HOST, ROUTER, OWN = "198.19.2.2", "198.19.1.2", "198.19.1.1"
HOST6, ROUTER6 = "2001:db8:19:2::2", "2001:db8:19:1::2"
RULES = {
    "host": """
table inet t {
 chain c {
  type filter hook input priority 0
  tcp dport 2202 reject with tcp reset
  tcp dport 2203 reject
  tcp dport 2204 reject with icmpx admin-prohibited
  tcp dport 2205 drop
 }
}
""",
    "router": """
table inet t {
 chain c {
  type filter hook forward priority 0
  tcp dport 2206 reject with tcp reset
  tcp dport 2207 reject with icmpx admin-prohibited
  tcp dport 2208 reject
 }
}
""",
    "controller": """
table inet t {
 chain c {
  type filter hook output priority 0
  tcp dport 2209 reject
 }
}
""",
}
CASES: dict[str, tuple[str, int, str, str]] = {
    "closed": (HOST, 2201, "refused", "the host's own kernel's: the port is closed"),
    "closed-6": (HOST6, 2201, "refused", "the host's own kernel's: the port is closed"),
    "reset-by-its-rules": (HOST, 2202, "refused", "a firewall's rule (reject with tcp reset)"),
    "reset-by-its-rules-6": (HOST6, 2202, "refused", "a firewall's rule (reject with tcp reset)"),
    "rejected-by-its-rules": (HOST, 2203, "refused", f"'port unreachable' came from {HOST}, the host itself"),
    "rejected-by-its-rules-6": (HOST6, 2203, "refused", f"'port unreachable' came from {HOST6}, the host itself"),
    "prohibited-by-its-rules": (HOST, 2204, "unreachable", f"'administratively prohibited' came from {HOST}, the host"),
    "dropped": (HOST, 2205, "timed-out", "firewalls that drop"),
    "reset-on-the-way": (HOST, 2206, "refused", "came from another machine"),
    "prohibited-on-the-way": (HOST, 2207, "unreachable", f"came from {ROUTER} on the way: a firewall there rejects us"),
    "rejected-on-the-way": (HOST, 2208, "refused", f"'port unreachable' came from {ROUTER} on the way: a firewall"),
    "rejected-here": (HOST, 2209, "refused", f"came from {OWN}, this machine itself: its own firewall"),
    "no-way-there": ("198.19.3.1", 22, "unreachable", f"came from {ROUTER} on the way: it has no way"),
    "no-way-there-6": ("2001:db8:19:3::1", 22, "unreachable", f"'no route' came from {ROUTER6} on the way"),
    "nobody-there": ("198.19.1.77", 22, "unreachable", "nobody answers for that address"),
    "no-route": ("198.18.255.1", 22, "unreachable", "ENETUNREACH"),
    "blackhole": ("198.19.4.1", 22, "timed-out", "no answer"),
}
DEADLINE, SLACK = 8, 4


def ip(*words: str) -> None:
    """Run one command of iproute2."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def spaces() -> Iterator[dict[str, str]]:
    """Make the three namespaces and what connects them."""
    made = {name: f"faults-{os.getpid()}-{name}" for name in RULES}
    try:
        for space in made.values():
            ip("netns", "add", space)
        _wire(made["controller"], made["router"], "198.19.1.", "2001:db8:19:1::")
        _wire(made["host"], made["router"], "198.19.2.", "2001:db8:19:2::", last=(2, 1))
        for name, space in made.items():
            ip("-n", space, "link", "set", "lo", "up")
            settings = [
                "ipv4.icmp_ratelimit=0",
                "ipv6.icmp.ratelimit=0",
                "ipv4.ip_forward=1",
                "ipv6.conf.all.forwarding=1",
            ]
            inside(space, "sysctl", "-qw", *(f"net.{one}" for one in settings))
            subprocess.run(["ip", "netns", "exec", space, "nft", "-f", "-"], input=RULES[name].encode(), check=True)
        for prefix in ("198.19.2.0/23", "198.19.4.0/24"):
            ip("-n", made["controller"], "route", "add", prefix, "via", ROUTER)
        ip("-n", made["controller"], "route", "add", "2001:db8:19:2::/63", "via", ROUTER6)
        ip("-n", made["host"], "route", "add", "198.19.1.0/24", "via", "198.19.2.1")
        ip("-n", made["host"], "route", "add", "2001:db8:19:1::/64", "via", "2001:db8:19:2::1")
        ip("-n", made["router"], "route", "add", "blackhole", "198.19.4.0/24")
        yield made
    finally:
        for space in made.values():
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def inside(space: str, *words: str) -> None:
    """Run this in a namespace."""
    subprocess.run(["ip", "netns", "exec", space, *words], check=True, capture_output=True)


def _wire(one: str, other: str, v4: str, v6: str, last: tuple[int, int] = (1, 2)) -> None:
    """Connect two namespaces; each end has an address of both families."""
    far = f"to{v4.split('.')[2]}"
    ip("link", "add", "eth0", "netns", one, "type", "veth", "peer", "name", far, "netns", other)
    for space, device, number in ((one, "eth0", last[0]), (other, far, last[1])):
        ip("-n", space, "addr", "add", f"{v4}{number}/24", "dev", device)
        ip("-n", space, "addr", "add", f"{v6}{number}/64", "dev", device, "nodad")
        ip("-n", space, "link", "set", device, "up")


@pytest.fixture(scope="module")
def ran(spaces: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the tool in the controller's namespace over all cases."""
    folder = tmp_path_factory.mktemp("outside")
    known = Known(config=folder / "ssh_config", known_hosts=folder / "known_hosts")
    known.config.write_text("UserKnownHostsFile none\nGlobalKnownHostsFile none\nIdentityFile none\n")
    hosts = [Declared(name=name, address=address, port=port) for name, (address, port, _, _) in CASES.items()]
    inner = ("ip", "netns", "exec", spaces["controller"])
    return whole.run(
        folder / "run", hosts, keygen(folder / "id"), known.config, f"--host-timeout={DEADLINE}", within=inner
    )


@pytest.mark.parametrize("case", CASES)
def test_who_refuses(case: str, ran: Ran) -> None:
    """Each case has the right reason, and whoever refused is named where that can be known from outside."""
    _, _, reason, words = CASES[case]
    assert ["error", "error"] == ran.outcomes(case)
    (told,) = ran.reasons(case)
    assert (reason, True) == (told.partition(": ")[0], words in told), told


def test_time(ran: Ran) -> None:
    """All of them together take one deadline."""
    (visited,) = re.findall(r"visited \d+ hosts in ([\d.]+) s", ran.said)
    assert float(visited) <= DEADLINE + SLACK
    assert 1 == ran.status
