"""Firewall blocking.

The server's own firewall keeps the connection from the program. A rule that rejects with a TCP reset looks exactly like
a closed port; one that rejects by ICMP is refused as well or found unreachable; one that drops lets the client wait
until it gives up. Only the server's rules, or the sender of the ICMP error, tell it from a service that is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused import firewall, verdicts
from whyrefused.case import FirewallItem, PathItem, excluded, unknown
from whyrefused.probes.dials import SYMPTOMS
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.dials import Try
    from whyrefused.verdicts import Verdict

CODE = "server-firewall"
SIDE = "server"
HIDDEN_BY = ("dns", "wrong-destination", "client-firewall", "nat-misconfiguration")

# A kernel answers a closed TCP port with a reset, never with ICMP: these types and codes from a server are a rule's.
# RFC 792 and RFC 1812 (5.2.7.1) for IPv4, RFC 4443 (3.1) for IPv6.
BY_A_RULE = {4: {(3, code) for code in (2, 3, 9, 10, 13)}, 6: {(1, code) for code in (1, 4, 5, 6)}}


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does a rule of the server refuse or drop this connection?"""
    host = case.at_server(evidence)
    if host is None:
        return unknown("which host should answer is not in the inventory")
    if not isinstance(case.item, (PathItem, FirewallItem)):
        return excluded("a firewall keeps no program from running or listening")
    try:
        if isinstance(case.item, FirewallItem):
            wrong = [one for one in case.seen.value if one.refused]
            return _proven(case, host, wrong) if wrong else unknown("no rule refuses it")
        return _path(case, host)
    except CouldNotLook as miss:
        return unknown(miss.why)


def _path(case: Case, host: HostEvidence) -> Ruling:
    last = case.dial.last if case.dial else None
    if last is None or case.seen.symptom in {"local-error", "dns-failure"}:
        return excluded("no packet left the client")
    try:
        if case.went_elsewhere(host):
            return unknown(f"the client dialled {last.address}, which is not an address of {host.name}")
        found = verdicts.of_path(host, last.source or "any", last.address, case.port or 0)
    except CouldNotLook as miss:
        return _by_icmp(case, host, last) or unknown(miss.why)
    return _judged(case, host, found)


def _judged(case: Case, host: HostEvidence, found: tuple[Verdict, ...]) -> Ruling:
    refusing = [one for one in found if one.trace.verdict in {"reject", "drop"}]
    if not refusing:
        unclear = [one for one in found if one.trace.verdict == "cannot-tell"]
        if unclear:
            return unknown(verdicts.words(unclear[0]))
        kept = verdicts.answer_kept(host, found)
        if kept:
            return unknown(f"its rules let the connection in, but may keep back the answer: {kept}")
        return excluded(
            "its rules let the connection in", *(line for one in found for line in verdicts.lines(host, one))
        )
    seen = {_symptom(one) for one in refusing}
    if case.seen.symptom not in seen:
        told = " or ".join(sorted(seen))
        return unknown(f"a rule would make it {told}, but the client saw {case.seen.symptom}")
    return _proven(case, host, refusing)


def _symptom(verdict: Verdict) -> str:
    if verdict.answer == "drop":
        return "timed-out"
    # EACCES is what an IPv6 client gets for "administratively prohibited".
    return {"EACCES": "unreachable"}.get(verdict.trace.errno) or SYMPTOMS.get(verdict.trace.errno, "unreachable")


def _by_icmp(case: Case, host: HostEvidence, last: Try) -> Ruling | None:
    """Is it proved from outside? The ICMP error's sender is the server itself."""
    if last.icmp is None or last.icmp[:2] not in BY_A_RULE[last.address.version]:
        return None
    if last.icmp[2] != str(last.address):
        return None
    return Ruling(
        answer="proven",
        because=f"{host.name} itself answered {case.key} with ICMP code {last.icmp[1]}, as only a firewall rule does",
        evidence=tuple(line for line in case.seen.lines if line.line == last.line),
        variant="reject-icmp",
        host=host.name,
        subject=case.key,
        fix=(
            f"as root on {host.name}: nft list ruleset; iptables-save",
            f"let {case.key} in, in the tool that manages it",
        ),
        verify=(f"nc -vz {last.address} {case.port}",),
    )


def _proven(case: Case, host: HostEvidence, refusing: list[Verdict]) -> Ruling:
    first = refusing[0]
    variant = "drop" if first.answer == "drop" else f"reject-{'tcp-reset' if 'reset' in first.trace.how else 'icmp'}"
    return Ruling(
        answer="proven",
        because=f"the firewall {verdicts.words(first)}",
        evidence=tuple(dict.fromkeys(line for one in refusing for line in verdicts.lines(host, one))),
        variant=variant,
        host=host.name,
        subject=case.key,
        fix=firewall.fix(first.trace, first.packet, host.rules),
        verify=(f"nc -vz {first.destination} {first.port}",),
    )
