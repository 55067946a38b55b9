"""What does a proxy's answer say of the way through it? Pure.

A CONNECT is answered by the proxy alone. A HEAD of an http URL is answered by the server behind it where the proxy
reached it, so that a 403 or 503 may be the server's own: it counts as the proxy's only where it says so itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.records import Symptom

Outcome = Literal["open", "denied", "auth", "upstream", "silent", "closed", "no-proxy", "unclear"]

SYMPTOMS: Mapping[Outcome, Symptom] = {
    "open": "connected",
    "silent": "timed-out",
    "closed": "reset",
    "denied": "proxy-error",
    "auth": "proxy-error",
    "upstream": "proxy-error",
    "no-proxy": "proxy-error",
    "unclear": "proxy-error",
}

# Squid's header on each of its error pages; RFC 9209 (2.1.1) for Proxy-Status; the daemons that do nothing but proxy.
OWN = re.compile(
    r"x-squid-error:|proxy-status:[^;]*; *error=|server: *(?:tinyproxy|squid|privoxy|3proxy)\b", re.IGNORECASE
)
STATUS = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})\b")
AUTHENTICATE = 407
UNREACHED = frozenset({500, 502, 503, 504})
"""How a proxy says that it could not reach the server (RFC 9110, 15.6; tinyproxy says 500)."""
GATEWAYS = frozenset({502, 503, 504})
"""Of these a gateway behind the proxy is an author as likely as the proxy itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back when a proxy was asked for the way to a server."""

    method: str  # CONNECT or HEAD
    milliseconds: int
    tunnel: str  # after a 2xx to CONNECT: ok, or CLOSED or errno's name without a byte from the server; else empty
    marks: str  # the headers that tell whose answer it is
    line: str  # the status line; SILENT, CLOSED or errno's name where there is none

    @property
    def status(self) -> int | None:
        """Which HTTP status is it? None where it is none."""
        found = STATUS.match(self.line)
        return int(found[1]) if found else None

    @property
    def own(self) -> bool:
        """Is it certainly the proxy's own answer?"""
        return self.method == "CONNECT" or self.status == AUTHENTICATE or bool(OWN.search(self.marks))

    @property
    def said(self) -> str:
        """The answer as one line of evidence."""
        words = {"SILENT": "no answer", "CLOSED": "closed without an answer"}.get(self.line, self.line)
        marks = f" ({self.marks})" if self.marks else ""
        tunnel = f", then {self.tunnel} without a byte" if self.tunnel not in {"", "ok"} else ""
        return f"{words} after {self.milliseconds} ms{tunnel}{marks}"


def outcome(answers: tuple[Answer, ...]) -> Outcome:
    """What became of the way through the proxy? `answers` is one, or a HEAD's and a CONNECT's for the same server."""
    first, status = answers[0], answers[0].status
    if first.line == "SILENT":
        return "silent"
    if status is None:
        return "closed" if re.fullmatch(r"CLOSED|E[A-Z]+", first.line) else "no-proxy"
    if status == AUTHENTICATE:
        return "auth"
    if first.method == "CONNECT":
        return _of_tunnel(first, status)
    if first.own:
        return "upstream" if status in UNREACHED else ("denied" if status >= 400 else "open")  # noqa: PLR2004 - RFC 9110, 15
    if status not in GATEWAYS:
        return "open"
    second = _of_tunnel(answers[1], answers[1].status or 0) if len(answers) > 1 else "unclear"
    return second if second in {"open", "upstream"} else "unclear"


def _of_tunnel(answer: Answer, status: int) -> Outcome:
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 9.3.6: any 2xx opens the tunnel
        return "open" if answer.tunnel in {"", "ok"} else "closed"
    return "upstream" if status in UNREACHED else "denied"
