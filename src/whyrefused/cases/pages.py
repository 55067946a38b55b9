"""The case of a page that a browser did not open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import Case, Through
from whyrefused.cases.paths import of_path
from whyrefused.cases.ports import of_port
from whyrefused.cases.proxied import to_proxy
from whyrefused.records import Line, Seen

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.browses import BrowseItem
    from whyrefused.probes.dials import Dial
    from whyrefused.records import Inventory


def of_page(inventory: Inventory, item: BrowseItem, seen: Seen, evidence: Evidence) -> Case:
    """Where a plain connection to what the browser must reach fails too, that is what there is to explain."""
    page = seen.value
    if page.way and page.way.symptom != "connected":
        told = _plain(item, seen, page.way)
        path = item.path(inventory, item.destination, item.port)
        if not item.proxy:
            return of_path(inventory, path, told, evidence)
        case = of_path(inventory, to_proxy(inventory, path), told, evidence)
        return replace(case, through=Through(item=path, dial=page.way, part="to", reaches=None))
    led = page.led
    if led and not item.proxy and page.end and page.end.symptom != "connected":
        path = item.path(inventory, *led)
        if path.server_port:
            return of_path(inventory, path, _plain(item, seen, page.end), evidence)
    return of_port(item, seen, None, None, None)


def _plain(item: BrowseItem, seen: Seen, dial: Dial) -> Seen:
    lines = tuple(Line(host=item.host, source="connect(2)", line=line) for line in dial.lines)
    said = f"{dial.symptom}: {dial.lines[-1]}" if dial.lines else dial.symptom
    return Seen(value=dial, said=said, lines=(*lines, *seen.lines), symptom=dial.symptom)
