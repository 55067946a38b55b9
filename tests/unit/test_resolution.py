"""Which addresses should a name have, told to people?"""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from whyrefused.facts import asked


@pytest.mark.parametrize(
    ("right", "told"),
    [
        ((), "an address"),
        (("198.18.0.11", "10.9.0.2"), "10.9.0.2, 198.18.0.11"),
        (("fe80::1", "2001:db8::1", "198.18.0.11"), "198.18.0.11, 2001:db8::1"),
        (("fe80::1",), "an address"),
    ],
)
def test_words(right: tuple[str, ...], told: str) -> None:
    """In order, and without those that count on one link alone."""
    assert told == asked.words(map(ip_address, right))
