"""Incorrect hostname or port.

The client is configured with another host or port than the inventory has: a typing error, an address from before the
move, localhost left over from development. The server is healthy; the client asks the wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import unknown

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

CODE = "wrong-destination"
SIDE = "client"
HIDDEN_BY = ()


def rule(_case: Case, _evidence: Evidence) -> Ruling:
    """Is it this? No evidence of it is gathered yet."""
    return unknown("what the client is configured with is not looked at yet")
