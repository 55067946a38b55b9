"""The declared items: one record per line of an inventory that becomes a pytest item.

`check` is the file in `checks/` that judges it, `subject` what the inventory calls it, `wanted` what must be true. Each
key of `expect` has a record of its own, beside what is declared and asked for it, in `plan/keys/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["tcp", "udp"]

Question = tuple[str, str, str]
"""What a host is asked: host, probe, argument (empty: none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What every declared item has."""

    host: str  # the inventory host that is asked
    check: str
    subject: str
    wanted: str

    @property
    def label(self) -> str:
        """What stands in the brackets of the node id: unique within its check, without `::`."""
        return f"{self.host}-{self.subject}".replace(" ", "-").replace("::", "..")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterItem(Item):
    """A declaration that is understood and not checked yet."""


def protocol_of(key: str) -> Protocol:
    """Which protocol has a port as the inventory writes it?"""
    return "udp" if key.endswith("/udp") else "tcp"


def number_of(key: str) -> int:
    """Which number has a port as the inventory writes it?"""
    return int(key.partition("/")[0])
