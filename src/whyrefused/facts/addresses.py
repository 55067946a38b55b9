"""Does a listener on X answer a client that dials Y? Pure.

Three values: True, False, and None where the evidence does not tell (an IPv6 wildcard whose IPV6_V6ONLY is unknown).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.probes.addresses import Address as Own
    from whyrefused.probes.listeners import Listener

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

V4, V6 = 4, 6
EVERY_V4 = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - what a listener says, not what we open


def plain(address: Address) -> Address:
    """Which address is meant by an IPv4-mapped one? (RFC 4291, 2.5.5.2)"""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def answers(listener: Listener, dialled: Address, interface: str | None = None) -> bool | None:
    """Does this listener take a connection to `dialled`, arriving on `interface`?

    A wildcard takes every address of its family; `::` without IPV6_V6ONLY takes IPv4 too (ipv6(7)). A listener bound
    to a device takes only what arrives there (socket(7), SO_BINDTODEVICE); with `interface` None that is not known.
    """
    here = _takes(listener, plain(dialled))
    if not here or listener.device == "":
        return here
    return None if interface is None or listener.device is None else interface == listener.device


def _takes(listener: Listener, dialled: Address) -> bool | None:
    bound = plain(listener.address)
    if not bound.is_unspecified:
        return bound == dialled
    if bound.version == dialled.version:
        return True
    if bound.version == V6 and listener.address.version == V6:
        return None if listener.v6only is None else not listener.v6only
    return False


def meets(listener: Listener, bind: str) -> bool | None:
    """Does this listener answer all that `bind` declares?

    `0.0.0.0` wants every IPv4 address, `::` every IPv6 one, an address itself; `%device` wants that very device, and
    without it one that is bound to a device does not answer everybody.
    """
    text, _, device = bind.partition("%")
    if listener.device is None:
        return None if not text or _meets(listener, text) is not False else False
    if listener.device != device:
        return False
    return _meets(listener, text) if text else True


def _meets(listener: Listener, text: str) -> bool | None:
    wanted = plain(ipaddress.ip_address(text))
    if not wanted.is_unspecified:
        return _takes(listener, wanted)
    if not plain(listener.address).is_unspecified:
        return False
    return _takes(listener, wanted)


def together(listeners: Iterable[Listener], bind: str, own: Iterable[Own]) -> bool:
    """Do these listeners answer each address of a host's own that a declared wildcard is about?"""
    text, _, device = bind.partition("%")
    wanted = plain(ipaddress.ip_address(text)) if text else None
    if device or wanted is None or not wanted.is_unspecified:
        return False
    mine = [one for one in own if one.scope != "link" and one.address.version == wanted.version]
    found = tuple(listeners)
    return bool(mine) and all(any(answers(each, one.address, one.interface) for each in found) for one in mine)


def covers(bind: str, address: Address) -> bool:
    """Is this address one that the declared `bind` is about?"""
    text = bind.partition("%")[0]
    declared = plain(ipaddress.ip_address(text)) if text else None
    if declared is None or declared == plain(address):
        return True
    return declared.is_unspecified and declared.version == plain(address).version
