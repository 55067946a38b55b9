"""Which variables of an inventory are kept?"""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import cache

from whyrefused.inventory.connection import VARIABLES
from whyrefused.inventory.levels import EXPECT

SIMILAR = 0.75


@cache
def wanted(name: str) -> bool:
    """Is this variable kept: for the connection, for `expect`, or because it may be a misspelt `expect`?"""
    return name in VARIABLES or name == EXPECT or SequenceMatcher(None, name.lower(), EXPECT).ratio() > SIMILAR
