"""proxy: the proxy variables are as declared, in every place that programs get their environment from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import proxies
from whyrefused.plan.keys.proxy import ProxyItem, WayItem
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence


def look(declared: ProxyItem | WayItem, evidence: Evidence) -> Seen:
    """Where is the variable set, and to what? A place that could not be read is *could not look*."""
    host = evidence[declared.host]
    if isinstance(declared, WayItem):
        variables = proxies.environment(host, declared.place)
        ways = proxies.chosen(variables, declared.scheme, declared.destination, declared.port)
        told = ", ".join(f"{program} {'through ' + proxy if proxy else 'directly'}" for program, proxy in ways)
        found = tuple((declared.place, one) for one in host.places[declared.place].settings)
        lines = tuple(host.line(place, one.line) for place, one in found)
        return Seen(value=ways, said=told, lines=lines or (host.line(declared.place, "no proxy variable"),))
    found = proxies.sparing(host) if declared.names else proxies.settings(host, declared.variable)
    lines = tuple(host.line(place, one.line) for place, one in found)
    said = "; ".join(f"{line.source}: {line.line}" for line in lines)
    nowhere = f"{declared.variable} is not set in {', '.join(host.places)}"
    return Seen(value=found, said=said or nowhere, lines=lines or (host.line("environment", nowhere),))


def test_proxy(declared: ProxyItem | WayItem, seen: Seen) -> None:
    """The variable is set nowhere; or it is set somewhere, and nowhere otherwise than declared."""
    found = seen.value
    if isinstance(declared, WayItem):
        assert {proxies.plain(declared.value)} == {proxies.plain(proxy) for _, proxy in found}
    elif declared.names:
        assert found
        assert all(proxies.holds(one, name) for _, one in found for name in declared.names)
    elif declared.value is None:
        assert not found
    else:
        assert found
        assert {proxies.plain(one.value) for _, one in found} == {proxies.plain(declared.value)}
