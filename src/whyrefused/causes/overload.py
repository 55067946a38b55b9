"""Server overload or resource exhaustion.

The server has no room for one more connection. On Linux a full accept queue seldom refuses: the connection times out,
or is reset after it seemed to open. It is refused where the overload ended the program, or where a limit is a
firewall's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import unknown

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

CODE = "overload"
SIDE = "server"
HIDDEN_BY = ()


def rule(_case: Case, _evidence: Evidence) -> Ruling:
    """Is it this? No evidence of it is gathered yet."""
    return unknown("queues, limits and counters of the server are not looked at yet")
