"""Network misconfiguration.

A router or the server itself sends the connection to another address or port than it should: a port forward that
leads to a closed port or a host that is gone, a redirect left over from an old set-up, a way back that does not
exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import unknown

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

CODE = "nat-misconfiguration"
SIDE = "server"
HIDDEN_BY = ()


def rule(_case: Case, _evidence: Evidence) -> Ruling:
    """Is it this? No evidence of it is gathered yet."""
    return unknown("address translation on the way is not looked at yet")
