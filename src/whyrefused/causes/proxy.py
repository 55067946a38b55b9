"""Proxy server issues.

The client is set to go through a proxy where it should go directly, or through another one than it should. A proxy that
is down refuses in the server's stead; one that is up may not be allowed to go where the client wants, or not get there
itself: then what refuses is the server, and the proxy only tells. Login shells, /etc/environment, the systemd manager
and each unit have environments of their own, and curl, wget, Python and Go read `no_proxy` each in its own way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.case import BrowseItem, PathItem, ProxyItem, WayItem, excluded, unknown
from whyrefused.facts import environments, pages, proxies, through
from whyrefused.facts.proxies import aside, missed, plain, roots, sending
from whyrefused.probes.proxy import ETC, LOGIN
from whyrefused.records import CouldNotLook, Ruling

if TYPE_CHECKING:
    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.proxies import Found, Ways
    from whyrefused.probes.browses import Browse

CODE = "proxy"
SIDE = "client"
HIDDEN_BY = ("dns",)
VARIANTS = {
    "set-unexpectedly": "a proxy is set where none is declared",
    "other-value": "another proxy is set than the declared one",
    "not-set": "the declared proxy is set nowhere",
    "no-proxy-incomplete": "no_proxy does not spare the name",
    "dead-proxy": "the proxy does not answer",
    "connect-denied": "the proxy will not let it through",
    "auth-required": "the proxy wants credentials",
    "not-a-proxy": "what answers is no HTTP proxy",
    "no-answer": "the proxy hangs up without an answer",
    "upstream-failed": "the proxy says that it cannot reach the server, which its host can",
    "silent": "the proxy takes the connection and says nothing",
}
"""What a variant means; the slugs never change."""


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does a proxy stand in the way, or is one set otherwise than declared?"""
    client = evidence[case.item.host]
    try:
        if case.through:
            return through.ruling(case, case.through, evidence)
        if isinstance(case.item, BrowseItem):
            return _browser(client, case.item, case.seen.value)
        if isinstance(case.item, WayItem):
            return _way(client, case.item, case.seen.value)
        if isinstance(case.item, ProxyItem):
            return _variable(client, case.item, case.seen.value)
    except CouldNotLook as miss:
        return unknown(miss.why)
    if isinstance(case.item, PathItem):
        return excluded("this path was dialled directly, whatever the environment says")
    return unknown("no proxy is at issue")


def _variable(client: HostEvidence, item: ProxyItem, found: Found) -> Ruling:
    if not found:
        return _missing(client, item)
    if item.names:
        return _incomplete(client, item, roots(client, found))
    wrong = roots(
        client,
        tuple((place, one) for place, one in found if item.value is None or plain(one.value) != plain(item.value)),
    )
    place, one = wrong[0]
    if item.value is None:
        return _set(client, wrong, f"{place} sets {one.line}; declared is no proxy")
    return Ruling(
        answer="proven",
        because=f"{place} sets {one.line}; declared is {item.wanted}",
        evidence=tuple(client.line(where, setting.line) for where, setting in found),
        variant="other-value",
        host=client.name,
        subject=place,
        fix=tuple(f"in {where}: {item.variable}={item.value}" for where, _ in wrong),
        verify=environments.verify(place),
    )


def _set(client: HostEvidence, found: Found, because: str) -> Ruling:
    """It is set where none should be: each place is to be mended, the first one names the finding."""
    dead = [one for _, one in found if one.connect not in {"", "ok"}]
    return Ruling(
        answer="proven",
        because=because + (f"; that proxy does not answer either: {dead[0].connect}" if dead else ""),
        evidence=tuple(client.line(where, setting.line) for where, setting in (*found, *aside(client))),
        variant="set-unexpectedly",
        host=client.name,
        subject=found[0][0],
        fix=tuple(dict.fromkeys(step for place, one in found for step in environments.unset(client, place, one))),
        verify=environments.verify(found[0][0]),
    )


def _incomplete(client: HostEvidence, item: ProxyItem, found: Found) -> Ruling:
    short = [(place, one, name) for place, one in found for name in item.names if tuple(missed(one, name))]
    place, one, name = short[0] if short else (*found[0], item.names[0])
    programs = ", ".join(missed(one, name))
    wanted = ",".join(item.names)
    return Ruling(
        answer="proven",
        because=f"{place}: {one.line}; {programs or 'programs'} take {name} through the proxy",
        evidence=tuple(client.line(where, setting.line) for where, setting in found),
        variant="no-proxy-incomplete",
        host=client.name,
        subject=f"no_proxy in {place}",
        fix=tuple(dict.fromkeys(f"in {where}: add to no_proxy: {wanted}" for where, _, _ in short)) or (wanted,),
        verify=environments.verify(place),
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


def _way(client: HostEvidence, item: WayItem, ways: Ways) -> Ruling:
    """Programs with one environment go another way to one destination than declared."""
    wrong = [(program, value) for program, value in ways if plain(value) != plain(item.value)]
    programs, taken = ", ".join(program for program, _ in wrong), wrong[0][1]
    because = f"{item.place}: {programs} would go to {item.destination} {f'through {taken}' if taken else 'directly'}"
    found = roots(client, tuple((item.place, one) for one in sending(client, item.place)))
    sparing = [place for place, one in found if one.variable.lower() == "no_proxy"]
    if taken and not item.value and not sparing:
        return _set(client, found, f"{because}; declared is no proxy")
    place = (sparing or [item.place])[0] if taken and not item.value else item.place
    variant, edit = "no-proxy-incomplete", f"add to no_proxy: {item.destination}"
    if item.value:
        variant, edit = "other-value" if taken else "not-set", f"{item.scheme}_proxy={item.value}"
    return Ruling(
        answer="proven",
        because=f"{because}; declared is {item.value or 'no proxy'}",
        evidence=tuple(client.line(where, one.line) for where, one in found)
        or (client.line(item.place, "no proxy variable"),),
        variant=variant,
        host=client.name,
        subject=f"no_proxy in {place}" if variant == "no-proxy-incomplete" else place,
        fix=(f"in {place}: {edit}",),
        verify=environments.verify(place),
    )


def _browser(client: HostEvidence, item: BrowseItem, page: Browse) -> Ruling:
    """A browser heeds the proxy variables of the login too; the host's own runs tell whether it opens without them."""
    if pages.culprit(page) != "env":
        return unknown("that the page hangs on the login's proxy variables was not seen")
    names = {one.name.lower() for one in pages.named(page.settings, "env")} - {"no_proxy"}
    known = {ETC} if item.who else {ETC, LOGIN}  # of another user's login shell nothing is asked
    found = roots(
        client,
        tuple(pair for name in sorted(names) for pair in proxies.settings(client, name) if pair[0] in known),
    )
    if not found:
        return unknown("where the login has its proxy variables from was not seen")
    place, one = found[0]
    ruling = _set(client, found, f"{place} sets {one.line}; the browser opens {item.url} without it")
    runs = tuple(client.line(page.browser, run.line) for run in page.runs.values())
    ruling = replace(ruling, evidence=(*ruling.evidence, *runs))
    if item.proxy:
        return replace(ruling, variant="other-value", fix=(f"in {place}: {item.scheme}_proxy={item.proxy}",))
    return ruling
