"""Which paths deserve a second look at both ends, and what is asked there? Pure.

Where the first look does not decide who refuses, the client dials the path a dozen times more while its server, and a
router whose declared forward it goes through, count and look at packets: one more round trip to each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.cases import case_of
from whyrefused.diagnose import UNDETERMINED
from whyrefused.evidence import looked
from whyrefused.plan import index
from whyrefused.plan.ask import by_host
from whyrefused.plan.keys.connects import PathItem
from whyrefused.probes import _sight
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from whyrefused.diagnose import Failure
    from whyrefused.evidence import Evidence
    from whyrefused.plan.items import Question
    from whyrefused.records import Finding, Inventory
    from whyrefused.script import Asked

TELLING = frozenset({"refused", "reset", "timed-out", "unreachable"})
"""Symptoms of which packets tell more."""
UNUSED = range(61001, 65000)
"""Where a closed port is looked for: above the ephemeral ports of Linux (ip_local_port_range, ip(7))."""


def questions(
    inventory: Inventory, failures: Iterable[Failure], findings: Iterable[Finding], evidence: Evidence
) -> Mapping[str, Mapping[str, Asked]]:
    """What is each host asked once more? One path for each server: its counters do not tell two apart."""
    open_ = {result for one in findings if one.cause == UNDETERMINED for result in one.explains}
    paths: dict[str, PathItem] = {}
    wanted: list[Question] = []
    for failure in failures:
        item = failure.item
        if failure.id in open_ and isinstance(item, PathItem) and item.server and item.server not in paths:
            more = list(_of_path(inventory, item, failure, evidence))
            if more:
                paths[item.server] = item
                wanted += more
    return by_host(inventory, wanted, 0)


def _of_path(inventory: Inventory, item: PathItem, failure: Failure, evidence: Evidence) -> Iterator[Question]:
    case = case_of(inventory, item, failure.seen, evidence)
    last = case.dial.last if case and case.dial else None
    far = item.router or (case.server if case else None) or item.server or ""
    here = index.of(inventory).asked
    if (
        item.who
        or item.proxy
        or last is None
        or last.symptom not in TELLING
        or not last.source
        or far == item.host
        or not {item.host, far} <= here
        or evidence[far].unreached is not None
    ):
        return
    control = _closed(evidence, far)
    if control is None:
        return
    path = _sight.path(last.source, last.address, item.port)
    yield item.host, "burst", f"{path}/{control}"
    yield far, "watch", path


def _closed(evidence: Evidence, host: str) -> int | None:
    """Which port is closed there for certain? None where its listeners are not known."""
    rows = looked(lambda: evidence[host].listeners)
    if isinstance(rows, Missing):
        return None
    taken = {row.port for row in rows}
    return next(port for port in UNUSED if port not in taken)
