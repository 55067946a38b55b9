"""Does the declared proxy keep a client from the server behind it? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.case import excluded, unknown
from whyrefused.facts import outgoing, ports, verdicts
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case, Through
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.records import Line

HOST_UNREACHABLE = {4: (3, 1), 6: (1, 3)}
"""ICMP's word that nobody has the address (RFC 792, RFC 4443): no firewall's default. Others are a rule's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong at a proxy that answers."""

    variant: str
    words: str
    fix: tuple[str, ...]


DENIED = Fault(
    variant="connect-denied", words="will not let it through to {to}",
    fix=("allow {to} in the proxy's configuration: Allow, ConnectPort, Filter of tinyproxy, http_access of Squid",
         "restart the proxy"),
)  # fmt: skip
AUTH = Fault(
    variant="auth-required", words="wants credentials that are not declared",
    fix=("give the client its credentials for the proxy", "or let its address in without (Squid: http_access allow)"),
)  # fmt: skip
NO_PROXY = Fault(
    variant="not-a-proxy", words="did not answer as an HTTP proxy does",
    fix=("see what listens there: ss -Htlnp sport = :{port}", "correct the proxy's URL where it is set or declared"),
)  # fmt: skip
CLOSED = Fault(
    variant="no-answer", words="took the connection and closed it without an answer",
    fix=("see the proxy's own log", "see what listens there: ss -Htlnp sport = :{port}"),
)  # fmt: skip
UPSTREAM = Fault(
    variant="upstream-failed", words="says that it cannot reach {to}, which its own host connects to",
    fix=("see the proxy's own log, its upstream and resolver settings",),
)  # fmt: skip
SILENT = Fault(
    variant="silent", words="took the connection and does not answer, though its own host connects to {to}",
    fix=("see the proxy's own log and its limit of clients", "restart the proxy"),
)  # fmt: skip
FAULTS = {"denied": DENIED, "auth": AUTH, "no-proxy": NO_PROXY, "closed": CLOSED}
PASSING = {"upstream": UPSTREAM, "silent": SILENT}


def ruling(case: Case, through: Through, evidence: Evidence) -> Ruling:
    """Is it the proxy? Raises `CouldNotLook`."""
    if through.part == "to":
        return _dead(case, through, evidence)
    if through.part == "beyond":
        return _beyond(case, through)
    outcome = through.dial.outcome or ""
    fault = PASSING.get(outcome) if through.reaches else FAULTS.get(outcome)
    fault = fault or FAULTS.get(outcome)
    if fault is None or (outcome == "closed" and through.dial.passes_on):
        return unknown(f"the proxy answered: {case.seen.said}")
    return _proven(case, through, fault, f"{through.item.proxy} {fault.words}")


def _beyond(case: Case, through: Through) -> Ruling:
    told = through.dial.answers[-1].said
    if through.reaches is None:
        return unknown(f"the proxy answers, and says of its own connection to the server: {told}")
    return excluded(f"the proxy answers; what fails is its own connection to the server: {told}", *case.seen.lines)


def _dead(case: Case, through: Through, evidence: Evidence) -> Ruling:
    """Nobody serves as the proxy: its own host shows that nobody listens, or, unknown to us, it does not answer."""
    item = through.item
    if case.seen.symptom in {"dns-failure", "local-error"}:
        return unknown(f"no packet left for the proxy: {case.seen.said}")
    server = case.at_server(evidence)
    words = f"{item.proxy} {case.seen.symptom}"
    fault = Fault(
        variant="dead-proxy", words=words,
        fix=("start the proxy on {host}, or", "correct the proxy's URL where it is set or declared"),
    )  # fmt: skip
    if server is None:
        lines = _client_lets_out(through, evidence[item.host])
        return _proven(case, through, fault, f"the proxy {item.proxy} does not answer: {case.seen.said}", *lines)
    if case.went_elsewhere(server):
        return unknown(f"the client dialled {case.dialled}, which is not an address of {server.name}")
    found, source = ports.on_port(server, "tcp", item.proxy_port)
    if found:
        return unknown("a program listens there", *(server.line(source, one.line) for one in found))
    if case.unit:
        return unknown(f"{case.unit} should serve as the proxy: its own causes tell")
    nobody = server.line(source, f"nobody listens on {item.proxy_port}/tcp")
    return _proven(case, through, fault, f"nobody listens at the proxy {item.proxy}", nobody)


def _client_lets_out(through: Through, client: HostEvidence) -> tuple[Line, ...]:
    """The client's own rules, that let the connection out; where they are not the reason, the proxy's side is.

    Raises `CouldNotLook`.
    """
    last = through.dial.last
    lines: list[Line] = []
    if last is None:
        raise CouldNotLook("the proxy was not dialled")
    if last.icmp and last.icmp[:2] != HOST_UNREACHABLE[last.address.version]:
        raise CouldNotLook(f"a firewall answered in the proxy's stead: {last.line}")
    port, by = through.item.proxy_port, through.dial.by
    for verdict in (outgoing.leaving(client, last, port, by), outgoing.returning(client, last, port, by)):
        if verdict is None or verdict.answer != "accept" or verdict.trace.redirected:
            told = verdicts.words(verdict) if verdict else "it had no address to dial from"
            raise CouldNotLook(f"{client.name}: whether its own rules keep it from the proxy is open: {told}")
        lines += verdicts.lines(client, verdict)
    return tuple(dict.fromkeys(lines))


def _proven(case: Case, through: Through, fault: Fault, because: str, *lines: Line) -> Ruling:
    item = through.item
    values = {
        "{to}": f"{item.destination}:{item.port}", "{port}": str(item.proxy_port),
        "{host}": item.via or item.proxy_host,
    }  # fmt: skip
    return Ruling(
        answer="proven",
        because=_filled(because, values),
        evidence=(*lines, *case.seen.lines),
        variant=fault.variant,
        host=item.via or item.host,
        subject=f"{item.proxy_host}:{item.proxy_port}",
        fix=tuple(_filled(step, values) for step in fault.fix),
        verify=(_verify(item.scheme or "https", item.destination, item.port, item.proxy),),
    )


def _filled(text: str, values: dict[str, str]) -> str:
    for word, value in values.items():
        text = text.replace(word, value)
    return text


def _verify(scheme: str, host: str, port: int, proxy: str) -> str:
    place = f"[{host}]" if ":" in host else host
    place += "" if port == {"http": 80, "https": 443}[scheme] else f":{port}"
    return f"curl -I -x {proxy} {scheme}://{place}/"
