"""What is a case of `rulesets/`? Commands of a program, and what connections then meet."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).with_name("rulesets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Connections that all meet the same."""

    sources: tuple[str, ...]  # `near`, `near.2` for its second address, `near.v6`, `near.v6.2`
    destinations: tuple[str, ...]  # the same, or addresses
    ports: tuple[int, ...]
    protocols: tuple[str, ...]
    end: str  # accept, drop, `tcp reset` or the code of an ICMP or ICMPv6 message
    author: str | None = None  # of the rule that decides; None: not asked
    untold: str = ""  # the reason, where the rules alone do not tell
    by: tuple[str, ...] = ()  # `near 80`: who may answer, where the rules do not tell

    def each(self) -> Iterator[tuple[str, str, int, str]]:
        """Which connections are these?"""
        yield from itertools.product(self.sources, self.destinations, self.ports, self.protocols)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to use a program."""

    program: str
    name: str
    run: str  # shell, on the host that has the rules
    asks: tuple[Ask, ...]
    places: Mapping[str, str] = field(default_factory=dict)  # name -> shell that prints the process it lives in
    kept: str = ""  # name of the folder of tests/unit/data/firewall that has these rules

    def __str__(self) -> str:
        return f"{self.program}: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A file of `rulesets/`: a program and its cases."""

    name: str
    layer: bool  # it is not on the image itself
    ports: tuple[int, ...]  # on which every host answers
    routed: tuple[str, ...]  # networks in its host that the neighbours know the way to
    clear: str  # shell that takes all its rules away
    cases: tuple[Case, ...]


def programs() -> tuple[Program, ...]:
    """Which programs are there?"""
    return tuple(_program(path) for path in sorted(FOLDER.glob("*.yml")))


def code(end: str, version: int) -> str:
    """What is an end called for packets of this IP version?"""
    if end in ("accept", "drop", "tcp reset"):
        return end
    return f"{'icmp' if version == 4 else 'icmpv6'} {end}"


def version(address: str) -> int:
    """Which IP version is this address of?"""
    return ipaddress.ip_address(address).version


def _program(path: Path) -> Program:
    told: dict[str, Any] = yaml.safe_load(path.read_text())
    cases = tuple(
        _case(path.stem, variant, told, each)
        for each in told["cases"]
        for variant in each.get("variants") or told.get("variants") or [""]
    )
    return Program(
        name=path.stem,
        layer=told.get("layer", False),
        ports=tuple(told["ports"]),
        routed=tuple(told.get("routed", ())),
        clear=told["clear"],
        cases=cases,
    )


def _case(program: str, variant: str, told: Mapping[str, Any], each: Mapping[str, Any]) -> Case:
    return Case(
        program=program,
        name=f"{each['name']}, {variant}" if variant else each["name"],
        run=f"variant={variant}\n{told.get('before', '')}\n{each['run']}",
        asks=tuple(_ask(told.get("usual", {}) | ask, variant) for ask in each["asks"]),
        places=told.get("places", {}) | each.get("places", {}),
        kept=_of_variant(each.get("kept", ""), variant),
    )


def _ask(told: Mapping[str, Any], variant: str) -> Ask:
    return Ask(
        sources=_several(told["from"]),
        destinations=_several(told["to"]),
        ports=tuple(map(int, _several(told["port"]))),
        protocols=_several(told.get("protocol", "tcp")),
        end=_of_variant(told["is"], variant),
        author=told.get("author"),
        untold=told.get("untold", ""),
        by=_several(told.get("by", [])),
    )


def _of_variant(told: str | Mapping[str, str], variant: str) -> str:
    return told if isinstance(told, str) else told.get(variant, "")


def _several(told: object) -> tuple[str, ...]:
    return tuple(map(str, told if isinstance(told, list) else [told]))
