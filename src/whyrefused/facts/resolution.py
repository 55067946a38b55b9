"""Why does a name lead elsewhere than it should, or nowhere? Pure.

Holds what programs on a host get (names) against what its nameservers answer when asked directly (lookups), so that a
wrong record, a wrong or dead nameserver, and what stands before them on the host are told apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.evidence import looked
from whyrefused.facts import zones
from whyrefused.facts.addresses import V4, V6
from whyrefused.facts.asked import CONF, ORDER, STUB, Asked, Reason
from whyrefused.records import CouldNotLook, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.evidence import HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.records import Line

FULL = 2  # dots of a name that is full already, by any convention
SOURCES = frozenset({"dns", "resolve"})
"""Sources of nsswitch.conf(5) that ask nameservers."""


def reason(client: HostEvidence, name: str, right: Iterable[Address]) -> Reason:
    """Why does a host's resolver order not give the right addresses? Raises `CouldNotLook`."""
    answer = client.resolved(name)
    looks = looked(lambda: client.lookups(name))
    looks = () if isinstance(looks, Missing) else looks
    own = looked(lambda: client.zone_servers(name))
    asked = Asked(
        client=client, name=name, right=frozenset(right), answer=answer,
        lookups=tuple(one for one in looks if not one.uplink), behind=tuple(one for one in looks if one.uplink),
        zone=() if isinstance(own, Missing) else own,
    )  # fmt: skip
    asked = asked if asked.right else replace(asked, right=zones.truth(asked))
    if any(one.word in {"EPERM", "EACCES"} for one in asked.lookups):
        raise CouldNotLook(f"{client.name}: its own rules keep back what it asks nameservers (EPERM)")
    rules = NONE if not answer.addresses else WRONG if set(answer.addresses) - asked.right else PART
    return zones.confirmed(asked, next(found for found in (rule(asked) for rule in rules) if found))


def dead(client: HostEvidence, name: str) -> bool:
    """Does none of the host's nameservers answer at all? Not where it was not asked, or has none."""
    looks = looked(lambda: client.lookups(name))
    own = () if isinstance(looks, Missing) else [one for one in looks if not one.uplink]
    return bool(own) and all(one.dead for one in own)


def alive(client: HostEvidence, name: str) -> bool:
    """Does a nameserver of the host answer, so that a name without an address has none? Raises `CouldNotLook`.

    So it is where no nameserver is set: then /etc/hosts is all there is.
    """
    own = [one for one in client.lookups(name) if not one.uplink]
    return not own or any(one.word in {"NOERROR", "NXDOMAIN"} for one in own)


def left_out(host: HostEvidence, name: str, wanted: Iterable[Address]) -> Mapping[Address, Line]:
    """Which of these has the name, though the host does not give them to programs, for it lacks the whole family?

    That is what AI_ADDRCONFIG asks for (getaddrinfo(3)), as getent and most programs do. Each comes with the line that
    has it. Raises `CouldNotLook` where nameservers or the host's addresses were not asked.
    """
    answer = host.resolved(name)
    given = {one.version for one in answer.addresses}
    missed = {one for one in wanted if one.version not in given}
    if answer.silent or not missed:
        return {}
    families = {one.address.version for one in host.addresses if not one.address.is_loopback}
    missed = {one for one in missed if one.version not in families}
    if not missed:
        return {}
    written = {one: line for line in answer.hosts_file for one in missed if str(one) == line.split()[0].lower()}
    found = {one: host.line("/etc/hosts", line) for one, line in written.items()}
    if missed <= set(found):
        return found
    asked = Asked(client=host, name=name, right=frozenset(), answer=answer, lookups=host.lookups(name), behind=())
    for told in asked.main:
        for one in missed & set(told.addresses):
            found.setdefault(one, asked.lines([told])[0])
    return found


def _hosts_file(asked: Asked) -> Reason | None:
    wrong = {str(one) for one in asked.answer.addresses if one not in asked.right}
    lines = [line for line in asked.answer.hosts_file if line.split()[:1] and line.split()[0] in wrong]
    if not lines:
        return None
    return Reason(
        variant="hosts-file", words=f"by /etc/hosts: {lines[0]}", subject=asked.name,
        lines=tuple(asked.client.line("/etc/hosts", line) for line in lines),
        fix=(f"remove from /etc/hosts: {lines[0]}", f"or correct it: {asked.wanted} {asked.name}"),
    )  # fmt: skip


def _search(asked: Asked) -> Reason | None:
    """A search domain completed it, and it is right under another name; or it was full already."""
    plain, found = asked.name.rstrip(".").lower(), asked.answer.canonical
    domains = [word.rstrip(".").lower() for line in asked.answer.search for word in line.split()[1:]
               if not line.startswith("options")]  # fmt: skip
    if not any(found == f"{plain}.{domain}" for domain in domains):
        return None
    other = [one for one in asked.good(asked.lookups) if one.fqdn.lower() != found]
    if not other and plain.count(".") < FULL:
        return None
    used = [one for one in asked.bad(asked.lookups) if one.fqdn.lower() == found]
    full = other[0].fqdn if other else plain
    return Reason(
        variant="search-domain", words=f"as {found}, completed by a search domain", subject=CONF,
        lines=(*asked.conf(), *asked.lines([*used, *other])),
        fix=(f"in {CONF}: take out or reorder the search domain, and `options ndots:1`",
             f"or let the client ask for {full}. with the dot at its end"),
    )  # fmt: skip


def _family(asked: Asked) -> Reason | None:
    """It has IPv6 addresses where only IPv4 ones are served."""
    if zones.right(asked):
        return None
    wrong = [one for one in asked.answer.addresses if one not in asked.right]
    if any(one.version != V6 for one in wrong) or any(one.version != V4 for one in asked.right) or not asked.right:
        return None
    some = any(one in asked.right for one in asked.answer.addresses)
    return Reason(
        variant="aaaa-preferred" if some else "aaaa-only",
        words=f"over IPv6{' first' if some else ' only'}", subject=asked.name,
        lines=asked.lines(asked.bad(asked.lookups)),
        fix=(f"take the AAAA record of {asked.name} out of the zone", f"give it the A record {asked.wanted}"),
    )  # fmt: skip


def _before(asked: Asked) -> Reason | None:
    """The nameservers that answer are right: something on the host is asked before them."""
    if asked.bad(asked.lookups) or not asked.good(asked.lookups) or asked.answer.hosts_file:
        return None
    return Reason(
        variant="nsswitch", words="though its nameservers have it right: another source is asked before them",
        subject=ORDER, lines=(*asked.order(), *asked.lines(asked.good(asked.lookups))),
        fix=(f"in {ORDER}: hosts: files dns", "restart a cache that may hold it: nscd, sssd"),
    )  # fmt: skip


def _stale(asked: Asked) -> Reason | None:
    if not any(one.server == STUB for one in asked.bad(asked.lookups)) or not asked.good(asked.behind):
        return None
    return Reason(
        variant="stale-cache", words="by systemd-resolved, whose own nameserver has it right", subject=asked.name,
        lines=asked.lines([*asked.bad(asked.lookups), *asked.good(asked.behind)]),
        fix=("resolvectl flush-caches", f"resolvectl query {asked.name}"),
    )  # fmt: skip


def _other_server(asked: Asked) -> Reason | None:
    """The nameserver that is asked first is wrong, and another of the host's is right."""
    good = asked.good(asked.lookups)
    first = asked.first
    if not good or not first or any(one.server == first for one in good):
        return None
    of_first = [one for one in asked.lookups if one.server == first]
    return Reason(
        variant="wrong-resolver", subject=CONF,
        words=f"by {first}, which is asked first; {good[0].server} has it right",
        lines=(*asked.conf(), *asked.lines([*of_first, *good])),
        fix=(f"in {CONF}: take out nameserver {first}, or put {good[0].server} before it",),
    )  # fmt: skip


def _member(asked: Asked) -> Reason | None:
    wrong = [one for one in asked.answer.addresses if one not in asked.right]
    if len(wrong) == len(asked.answer.addresses):
        return None
    return Reason(
        variant="bad-member", words=f"of which {', '.join(map(str, wrong))} should not be there", subject=asked.name,
        lines=asked.lines(asked.bad(asked.lookups)),
        fix=(f"take {', '.join(map(str, wrong))} out of the records of {asked.name}",),
    )  # fmt: skip


def _record(asked: Asked) -> Reason | None:
    bad = asked.bad(asked.lookups)
    if not bad:
        return None
    return Reason(
        variant="wrong-record", words=f"by its nameserver {bad[0].server}", subject=asked.name,
        lines=(*asked.lines(bad), *asked.conf()),
        fix=(f"correct the record of {bad[0].fqdn} ({asked.wanted}) in the zone that answers",
             f"or the nameserver in {CONF}"),
    )  # fmt: skip


def _unknown(asked: Asked) -> Reason:
    wrong = bool(asked.answer.addresses)
    return Reason(
        variant="wrong-address" if wrong else "no-answer", words="", subject=asked.name, lines=asked.conf(),
        fix=(f"correct the record of {asked.name} ({asked.wanted}) in the zone that answers",
             f"or the resolver in {CONF}"),
    )  # fmt: skip


def _dead(asked: Asked) -> Reason | None:
    """No nameserver answers."""
    if not asked.lookups or not all(one.dead for one in asked.lookups):
        return None
    words = {one.server: one.word for one in asked.lookups}
    told = ", ".join(f"{server} ({word})" for server, word in words.items())
    stub = list(words) == [STUB]
    return Reason(
        variant="stub-down" if stub else "dead-resolver", words=f"as no nameserver answers: {told}", subject=CONF,
        lines=(*asked.conf(), *asked.lines(asked.lookups)),
        fix=("systemctl start systemd-resolved",) if stub
        else (f"in {CONF}: name a nameserver that answers", f"host {asked.name} {next(iter(words))}"),
    )  # fmt: skip


def _none_set(asked: Asked) -> Reason | None:
    """Without a nameserver line glibc asks 127.0.0.1 (resolv.conf(5))."""
    found = looked(lambda: asked.client.lookups(asked.name))
    if isinstance(found, Missing) or found or asked.answer.resolvers:
        return None
    return Reason(
        variant="no-resolver", words=f"as {CONF} names no nameserver", subject=CONF,
        lines=(*asked.conf(), asked.client.line(CONF, "no nameserver line")),
        fix=(f"in {CONF}: name a nameserver that answers",),
    )  # fmt: skip


def _not_asked(asked: Asked) -> Reason | None:
    """A nameserver has it right, and the resolver order never comes to it."""
    good = asked.good(asked.lookups)
    words = asked.answer.order.partition(":")[2].split()
    at = next((number for number, word in enumerate(words) if word in SOURCES), len(words))
    ends = [word for word in words[:at] if word.startswith("[") and "notfound=return" in word.lower()]
    if not good or not asked.answer.order or (at < len(words) and not ends):
        return None
    why = f"as {ends[0]} ends the search before dns" if ends else "as its resolver order asks no nameserver"
    return Reason(
        variant="nsswitch", words=f"{why}: {asked.answer.order}", subject=ORDER,
        lines=(*asked.order(), *asked.lines(good)), fix=(f"in {ORDER}: hosts: files dns",),
    )  # fmt: skip


def _refused(asked: Asked) -> Reason | None:
    """No nameserver will answer: it refuses, or fails itself."""
    words = {one.word for one in asked.main if not one.dead}
    if not words or not words <= {"REFUSED", "SERVFAIL"}:
        return None
    word = "REFUSED" if "REFUSED" in words else "SERVFAIL"
    told = [one for one in asked.main if one.word == word]
    return Reason(
        variant="resolver-refuses" if word == "REFUSED" else "resolver-fails",
        words=f"as {told[0].server} answers {word}", subject=CONF if word == "REFUSED" else asked.name,
        lines=(*asked.lines(told), *asked.conf()),
        fix=(f"let {told[0].server} answer this client, or name another in {CONF}",) if word == "REFUSED"
        else (f"see why {told[0].server} cannot answer for {told[0].fqdn}: its log, its upstream, DNSSEC",),
    )  # fmt: skip


def _no_record(asked: Asked) -> Reason | None:
    """The nameserver that is asked first knows no address for it."""
    first = asked.first
    told = [one for one in asked.main if one.server == first]
    if not told or any(one.addresses or one.word not in {"NXDOMAIN", "NOERROR"} for one in told):
        return None
    return Reason(
        variant="no-record", words=f"as {first} answers {told[0].word}", subject=asked.name,
        lines=(*asked.lines(told), *asked.conf()),
        fix=(f"add a record for {told[0].fqdn} ({asked.wanted}) to the zone that answers",
             f"or name the nameserver that has it in {CONF}"),
    )  # fmt: skip


def _missing(asked: Asked) -> Reason:
    """All that it gives is right, and something is not given."""
    left = ", ".join(sorted(str(one) for one in asked.right - set(asked.answer.addresses)))
    lines = tuple(asked.client.line("/etc/hosts", line) for line in asked.answer.hosts_file)
    where = "/etc/hosts" if lines else f"the zone that answers for {asked.name}"
    return Reason(
        variant="missing-address", words=f"without {left}", subject=asked.name,
        lines=lines or asked.lines(asked.lookups),
        fix=(f"add {left} in {where}",),
    )  # fmt: skip


WRONG: tuple[Callable[[Asked], Reason | None], ...] = (
    _hosts_file, _search, zones.differ, _family, _stale, _other_server, zones.other, _before, _member, _record,
    _unknown,
)  # fmt: skip
NONE: tuple[Callable[[Asked], Reason | None], ...] = (
    _dead, _none_set, _other_server, zones.none, _not_asked, _refused, _no_record, _unknown,
)  # fmt: skip
PART: tuple[Callable[[Asked], Reason | None], ...] = (zones.part, _missing)
"""In which order is it looked for: where an address is wrong, where there is none, where one is missing."""
