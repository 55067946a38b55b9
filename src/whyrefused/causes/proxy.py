"""Proxy server issues.

The client is set to go through a proxy where it should go directly, or through another one than it should. A proxy that
is down refuses in the server's stead, and one that is up may not be allowed to go where the client wants. Login shells,
/etc/environment, the systemd manager and each unit have environments of their own, and they often differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.case import PathItem, ProxyItem, excluded, unknown
from whyrefused.probes.proxy import ETC, LOGIN, MANAGER
from whyrefused.records import Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.proxy import Setting

CODE = "proxy"
SIDE = "client"
HIDDEN_BY = ()

# A login reads /etc/environment too: where both have it, the file is the root.
BASIC_FIRST = (ETC, MANAGER)

FIX = {
    ETC: ("remove from /etc/environment: {line}", "log in again"),
    LOGIN: ("grep -rn {variable} ~/.profile ~/.bash_profile ~/.bashrc /etc/profile /etc/profile.d", "remove that line"),
    MANAGER: ("systemctl unset-environment {variable}", "grep -rn {variable} /etc/systemd/system.conf*"),
}
UNIT_FIX = (
    "systemctl cat {unit} | grep -n {variable}",
    "remove that line, systemctl daemon-reload",
    "systemctl restart {unit}",
)


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Are the proxy variables other than declared?"""
    if isinstance(case.item, PathItem):
        return excluded("this path was dialled directly, whatever the environment says")
    if not isinstance(case.item, ProxyItem):
        return unknown("no proxy is at issue")
    client = evidence[case.item.host]
    found: tuple[tuple[str, Setting], ...] = case.seen.value
    if not found:
        return _missing(client, case.item)
    place, one = min(found, key=lambda pair: BASIC_FIRST.index(pair[0]) if pair[0] in BASIC_FIRST else len(BASIC_FIRST))
    kind = "set-unexpectedly" if case.item.value is None and not case.item.names else "other-value"
    wanted = "no proxy" if kind == "set-unexpectedly" else case.item.wanted
    return Ruling(
        answer="proven",
        because=f"{place} sets {one.line}; declared is {wanted}",
        evidence=tuple(client.line(where, setting.line) for where, setting in found),
        variant="no-proxy-incomplete" if case.item.names else kind,
        host=client.name,
        subject=place,
        fix=_fix(place, one) if kind == "set-unexpectedly" else (f"in {place}: {case.item.wanted}",),
        verify=("env | grep -i _proxy",) if place in {ETC, LOGIN} else ("systemctl show-environment | grep -i _proxy",),
    )


def _missing(client: HostEvidence, item: ProxyItem) -> Ruling:
    return Ruling(
        answer="proven",
        because=f"{item.variable} is set nowhere; declared is {item.wanted}",
        evidence=tuple(client.line(place, "no proxy variable of that name") for place in client.places),
        variant="not-set",
        host=client.name,
        subject=item.variable,
        fix=(f"set it in /etc/environment: {item.wanted.replace(' is ', '=')}",),
        verify=("env | grep -i _proxy",),
    )


def _fix(place: str, one: Setting) -> tuple[str, ...]:
    unit = place.removeprefix("unit ")
    return tuple(line.format(line=one.line, variable=one.variable, unit=unit) for line in FIX.get(place, UNIT_FIX))
