"""Local firewall or antivirus.

The client's own firewall refuses or drops what leaves the machine, or eats the answer. A rule may hold for one user
or one service only, so that root connects where the application cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import unknown

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

CODE = "client-firewall"
SIDE = "client"
HIDDEN_BY = ()


def rule(_case: Case, _evidence: Evidence) -> Ruling:
    """Is it this? No evidence of it is gathered yet."""
    return unknown("the client's own rules are not judged yet")
