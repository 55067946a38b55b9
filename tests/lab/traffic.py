"""What do many connections meet that are really made, from several places at once?"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import place
from .process import LabError, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .host import Host

ASK = Path(__file__).with_name("ask.py").read_text()
ANSWER = Path(__file__).with_name("answer.py").read_text()
PYTHON = "/usr/bin/python3"
SECONDS = 1.3
"""How long silence lasts: the first packet is repeated after a second."""

CODES = {
    "icmp 3 0": "icmp net-unreachable", "icmp 3 1": "icmp host-unreachable", "icmp 3 2": "icmp prot-unreachable",
    "icmp 3 3": "icmp port-unreachable", "icmp 3 9": "icmp net-prohibited", "icmp 3 10": "icmp host-prohibited",
    "icmp 3 13": "icmp admin-prohibited", "icmpv6 1 0": "icmpv6 no-route", "icmpv6 1 1": "icmpv6 admin-prohibited",
    "icmpv6 1 3": "icmpv6 addr-unreachable", "icmpv6 1 4": "icmpv6 port-unreachable",
    "icmpv6 1 5": "icmpv6 policy-fail", "icmpv6 1 6": "icmpv6 reject-route",
}  # fmt: skip
"""ICMP and ICMPv6 type and code -> the name that nft has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One connection to be made."""

    place: str
    source: str
    destination: str
    port: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.place} {self.source} -> {self.destination} {self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What became of it."""

    end: str  # accept, drop, `tcp reset`, `icmp CODE`, `icmpv6 CODE` or the name of an errno
    by: str = ""  # ADDRESS PORT of whoever answered, as he sees it


def listen(host: Host, ports: Iterable[int]) -> None:
    """Let a host answer on these ports, with TCP and UDP; sshd would be in the way."""
    host.write("/root/answer.py", ANSWER)
    words = " ".join(map(str, sorted(ports)))
    start = f"systemd-run -q --service-type=notify --unit=answer {PYTHON} /root/answer.py {words}"
    host.run(f"systemctl -q stop ssh; {start}")


def meet(places: Mapping[str, tuple[str, ...]], dials: Sequence[Dial]) -> dict[Dial, Met]:
    """What does each connection meet? `places` are the prefixes that make a command one of the place."""
    named = {name: [dial for dial in dials if dial.place == name] for name in {dial.place for dial in dials}}
    with ThreadPoolExecutor(len(named)) as pool:
        asked = [pool.submit(_met, places[name], each) for name, each in named.items()]
        return {dial: met for one in asked for dial, met in one.result().items()}


def _met(inside: tuple[str, ...], dials: Sequence[Dial]) -> dict[Dial, Met]:
    told = {"seconds": SECONDS, "dials": [[each.protocol, each.source, each.destination, each.port] for each in dials]}
    said = run(*inside, PYTHON, "-I", "-c", ASK, stdin=json.dumps(told), env=place.ENVIRONMENT, cwd="/").stdout
    found = json.loads(said)
    if len(found) != len(dials):
        raise LabError(f"{len(dials)} connections were asked for: {said[:300]}")
    return {dial: Met(end=CODES.get(end, end), by=by) for dial, (end, by) in zip(dials, found, strict=True)}
