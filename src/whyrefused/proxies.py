"""Which proxies are set on a host, and where? Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.proxy import Setting


def settings(host: HostEvidence, variable: str) -> tuple[tuple[str, Setting], ...]:
    """Where is this variable set to something, in either case? (place, setting) in the order of the places.

    Raises `CouldNotLook` where a place could not be read.
    """
    found = []
    for name, place in host.places.items():
        if isinstance(place.settings, Missing):
            raise CouldNotLook(f"{host.name}: {place.settings.why}")
        found += [(name, one) for one in place.settings if one.variable.lower() == variable and one.value]
    return tuple(found)


def plain(url: str) -> str:
    """Which proxy does a value name, whatever the credentials, case and last slash?"""
    return re.sub(r"//.*@", "//", url).rstrip("/").lower()


def spared(setting: Setting) -> frozenset[str]:
    """Which names does a `no_proxy` hold?"""
    return frozenset(name for name in re.split(r"[\s,]+", setting.value) if name)
