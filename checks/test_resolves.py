"""resolves: each declared name has the declared addresses, through the host's own resolver order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.facts import resolution
from whyrefused.records import CouldNotLook, Seen

if TYPE_CHECKING:
    from whyrefused.evidence import Evidence
    from whyrefused.plan.keys.resolves import NameItem


def look(declared: NameItem, evidence: Evidence) -> Seen:
    """Which addresses does a program on the host get for the name?

    No answer in time is not "there is none", unless none of the host's nameservers answers at all. A host without IPv6
    gives its programs no IPv6 address, and the name has it all the same.
    """
    host = evidence[declared.host]
    answer = host.resolved(declared.name)
    if answer.silent and not resolution.dead(host, declared.name):
        raise CouldNotLook(
            f"{host.name}: getent ahosts {declared.name}: no answer in time ({'; '.join(answer.resolvers)})"
        )
    lines = [host.line(f"getent ahosts {declared.name}", line) for line in answer.lines if "STREAM" in line]
    lines += [host.line("/etc/hosts", line) for line in answer.hosts_file]
    said = f"{declared.name} is {', '.join(map(str, answer.addresses)) or 'not known there'}"
    spared = resolution.left_out(host, declared.name, declared.answers)
    if spared:
        said += f"; {', '.join(map(str, spared))} too, of which this host speaks no IPv{next(iter(spared)).version}"
    return Seen(
        value=(*answer.addresses, *spared), said=said,
        lines=(*lines, *spared.values()) or (host.line("getent ahosts", said),),
    )  # fmt: skip


def test_resolves(declared: NameItem, seen: Seen) -> None:
    """Every declared address is given, and no other."""
    given = seen.value
    assert given
    assert set(declared.answers) <= set(given)
    assert all(one in declared.answers or any(one in net for net in declared.permitted) for one in given)
