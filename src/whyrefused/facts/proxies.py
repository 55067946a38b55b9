"""Which proxies are set on a host, and where? Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whyrefused.plan import no_proxy, way
from whyrefused.probes.proxy import ETC, LOGIN, MANAGER, Setting
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whyrefused.evidence import HostEvidence

Found = tuple[tuple[str, Setting], ...]
"""(place, setting), in the order of the places."""

Ways = tuple[tuple[str, str], ...]
"""(program, proxy it goes through; empty: directly)."""

SENDING = ("http_proxy", "https_proxy", "all_proxy")
"""What sends a program through a proxy to a web server."""


def settings(host: HostEvidence, variable: str) -> Found:
    """Where is this variable set to something, in either case? Raises `CouldNotLook` where a place cannot be read."""
    found = []
    for name, place in host.places.items():
        if isinstance(place.settings, Missing):
            raise CouldNotLook(f"{host.name}: {place.settings.why}")
        if not place.aside:
            found += [(name, one) for one in place.settings if one.variable.lower() == variable and one.value]
    return tuple(found)


def sparing(host: HostEvidence) -> Found:
    """What does `no_proxy` hold, in each place that has it or sends programs through a proxy without it?

    None where no place has it: then it is not set at all.
    """
    found = settings(host, "no_proxy")
    have = {place for place, _ in found}
    bare = {place: one for variable in SENDING for place, one in settings(host, variable) if place not in have}
    without = tuple(
        (place, Setting(variable="no_proxy", value="", line=f"{one.line}, without no_proxy"))
        for place, one in bare.items()
    )
    return (*found, *without) if found else ()


def sending(host: HostEvidence, place: str) -> tuple[Setting, ...]:
    """What is set in this place that sends programs through a proxy, or spares them? Raises `CouldNotLook`."""
    return tuple(
        one for one in host.places[place].settings if one.variable.lower() in {*SENDING, "no_proxy"} and one.value
    )


def aside(host: HostEvidence) -> Found:
    """Which programs have a proxy of their own, which no item judges?"""
    return tuple(
        (name, one)
        for name, place in host.places.items()
        if place.aside and not isinstance(place.settings, Missing)
        for one in place.settings
    )


def environment(host: HostEvidence, place: str) -> Mapping[str, str]:
    """Which proxy variables has a program of this place? Raises `CouldNotLook`."""
    found = host.places.get(place)
    if found is None:
        raise CouldNotLook(f"{host.name}: the environment of {place} was not told")
    if isinstance(found.settings, Missing):
        raise CouldNotLook(f"{host.name}: {found.settings.why}")
    return {one.variable: one.value for one in found.settings}


def chosen(variables: Mapping[str, str], scheme: str, host: str, port: int) -> Ways:
    """Through which proxy does each program go to a URL? (program, proxy or empty: directly)."""
    return tuple((one, no_proxy.proxy_for(one, variables, scheme, host, port)) for one in no_proxy.READERS)


def roots(host: HostEvidence, found: Found) -> Found:
    """Where do these settings come from? A login has those of /etc/environment, a unit those of the systemd manager."""
    rooted = [(_origin(host, place, one), one) for place, one in found]
    first: dict[tuple[str, str, str], tuple[str, Setting]] = {}
    for place, one in sorted(rooted, key=lambda pair: pair[0] != ETC):
        first.setdefault((place, one.variable, one.value), (place, one))
    return tuple(first.values())


def _origin(host: HostEvidence, place: str, one: Setting) -> str:
    base = {LOGIN: ETC, ETC: ETC, MANAGER: MANAGER}.get(place, MANAGER)
    known = host.places.get(base)
    settings = known.settings if known and not isinstance(known.settings, Missing) else ()
    return base if any((same.variable, same.value) == (one.variable, one.value) for same in settings) else place


def plain(url: str) -> str:
    """Which proxy does a value name, whatever the credentials, case, last slash and a scheme left out?"""
    return way.parsed(url).url.lower()


def spared(setting: Setting) -> frozenset[str]:
    """Which names does a `no_proxy` hold?"""
    return frozenset(name.lower() for name in re.split(r"[\s,]+", setting.value) if name)


def holds(setting: Setting, name: str) -> bool:
    """Is this name spared? It stands there, or whatever stands there spares it for every program."""
    return name.lower() in spared(setting) or not tuple(missed(setting, name))


def missed(setting: Setting, name: str) -> Iterator[str]:
    """Which programs go through the proxy to what this declared entry of `no_proxy` means?"""
    if re.search(r"[*/:]", name.removeprefix("*.")):
        yield from no_proxy.READERS
        return
    bare = name.removeprefix("*")
    host = f"any{bare}" if bare.startswith(".") else bare
    yield from (one for one, read in no_proxy.READERS.items() if not read(setting.value.strip(), host.lower(), 443))
