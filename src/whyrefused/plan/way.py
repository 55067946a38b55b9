"""Which declared proxy stands on the way to a destination?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import ProxySettings
from whyrefused.plan.no_proxy import meant

if TYPE_CHECKING:
    from whyrefused.inventory.expect import Proxy

CARRIED = ("http", "https")
"""Schemes that a proxy of the environment carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A proxy, as its URL declares it."""

    url: str  # without credentials
    host: str
    port: int | None
    credentials: bool  # does the URL hold some? They are never sent and never shown


def parsed(value: str) -> Way:
    """Which proxy does the value of a proxy variable name? One without a scheme is an http proxy (curl(1))."""
    scheme, separator, rest = value.strip().partition("://")
    if not separator:
        scheme, rest = "http", value.strip()
    user, at, place = rest.rpartition("@")
    place = re.split(r"[/?#\s]", place, maxsplit=1)[0]
    name, colon, number = place.rpartition(":")
    told = bool(colon) and number.isascii() and number.isdigit() and len(number) <= 5  # noqa: PLR2004 - digits of a port
    host = name if told else place
    return Way(
        url=f"{scheme.lower()}://{place}", host=host.strip("[]"), port=int(number) if told else None,
        credentials=bool(at and user),
    )  # fmt: skip


def declared(proxy: Proxy | None, scheme: str | None, target: str) -> Way | None:
    """Which one is declared for a URL of this scheme? None: it is reached directly."""
    if not isinstance(proxy, ProxySettings) or scheme not in CARRIED:
        return None
    value = (proxy.https if scheme == "https" else proxy.http) or proxy.all
    if not value or value == "none" or meant(proxy.no_proxy or (), target):
        return None
    return parsed(value)
