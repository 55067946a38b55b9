"""Firewall blocking.

The server's own firewall keeps the connection from the program, or the program's answer from the client. A rule that
rejects with a TCP reset looks exactly like a closed port; one that rejects by ICMP is refused as well or found
unreachable; one that drops lets the client wait until it gives up. Only the server's rules, or the sender of the ICMP
error, tell it from a service that is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import FirewallItem, PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import refuser, remedy, sandbox, verdicts
from whyrefused.facts.nat import translation
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.refuser import Refusal
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.probes.dials import Try
    from whyrefused.records import Line

CODE = "server-firewall"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration")
VARIANTS = {
    "reject-tcp-reset": "a rule answers with a reset",
    "reject-icmp": "a rule answers with an ICMP error",
    "drop": "a rule drops it",
    "answer-dropped": "a rule keeps the server's answer from leaving",
    "connection-limit": "a rule limits how many connections there may be",
    "ip-address-deny": "systemd drops what comes to the unit",
}
"""What a variant means; the slugs never change."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does a rule of the server refuse or drop this connection, or its answer?"""
    host = case.at_server(evidence)
    if host is None:
        return unknown("which host should answer is not in the inventory")
    if not isinstance(case.item, (PathItem, FirewallItem)):
        return excluded("a firewall keeps no program from running or listening")
    try:
        if isinstance(case.item, FirewallItem):
            wrong = [one for one in case.seen.value if one.refused and not translation.astray(host, one)]
            return _proven(case, host, wrong) if wrong else unknown("no rule refuses it")
        return _path(case, host, evidence)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _path(case: Case, host: HostEvidence, evidence: Evidence) -> Ruling:
    last = case.dial.last if case.dial else None
    if case.dial is None or last is None or {one.symptom for one in case.dial.tries} == {"local-error"}:
        return excluded("no packet left the client")
    # Each address that was tried had its own way; a rule that closed one of them kept the path from working.
    found = [_of_try(case, host, one, evidence) for one in reversed(case.dial.tries)]
    return next((one for answer in ("proven", "unknown") for one in found if one.answer == answer), found[0])


def _of_try(case: Case, host: HostEvidence, last: Try, evidence: Evidence) -> Ruling:
    if last.symptom == "local-error":
        return excluded("no packet left the client")
    try:
        met = case.met(last)
        if met.address not in {own.address for own in host.addresses}:
            return unknown(f"the client dialled {met.address}, which is not an address of {host.name}")
        if told := _from_elsewhere(case, host, last):
            return told
        found = verdicts.of_path(host, met.source or "any", met.address, case.port or 0)
    except CouldNotLook as miss:
        return _by_icmp(case, host, last) or unknown(miss.why)
    return _judged(case, host, last, found, evidence)


def _from_elsewhere(case: Case, host: HostEvidence, last: Try) -> Ruling | None:
    """Did another host refuse it? Then what this one would do was not met.

    A router that forwards gives an error from behind it its own address.
    """
    if case.router or last.icmp is None or last.symptom not in {"refused", "unreachable"}:
        return None
    if last.icmp[2] in {str(own.address) for own in host.addresses}:
        return None
    return unknown(f"the refusal came from {last.icmp[2]}, not from {host.name}", *_line(case, last))


def _judged(case: Case, host: HostEvidence, last: Try, found: tuple[Verdict, ...], evidence: Evidence) -> Ruling:
    refusing = [one for one in found if one.trace.verdict in {"reject", "drop"}]
    if refusing and any(translation.astray(host, one) for one in refusing):
        return unknown(f"NAT sends it to {refusing[0].trace.redirected}, where nobody listens")
    if refusing:
        return _if_it_fits(case, host, last, refusing)
    unclear = [one for one in found if one.trace.verdict == "cannot-tell"]
    if unclear:
        return _seen_at_work(case, host, last, unclear[0], evidence) or unknown(
            verdicts.words(unclear[0]), *verdicts.lines(host, unclear[0])
        )
    kept = [one for one in verdicts.answers(host, found) if one.trace.verdict != "accept"]
    if kept:
        sure = [one for one in kept if one.trace.verdict in {"reject", "drop"}]
        words = f"its rules let the connection in, but may keep back the answer: {verdicts.words(kept[0])}"
        return _if_it_fits(case, host, last, sure) if sure else unknown(words)
    return _by_filter(case, host, last) or excluded(
        "its rules let the connection in", *(line for one in found for line in verdicts.lines(host, one))
    )


def _if_it_fits(case: Case, host: HostEvidence, last: Try, refusing: list[Verdict]) -> Ruling:
    """Did these rules make what the client saw?"""
    fitting = [one for one in refusing if one.symptom == last.symptom]
    if not fitting:
        told = " or ".join(sorted({one.symptom for one in refusing}))
        return unknown(
            f"a rule would make it {told}, but the client saw {last.symptom}",
            *(line for one in refusing for line in verdicts.lines(host, one)),
        )
    if last.icmp and all("reset" in one.trace.how for one in fitting):
        return unknown(f"a rule would answer with a reset, but the client got ICMP from {last.icmp[2]}")
    return _proven(case, host, fitting)


def _seen_at_work(case: Case, host: HostEvidence, last: Try, unclear: Verdict, evidence: Evidence) -> Ruling | None:
    """Do packets show that a rule refused, where the rules alone do not tell which way they decide?"""
    by_icmp = _by_icmp(case, host, last)
    refusal = refuser.of(case, evidence) if case.dial and last is case.dial.last else None
    told, kind = (refusal.because, "tcp-reset") if refusal else ("", "")
    if by_icmp and "reject" in unclear.trace.readings:
        told, kind = by_icmp.because, "icmp"
    elif refusal is None or not _by_packets(case, refusal, unclear, evidence):
        return None
    elif refusal.where == "server-silent":
        kind = "drop"
    # What limits how many or how often lets in the first of them.
    limit = unclear.trace.quiet == "accept"
    what = "raise the limit" if limit else "change the rule"
    return Ruling(
        answer="proven",
        because=f"a rule of the firewall refuses: {told}; {unclear.trace.why}",
        evidence=(*verdicts.lines(host, unclear), *_line(case, last), *(refusal.lines if refusal else ())),
        variant="connection-limit" if limit else kind if kind == "drop" else f"reject-{kind}",
        host=host.name,
        subject=case.key,
        fix=(
            f"as root on {host.name}: nft list ruleset; iptables-save",
            f"{what} that the evidence names, or let {case.key} in before it",
        ),
        verify=_verify(case),
    )


def _by_packets(case: Case, refusal: Refusal, unclear: Verdict, evidence: Evidence) -> bool:
    """Do the packets of the second look show one of the ways in which the rules can be read?"""
    if refusal.where == "server-rule":
        return "reject" in unclear.trace.readings
    # TCP counts what it drops of its own accord, and so does the reverse path check.
    moved = evidence[case.server or ""].get("watch").moved
    silent = not moved.get("TcpExtListenDrops", 1) and not moved.get("TcpExtIPReversePathFilter", 1)
    return refusal.where == "server-silent" and silent and "drop" in unclear.trace.readings


def _by_filter(case: Case, host: HostEvidence, last: Try) -> Ruling | None:
    """Does systemd drop what comes to the unit's own sockets?"""
    source = last.source_address
    unit = looked(lambda: host.unit(str(case.unit))) if case.unit else None
    if source is None or unit is None or isinstance(unit, Missing) or last.symptom != "timed-out":
        return None
    fence = sandbox.filtered(unit, source)
    if fence is None or not fence.certain:
        return None
    return Ruling(
        answer="proven",
        because=f"systemd drops what comes from {source} to {unit.id}: {fence.line}",
        evidence=(host.line(f"systemctl show {unit.id}", fence.line),),
        variant=fence.variant,
        host=host.name,
        subject=case.key,
        fix=fence.fix,
        verify=_verify(case),
    )


def _by_icmp(case: Case, host: HostEvidence, last: Try) -> Ruling | None:
    """Is it proved from outside? The ICMP error's sender is the server itself."""
    if case.router or last.icmp is None or last.icmp[:2] not in verdicts.BY_A_RULE[last.address.version]:
        return None
    # Where the client dials itself, its own rules for what goes out answer from the same address.
    if last.icmp[2] != str(last.address) or last.icmp[2] == last.source:
        return None
    return Ruling(
        answer="proven",
        because=f"{host.name} itself answered {case.key} with ICMP code {last.icmp[1]}, as only a firewall rule does",
        evidence=_line(case, last),
        variant="reject-icmp",
        host=host.name,
        subject=case.key,
        fix=(
            f"as root on {host.name}: nft list ruleset; iptables-save",
            f"let {case.key} in, in the tool that manages it",
        ),
        verify=_verify(case),
    )


def _proven(case: Case, host: HostEvidence, refusing: list[Verdict]) -> Ruling:
    first = refusing[0]
    return Ruling(
        answer="proven",
        because=f"the firewall {verdicts.words(first)}",
        evidence=tuple(dict.fromkeys(line for one in refusing for line in verdicts.lines(host, one))),
        variant=_variant(first),
        host=host.name,
        subject=case.key,
        fix=remedy.of(host, first),
        verify=_verify(case) or (f"nc -vz {first.destination} {first.port}",),
    )


def _variant(verdict: Verdict) -> str:
    if verdict.packet.reply:
        return "answer-dropped"
    if verdict.answer == "drop":
        return "drop"
    return f"reject-{'tcp-reset' if 'reset' in verdict.trace.how else 'icmp'}"


def _line(case: Case, last: Try) -> tuple[Line, ...]:
    return tuple(line for line in case.seen.lines if line.line == last.line)


def _verify(case: Case) -> tuple[str, ...]:
    last = case.dial.last if case.dial else None
    return (f"nc -vz {last.address} {case.port}",) if last else ()
