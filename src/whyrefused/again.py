"""Which paths deserve a second look at both ends, and what is asked there? Pure.

Where the first look does not decide who refuses, the client dials the path a dozen times more while its server, and a
router whose declared forward it goes through, count and look at packets: one more round trip to each. A server that the
inventory does not name, and only the answers of all hosts did, is asked in the same round trip what every server is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.cases import case_of
from whyrefused.diagnose import UNDETERMINED
from whyrefused.evidence import looked
from whyrefused.plan import ends, index
from whyrefused.plan.ask import by_host
from whyrefused.plan.keys.connects import PathItem
from whyrefused.probes import _sight
from whyrefused.records import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from whyrefused.case import Case
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
    servers: set[str] = set()
    wanted: list[Question] = []
    for failure in failures:
        item = failure.item
        if failure.id not in open_ or not isinstance(item, PathItem):
            continue
        case = case_of(inventory, item, failure.seen, evidence)
        # Of a server behind a balancer it may be the balancer that nobody could reach.
        server = (case.server if case else None) or item.server
        if case and server and server not in servers:
            more = [*_of_server(inventory, item, server, evidence), *_of_path(inventory, item, server, case, evidence)]
            servers |= {server} if more else set()
            wanted += more
    return by_host(inventory, wanted, 0)


def _of_server(inventory: Inventory, item: PathItem, server: str, evidence: Evidence) -> Iterator[Question]:
    """What was a server not asked that the inventory does not tell to be one of this path?"""
    if not item.server and not item.proxy and evidence[server].unreached is None:
        yield from (one for one in ends.server(inventory, server) if not evidence[server].asked(one[1]))


def _of_path(
    inventory: Inventory, item: PathItem, server: str, case: Case, evidence: Evidence
) -> Iterator[Question]:  # fmt: skip
    last = case.dial.last if case.dial else None
    far = item.router or server
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
