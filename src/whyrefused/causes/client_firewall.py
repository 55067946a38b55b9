"""Local firewall or antivirus.

The client's own firewall refuses or drops what leaves the machine, or eats the answer. A rule may hold for one user
or one service only, so that root connects where the application cannot; systemd may keep a unit from the network
too. The server never sees such a connection, and nothing that is mended there helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import PathItem, excluded, unknown
from whyrefused.evidence import looked
from whyrefused.facts import outgoing, refuser, remedy, verdicts
from whyrefused.records import CouldNotLook, Missing, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.sandbox import Fence
    from whyrefused.facts.verdicts import Verdict
    from whyrefused.probes.dials import Dial, Try
    from whyrefused.records import Line, Symptom

CODE = "client-firewall"
SIDE = "client"
HIDDEN_BY = ("dns", "wrong-destination", "proxy")
VARIANTS = {
    "output-reject-tcp-reset": "a rule refuses what goes out, with a reset",
    "output-reject-icmp": "a rule refuses what goes out, with an ICMP error",
    "output-drop": "a rule drops what goes out",
    "output-redirect": "a rule leads what goes out to a port of the client itself, where nobody listens",
    "answer-dropped": "a rule keeps the server's answer from coming in",
    "connection-limit": "a rule limits how many connections there may be",
    "ip-address-deny": "systemd drops what the unit sends",
    "restrict-address-families": "systemd keeps the unit from the address family",
    "private-network": "the unit has no network but its own",
}
"""What a variant means; the slugs never change."""

BY_SOMETHING_ELSE = frozenset({"EPERM", "EACCES", "EAFNOSUPPORT"})
"""Local errors that a security module, seccomp or a route makes, not a rule for packets."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the client itself keep this connection from leaving, or its answer from coming in?"""
    if not isinstance(case.item, PathItem):
        return unknown("whether a client's rules keep it from asking is not judged")
    dial = case.dial
    if dial is None or dial.last is None:
        return unknown("no address was dialled")
    client = case.at_client(evidence)
    if fence := _fence(client, case.item, dial):
        return _fenced(client, case.item, fence)
    # Each address that was tried had its own way; a rule that closed one of them kept the path from working.
    found = [_of_try(case, client, dial, one, evidence) for one in reversed(dial.tries)]
    return next((one for answer in ("proven", "unknown") for one in found if one.answer == answer), found[0])


def _of_try(case: Case, client: HostEvidence, dial: Dial, one: Try, evidence: Evidence) -> Ruling:
    symptom = dial.barred or one.symptom
    try:
        told = _from_elsewhere(case, client, one, symptom)
        return told or _by_rules(case, client, dial, one, symptom, evidence)
    except CouldNotLook as miss:
        return _by_icmp(case, client, one) or unknown(miss.why)


def _fence(client: HostEvidence, item: PathItem, dial: Dial) -> Fence | None:
    """Which setting of the unit that dials made this symptom?"""
    if dial.last is None or not item.unit:
        return None
    found = looked(lambda: outgoing.fence(client, item.unit, dial))
    if isinstance(found, Missing):
        return None
    if found and found.variant == "private-network":
        return found if dial.last.word == "ENETUNREACH" else None
    return found if found and found.certain and found.symptom == dial.barred else None


def _fenced(client: HostEvidence, item: PathItem, fence: Fence) -> Ruling:
    return Ruling(
        answer="proven",
        because=f"systemd keeps {item.unit} from it: {fence.line}",
        evidence=(client.line(f"systemctl show {item.unit}", fence.line),),
        variant=fence.variant,
        host=client.name,
        subject=item.unit,
        fix=fence.fix,
        verify=(f"systemctl show {item.unit} -p {fence.line.partition('=')[0]}",),
    )


def _from_elsewhere(case: Case, client: HostEvidence, last: Try, symptom: Symptom) -> Ruling | None:
    """Did the refusal come from another host? Then this one has let the packet out, and the answer in."""
    if last.icmp is None or symptom not in {"refused", "unreachable"} or last.icmp[2] == last.source:
        return None
    if last.icmp[2] in {str(own.address) for own in client.addresses}:
        return None
    return excluded(f"the refusal came from {last.icmp[2]}", *_line(case, last))


def _by_rules(  # noqa: PLR0913, PLR0917 - one try of one case
    case: Case, client: HostEvidence, dial: Dial, last: Try, symptom: Symptom, evidence: Evidence
) -> Ruling:
    port = case.item.port if isinstance(case.item, PathItem) else 0
    out = outgoing.leaving(client, last, port, dial.by)
    if out.trace.verdict in {"reject", "drop"}:
        return _refusing(case, client, out, symptom)
    if out.trace.redirected:
        return _redirected(case, client, out, symptom)
    if out.trace.verdict == "cannot-tell":
        seen = _by_icmp(case, client, last) or _seen_at_work(case, client, last, out, evidence)
        return seen or unknown(verdicts.words(out), *_line(case, last))
    # What comes in from this host itself has met the same rules when it was asked.
    back = None if outgoing.is_local(client, last) else outgoing.returning(client, last, port, dial.by)
    if back and back.trace.verdict in {"reject", "drop"}:
        return _refusing(case, client, back, symptom, _untracked(client, out))
    if back and back.trace.verdict == "cannot-tell":
        return unknown(verdicts.words(back))
    if not last.source:
        return unknown("the client had no address to dial from")
    if last.word in BY_SOMETHING_ELSE:
        return unknown(f"its rules let the packets pass, but the kernel said {last.word}")
    return _by_icmp(case, client, last) or excluded(
        "its rules let the connection out and the answer in",
        *verdicts.lines(client, out),
        *(verdicts.lines(client, back) if back else ()),
    )


def _untracked(client: HostEvidence, out: Verdict) -> tuple[Line, ...]:
    """Which rules keep the connection from being known, so that its answer belongs to none?"""
    found = [step for step in out.trace.steps if {"NOTRACK", "notrack", "--notrack"} & set(step.rule.split())]
    return tuple(client.line(step.place, step.rule) for step in found)


def _redirected(case: Case, client: HostEvidence, out: Verdict, symptom: Symptom) -> Ruling:
    """Do its own rules lead the packet back to the client itself, where nobody takes it?"""
    to, lines = out.trace.redirected, verdicts.lines(client, out)
    # To another host it may be meant; to a port of this one the refusal can be nobody else's.
    if not to.startswith(":") or out.trace.verdict != "accept" or symptom != "refused":
        return unknown(f"its rules lead it to {to}", *lines)
    return Ruling(
        answer="proven",
        because=f"its own rules lead it to its own port {to.removeprefix(':')}, where nobody takes it",
        evidence=lines,
        variant="output-redirect",
        host=client.name,
        subject=_subject(case, out),
        fix=(f"start what should listen on port {to.removeprefix(':')} of {client.name}", "or remove that rule"),
        verify=(f"ss -Htln sport = {to}", *_verify(case)),
    )


def _refusing(
    case: Case, client: HostEvidence, verdict: Verdict, symptom: Symptom, untracked: tuple[Line, ...] = ()
) -> Ruling:
    if verdict.symptom != symptom:
        return unknown(
            f"a rule would make it {verdict.symptom}, but the client saw {symptom}",
            *verdicts.lines(client, verdict),
        )
    return Ruling(
        answer="proven",
        because=f"its own firewall {verdicts.words(verdict)}",
        evidence=(*untracked, *verdicts.lines(client, verdict)),
        variant=_variant(verdict),
        host=client.name,
        subject=_subject(case, verdict),
        fix=remedy.of(client, verdict)
        or (f"as root on {client.name}: nft list ruleset; iptables-save", "change the rules that the evidence names"),
        verify=_verify(case),
    )


def _seen_at_work(case: Case, client: HostEvidence, last: Try, unclear: Verdict, evidence: Evidence) -> Ruling | None:
    """Do packets show that a rule refused, where the rules alone do not tell which way they decide?"""
    refusal = refuser.of(case, evidence) if case.dial and last is case.dial.last else None
    if refusal is None or refusal.where != "client-out" or last.symptom != "refused":
        return None
    if "reject" not in unclear.trace.readings:
        return None
    return Ruling(
        answer="proven",
        because=f"a rule of its own refuses: {refusal.because}; {unclear.trace.why}",
        evidence=(*verdicts.lines(client, unclear), *refusal.lines),
        variant="connection-limit" if unclear.trace.quiet == "accept" else "output-reject-tcp-reset",
        host=client.name,
        subject=_subject(case, unclear),
        fix=(
            f"as root on {client.name}: nft list ruleset; iptables-save",
            "raise the limit, or change the rule, that the evidence names",
        ),
        verify=_verify(case),
    )


def _variant(verdict: Verdict) -> str:
    if verdict.packet.reply:
        return "answer-dropped"
    if verdict.answer == "drop":
        return "output-drop"
    return f"output-reject-{'tcp-reset' if 'reset' in verdict.trace.how else 'icmp'}"


def _subject(case: Case, verdict: Verdict) -> str:
    """What is at fault? One rule for all that it keeps in; where a policy does, each port that is not let out."""
    step = verdict.trace.decided
    if step is None or (not step.index and not verdict.packet.reply):
        return f"to port {case.item.port if isinstance(case.item, PathItem) else 0}"
    return f"{step.chain}: {step.rule.partition(' # handle ')[0]}"[:120]


def _by_icmp(case: Case, client: HostEvidence, last: Try) -> Ruling | None:
    """Is it proved without the rules? The client itself sent the ICMP error, with a code that only a rule makes."""
    if last.icmp is None or last.icmp[:2] not in verdicts.BY_A_RULE[last.address.version]:
        return None
    # Where the client dials itself, rules for what comes in answer from the same address.
    if last.icmp[2] != last.source or last.icmp[2] == str(last.address):
        return None
    return Ruling(
        answer="proven",
        because=f"{client.name} itself answered its own packet with ICMP code {last.icmp[1]}, as only a rule does",
        evidence=_line(case, last),
        variant="output-reject-icmp",
        host=client.name,
        subject=f"to port {case.item.port if isinstance(case.item, PathItem) else 0}",
        fix=(
            f"as root on {client.name}: nft list ruleset; iptables-save",
            f"let {last.address} port {case.port} out, in the tool that manages it",
        ),
        verify=_verify(case),
    )


def _line(case: Case, last: Try) -> tuple[Line, ...]:
    return tuple(line for line in case.seen.lines if line.line == last.line)


def _verify(case: Case) -> tuple[str, ...]:
    item = case.item
    if not isinstance(item, PathItem):
        return ()
    by = case.dial.by if case.dial and item.who else None
    user = f"sudo -u '#{by.uid}' " if by else ""
    return (f"{user}nc -vz {item.destination} {item.port}",)
