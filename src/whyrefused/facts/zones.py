"""What do the declared servers of a name's zone say of it, against what the client's resolver gave? Pure.

Only what such a server knows itself counts: one that is silent, refuses or answers without authority decides nothing.
So a record that is wrong in the zone is told from a nameserver that holds an old answer of it, and from one that has an
answer of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whyrefused.facts.asked import CONF, STUB, Reason, command
from whyrefused.probes.lookups import TOLD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.facts.addresses import Address
    from whyrefused.facts.asked import Asked
    from whyrefused.probes.lookups import Lookup

TYPES = frozenset({"A", "AAAA"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one server of a zone said of one full name."""

    server: str
    rows: tuple[Lookup, ...]

    @property
    def whole(self) -> bool:
        """Did it tell of both kinds of addresses?"""
        return {one.type for one in self.rows} == TYPES

    @property
    def addresses(self) -> frozenset[Address]:
        return frozenset(address for one in self.rows for address in one.addresses)


def _said(asked: Asked) -> list[_Said]:
    found: dict[tuple[str, str], list[Lookup]] = {}
    for one in asked.meant(asked.zone):
        if one.word in TOLD:
            found.setdefault((one.server, one.fqdn), []).append(one)
    return [_Said(server=server, rows=tuple(rows)) for (server, _), rows in found.items()]


def _good(asked: Asked) -> list[_Said]:
    """Which of them have it right, and nothing else?"""
    return [one for one in _said(asked) if one.whole and one.addresses and one.addresses <= asked.right]


def _bad(asked: Asked) -> list[_Said]:
    """Which of them have an address that is not right?"""
    return [one for one in _said(asked) if one.addresses - asked.right]


def _rows(said: Iterable[_Said]) -> list[Lookup]:
    return [row for one in said for row in one.rows if row.addresses] or [row for one in said for row in one.rows]


def right(asked: Asked) -> bool:
    """Has every server of the zone that tells it right?"""
    return bool(_good(asked)) and not _bad(asked)


def truth(asked: Asked) -> frozenset[Address]:
    """Which addresses has the name, where nobody declared any? Those that its zone's servers agree on."""
    found = {one.addresses for one in _said(asked) if one.whole and one.addresses}
    return found.pop() if len(found) == 1 else frozenset()


def differ(asked: Asked) -> Reason | None:
    """One server of the zone has what the client got, and another has it right."""
    got = set(asked.answer.addresses) - asked.right
    good, bad = _good(asked), [one for one in _bad(asked) if one.addresses & got]
    from_it = [one for one in _culprits(asked) if set(one.addresses) & got]
    if not good or not bad or not from_it:
        return None
    old, zone = bad[0], bad[0].rows[0].zone
    return Reason(
        variant="zone-servers-differ", subject=asked.name,
        words=f"as {old.server}, declared for its zone, has it; {good[0].server}, another one, has it right",
        lines=asked.lines([*_rows(bad), *_rows(good), *from_it]),
        fix=(f"on {old.server}: take the zone over again: rndc retransfer {zone}, or nsd-control transfer {zone}",
             *_flush(asked, from_it)),
        verify=(f"host -r -t SOA {zone} {old.server}", f"host -r -t SOA {zone} {good[0].server}"),
    )  # fmt: skip


def other(asked: Asked) -> Reason | None:
    """The zone has it right, and a nameserver of the client gives something else."""
    return _other(asked, _culprits(asked)) if right(asked) else None


def none(asked: Asked) -> Reason | None:
    """The zone has it right, and the nameserver that is asked first says that there is none."""
    told = _first(asked)
    empty = bool(told) and not any(one.addresses or one.word not in TOLD for one in told)
    return _other(asked, told) if empty and right(asked) else None


def part(asked: Asked) -> Reason | None:
    """The zone has all of it, and the nameserver that is asked first leaves something out."""
    left = asked.right - set(asked.answer.addresses)
    has = {address for one in _good(asked) for address in one.addresses}
    told = [one for one in _first(asked) if one.word in TOLD]
    given = {address for one in told for address in one.addresses}
    if not right(asked) or not left <= has or left & given or asked.answer.hosts_file:
        return None
    return _other(asked, told)


def _culprits(asked: Asked) -> list[Lookup]:
    """Which answers of the client's nameservers gave it a wrong address? Behind the stub, those of who told that."""
    bad = asked.meant(asked.bad(asked.lookups))
    behind = asked.meant(asked.bad(asked.behind))
    return behind if behind and bad and bad[0].server == STUB else bad


def _first(asked: Asked) -> list[Lookup]:
    """What did the nameserver whose word counts say? Of the stub, what the one behind it did, if that says the same."""
    own = [one for one in asked.main if one.server == asked.first]
    if asked.first != STUB:
        return own
    behind = asked.meant(asked.behind)
    server = next((one.server for one in behind if one.word in TOLD), "")
    told = [one for one in behind if one.server == server]
    same = [{address for one in rows for address in one.addresses} for rows in (own, told)]
    return told if told and same[0] == same[1] else own


def _other(asked: Asked, rows: list[Lookup]) -> Reason | None:
    if not rows:
        return None
    server, good = rows[0].server, _good(asked)
    rows = [one for one in rows if one.server == server]
    own = all(one.own for one in rows)
    kept = "which answers with authority itself" if own else "which has it from its cache or from elsewhere"
    return Reason(
        variant="resolver-override" if own else "stale-resolver", subject=asked.name,
        words=f"by its nameserver {server}, {kept}; {_servers(good)}, declared for its zone, has it right",
        lines=(*asked.lines([*rows, *_rows(good)]), *asked.conf()),
        fix=_apart(asked, rows[0], good[0]) if own
        else (*_flush(asked, rows),
              f"if it comes back: have {server} ask {good[0].server} for {good[0].rows[0].zone}"),
        verify=_verify([*rows[:1], *_rows(good)[:1]]),
    )  # fmt: skip


def _servers(said: Iterable[_Said]) -> str:
    return ", ".join(dict.fromkeys(one.server for one in said))


def _apart(asked: Asked, row: Lookup, good: _Said) -> tuple[str, ...]:
    zone = good.rows[0].zone
    own = f"dnsmasq: address=, host-record=; unbound: local-data; BIND: a response policy, a view, a copy of {zone}"
    return (
        f"on {row.server}: take out what it says of {row.fqdn} itself ({own})",
        f"or, where it has that from another server: have it ask {good.server} for {zone}",
        f"or in {CONF}: name a nameserver that does, for {asked.wanted}",
    )


def _flush(asked: Asked, rows: list[Lookup]) -> tuple[str, ...]:
    """What makes a nameserver forget it? The stub of systemd-resolved is the client's own."""
    seconds = [one.seconds for one in rows if one.seconds is not None]
    stub = any(one.server == STUB for one in asked.lookups)
    own = [one for one in rows if one.server != STUB]
    name = own[0].fqdn if own else ""
    how = f"rndc flushname {name}, unbound-control flush {name}, or systemctl restart dnsmasq"
    return (
        *((f"on {own[0].server}: have it forgotten: {how}",) if own else ()),
        *(("resolvectl flush-caches",) if stub else ()),
        *((f"or wait: it is kept for {max(seconds)} s more",) if seconds else ()),
    )  # fmt: skip


def _verify(rows: Iterable[Lookup]) -> tuple[str, ...]:
    return tuple(map(command, rows))


def confirmed(asked: Asked, found: Reason) -> Reason:
    """The same reason, with what the zone's servers say of it; and where the zone is wrong itself, what to do there."""
    seen = {line.line for line in found.lines}
    told = asked.lines(asked.meant(asked.zone) or asked.zone)
    found = replace(found, lines=(*found.lines, *(line for line in told if line.line not in seen)))
    wrong = _wrong(asked, found)
    if wrong is not None:
        return _mended(asked, found, wrong)
    if found.variant not in OWN and right(asked):
        return _besides(found, f"{_servers(_good(asked))}, declared for its zone, has it right")
    untold = {one.server: one.word for one in asked.meant(asked.zone)}
    if untold and not _said(asked):
        mute = ", ".join(f"{server} ({word})" for server, word in untold.items())
        return _besides(found, f"{mute}, declared for its zone, was not asked successfully")
    return found


def _besides(found: Reason, words: str) -> Reason:
    return replace(found, words=f"{found.words}; {words}" if found.words else f"({words})")


OWN = frozenset({"zone-servers-differ", "resolver-override", "stale-resolver"})
"""Variants that are told here, with the servers of the zone in their words."""
MENDS = {
    "wrong-record": "correct the record of",
    "bad-member": "take what should not be there out of the records of",
    "aaaa-only": "take out the AAAA record, and have an A record, of",
    "aaaa-preferred": "take out the AAAA record of",
    "no-record": "add a record for",
    "missing-address": "add what is missing to the records of",
}
"""What is to be done in the zone, by the variants that it may be behind."""


def _wrong(asked: Asked, found: Reason) -> _Said | None:
    """Which server of the zone says what the client got? None where none does, or one of them has it right."""
    got, said = set(asked.answer.addresses), _said(asked)
    left = asked.right - got
    if found.variant == "missing-address":
        has = asked.answer.hosts_file or any(left & one.addresses for one in said)
        return None if has else next((one for one in said if one.whole), None)
    if found.variant not in MENDS or _good(asked):
        return None
    if found.variant == "no-record":
        return next((one for one in said if one.whole and not one.addresses), None)
    return next((one for one in _bad(asked) if one.addresses & (got - asked.right)), None)


def _mended(asked: Asked, found: Reason, wrong: _Said) -> Reason:
    zone, fqdn = wrong.rows[0].zone, wrong.rows[0].fqdn
    has = ", ".join(sorted(map(str, wrong.addresses))) or "none"
    kept = [one for one in asked.main if one.word in TOLD and not one.own]
    where = f"in the zone {zone}, on {wrong.server} or where that has it from"
    return replace(
        _besides(found, f"{wrong.server}, declared for its zone, has {has}"),
        fix=(f"{where}: {MENDS[found.variant]} {fqdn} ({asked.wanted})", *_flush(asked, kept)),
        verify=_verify(_rows([wrong])),
    )  # fmt: skip
