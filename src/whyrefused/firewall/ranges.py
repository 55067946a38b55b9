"""Which numbers are in a set of ranges?

Addresses, ports, protocols and marks are all numbers here. A set is a sorted tuple of disjoint, closed ranges, so that
a whole network walks through a rule in one step and comes out as the part that matched and the part that did not.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]
Ranges = tuple[Range, ...]
NEAR = 8
"""A set up to so many times as large as another is passed through together with it, not searched."""


def tidy(ranges: Iterable[Range]) -> Ranges:
    """What is the same set, sorted, with touching ranges joined?"""
    out: list[Range] = []
    for low, high in sorted(item for item in ranges if item[0] <= item[1]):
        if out and low <= out[-1][1] + 1:
            if high > out[-1][1]:
                out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return tuple(out)


def _first(ranges: Ranges, number: int) -> int:
    """Which range is the first that does not end before this number?"""
    return bisect_left(ranges, number, key=lambda item: item[1])


def both(one: Ranges, other: Ranges) -> Ranges:
    """Which numbers are in both sets? Logarithmic in the larger set where the other is much smaller, else linear."""
    if len(one) > len(other):
        one, other = other, one
    if one == other:
        return one
    if len(one) * NEAR > len(other):
        return _merged(one, other)
    out: list[Range] = []
    for low, high in one:
        at = _first(other, low)
        while at < len(other) and other[at][0] <= high:
            out.append((max(low, other[at][0]), min(high, other[at][1])))
            at += 1
    return tuple(out)


def _merged(one: Ranges, other: Ranges) -> Ranges:
    out: list[Range] = []
    at = 0
    for low, high in one:
        at = here = _next(other, low, at)
        while here < len(other) and other[here][0] <= high:
            out.append((max(low, other[here][0]), min(high, other[here][1])))
            here += 1
    return tuple(out)


def without(one: Ranges, other: Ranges) -> Ranges:
    """Which numbers of the first set are not in the second?"""
    if not one or not other:
        return one
    if one == other:
        return ()
    start = _first(one, other[0][0])
    if start == len(one) or one[start][0] > other[-1][1]:
        return one
    out = list(one[:start])
    near, at = (len(one) - start) * NEAR > len(other), 0
    for low, high in one[start:]:
        at = _next(other, low, at) if near else _first(other, low)
        out += _left(low, high, other, at)
    return tuple(out)


def _next(ranges: Ranges, number: int, at: int) -> int:
    """Which range, from this one on, is the first that does not end before the number?"""
    while at < len(ranges) and ranges[at][1] < number:
        at += 1
    return at


def _left(low: int, high: int, other: Ranges, at: int) -> Iterator[Range]:
    """What is left of one range without those from `at` on?"""
    while at < len(other) and other[at][0] <= high:
        if other[at][0] > low:
            yield low, other[at][0] - 1
        low = other[at][1] + 1
        at += 1
    if low <= high:
        yield low, high


def either(one: Ranges, other: Ranges) -> Ranges:
    """Which numbers are in at least one of the sets?"""
    if not one or not other:
        return one or other
    return tidy(one + other)


def holds(ranges: Ranges, span: Range) -> bool | None:
    """Is this range inside the set? None when only a part of it is."""
    at = _first(ranges, span[0])
    if at == len(ranges) or ranges[at][0] > span[1]:
        return False
    return True if ranges[at][0] <= span[0] and span[1] <= ranges[at][1] else None


def address_range(text: str) -> tuple[int, Range]:
    """Which IP version and range is an ADDRESS, a CIDR, an ADDRESS/MASK or FIRST-LAST? Raises ValueError."""
    first, dash, last = text.partition("-")
    if dash:
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
        if low.version != high.version:
            raise ValueError(f"{text!r} mixes IPv4 and IPv6")
        return low.version, (int(low), int(high))
    network = ipaddress.ip_network(text, strict=False)
    return network.version, (int(network.network_address), int(network.broadcast_address))


def _dotted(number: int) -> str:
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def in_words(span: Range, version: int) -> str:
    """How is a range of addresses written: a CIDR where it is one, else FIRST-LAST?"""
    kind = _dotted if version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 - IP version
    low, high = span
    size = high - low + 1
    if size & (size - 1) == 0 and low % size == 0:
        length = (32 if version == 4 else 128) - size.bit_length() + 1  # noqa: PLR2004 - IP version
        return str(kind(low)) if size == 1 else f"{kind(low)}/{length}"
    return f"{kind(low)}-{kind(high)}"
