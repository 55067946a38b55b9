"""proxy: the proxy variables are as declared, in every place that programs get their environment from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused import proxies
from whyrefused.records import Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.proxy import ProxyItem


def look(declared: ProxyItem, evidence: Evidence) -> Seen:
    """Where is the variable set, and to what? A place that could not be read is *could not look*."""
    host = evidence[declared.host]
    found = proxies.settings(host, declared.variable)
    lines = tuple(host.line(place, one.line) for place, one in found)
    said = "; ".join(f"{line.source}: {line.line}" for line in lines)
    nowhere = f"{declared.variable} is not set in {', '.join(host.places)}"
    return Seen(value=found, said=said or nowhere, lines=lines or (host.line("environment", nowhere),))


def test_proxy(declared: ProxyItem, seen: Seen) -> None:
    """The variable is set nowhere; or it is set somewhere, and nowhere otherwise than declared."""
    found = seen.value
    if declared.names:
        assert found
        assert all(set(declared.names) <= proxies.spared(one) for _, one in found)
    elif declared.value is None:
        assert not found
    else:
        assert found
        assert {proxies.plain(one.value) for _, one in found} == {proxies.plain(declared.value)}
