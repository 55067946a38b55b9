"""How large may an inventory be, and which of its files are of which kind? Asked before anything in them is read."""

from __future__ import annotations

import re

LARGEST = 5 * 1024 * 1024
MOST_HOSTS = 100_000

VAULT = "$ANSIBLE_VAULT;"
SUFFIXES = (".yml", ".yaml", ".json")
RANGE = re.compile(r"\[([0-9]{1,18}|[A-Za-z]):([0-9]{1,18}|[A-Za-z])(?::[0-9]+)?\]")


def too_many_hosts(text: str) -> bool:
    """Would the ranges in this text (`web[1:50]`) expand to more hosts than a fleet has?"""
    total, product, end = 0, 1, 0
    for found in RANGE.finditer(text):
        between = text[end : found.start()]
        if end and not between.isspace() and " " not in between and "\n" not in between and "," not in between:
            total -= product
        else:
            product = 1
        first, last = found.groups()
        product *= max(1, int(last) - int(first) + 1) if first.isdigit() and last.isdigit() else 26
        total += product
        end = found.end()
        if total > MOST_HOSTS:
            return True
    return False
