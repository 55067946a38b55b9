"""Browser-related problems.

The browser goes elsewhere than a plain connection from the same machine does: through a proxy of its own, to https
where only http is served, along a redirect it remembers. Cookies never refuse a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import unknown

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

CODE = "browser"
SIDE = "client"
HIDDEN_BY = ()


def rule(_case: Case, _evidence: Evidence) -> Ruling:
    """Is it this? No evidence of it is gathered yet."""
    return unknown("no browser is driven yet")
