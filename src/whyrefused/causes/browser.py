"""Browser-related problems.

The browser goes elsewhere than a plain connection from the same machine does: through a proxy of its own that a policy
or a flag names, to https where only http is served, along a redirect it remembers, or it refuses by itself. The page is
opened with and without what may be at fault, so the host itself shows it. Cookies never refuse a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.case import BrowseItem, PathItem, excluded, unknown
from whyrefused.facts import pages
from whyrefused.probes.browses import target
from whyrefused.records import Line, Ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.case import Case
    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.probes.browses import Browse, Setting

CODE = "browser"
SIDE = "client"
HIDDEN_BY = ()
VARIANTS = {
    "policy-proxy": "a policy sends it through a proxy",
    "pac-dead": "the PAC script that a policy makes mandatory cannot be had",
    "pac-proxy-dead": "a PAC script names a proxy that does not answer",
    "flag-proxy": "a command-line flag sends it through a proxy",
    "profile-proxy": "the profile's own proxy setting",
    "host-resolver-rules": "a flag maps the name elsewhere",
    "hsts-upgrade": "a remembered HSTS entry makes it https",
    "https-upgrade": "the browser makes it https by itself",
    "cached-redirect": "a remembered permanent redirect leads elsewhere",
    "extension": "an extension blocks or redirects it",
    "doh": "DNS over HTTPS asks a server that does not answer",
    "url-blocklist": "a policy blocks the URL",
    "unsafe-port": "the browser opens no page on this port",
    "policy": "a policy, which one is not seen",
    "flags": "a flag, which one is not seen",
    "profile": "the profile, what of it is not seen",
}
"""What a variant means; the slugs never change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What of the browser it is."""

    variant: str
    because: str
    subject: str
    fix: tuple[str, ...]
    settings: tuple[Setting, ...] = ()


def rule(case: Case, evidence: Evidence) -> Ruling:
    """Does the browser go elsewhere than a plain connection?"""
    host = case.at_client(evidence)
    if isinstance(case.item, PathItem):
        lines = case.seen.lines[:1]
        if case.item.check == "browses":
            return excluded("a plain connection from the same host meets the same", *lines)
        return excluded("no browser is on this path: it was dialled by a plain connect", *lines)
    if not isinstance(case.item, BrowseItem):
        return unknown("no page in a browser is at issue")
    page: Browse = case.seen.value
    if page.way is None or page.way.symptom != "connected":
        return unknown("whether a plain connection works was not seen")
    way = tuple(host.line(f"connect({case.item.destination}:{case.item.port})", line) for line in page.way.lines)
    told = _by_itself(page, case.item) or _left_out(page, case.item) or _kept(page)
    if told:
        return _proven(case.item, host, page, told, way)
    return _not_proven(host, page, way)


def _proven(item: BrowseItem, host: HostEvidence, page: Browse, told: Told, way: tuple[Line, ...]) -> Ruling:
    return Ruling(
        answer="proven",
        because=told.because,
        evidence=(*_quoted(host, told.settings), *_runs(host, page), *way, *_end(host, page)),
        variant=told.variant,
        host=host.name,
        subject=told.subject,
        fix=told.fix,
        verify=(f"curl -sI --noproxy '*' {item.url}", f"{page.browser.partition(' ')[0]} {item.url}"),
    )


def _not_proven(host: HostEvidence, page: Browse, way: tuple[Line, ...]) -> Ruling:
    runs = _runs(host, page)
    env = pages.named(page.settings, "env")
    if pages.culprit(page) == "env":
        return excluded("it opens without the login's proxy variables, which are no setting of the browser",
                        *_quoted(host, env), *runs)  # fmt: skip
    if pages.same_without(page) and not page.kept:
        return excluded("without any of its settings the browser ends the same", *runs, *way)
    return unknown("a plain connection works, and what of the browser it is was not seen", *runs, *way)


def _quoted(host: HostEvidence, settings: Iterable[Setting]) -> tuple[Line, ...]:
    return tuple(host.line(one.source, one.line) for one in settings)


def _runs(host: HostEvidence, page: Browse) -> tuple[Line, ...]:
    return tuple(host.line(page.browser, run.line) for run in page.runs.values())


def _end(host: HostEvidence, page: Browse) -> tuple[Line, ...]:
    led = target(page.declared.url)
    if not page.end or not led:
        return ()
    return tuple(host.line(f"connect({led[0]}:{led[1]})", line) for line in page.end.lines)


def _by_itself(page: Browse, item: BrowseItem) -> Told | None:
    """What every browser does by itself, with any profile: it needs no run without it."""
    if page.declared.word == "ERR_UNSAFE_PORT":
        return Told(
            variant="unsafe-port",
            because=f"browsers refuse port {item.port} by themselves (ERR_UNSAFE_PORT); a plain connection works",
            subject=f"port {item.port}",
            fix=(f"serve {item.url} on another port",
                 f'in the browser\'s policies: "ExplicitlyAllowedNetworkPorts": ["{item.port}"]'),
        )  # fmt: skip
    hop = page.own_hop
    if hop is None or page.end is None or page.end.symptom == "connected":
        return None
    return {"HSTS": _hsts, "HttpsUpgrades": _upgraded}.get(hop.why, _nothing)(page, item)


def _nothing(_page: Browse, _item: BrowseItem) -> None:
    """Not what every browser does."""


def _hsts(page: Browse, item: BrowseItem) -> Told:
    found = pages.named(page.settings, "hsts")
    whose = (
        f"the profile's HSTS entry for {found[-1].name}" if found else "the HSTS list that is built into the browser"
    )
    return Told(
        variant="hsts-upgrade",
        because=f"{whose} turns {item.url} into {page.declared.url}, where {_answers(page)}",
        subject=f"HSTS of {found[-1].name if found else item.destination}",
        fix=(f"serve https on {_place(page)}: the site itself, or its domain, promised to",
             *([f"or in the browser: chrome://net-internals/#hsts, delete the policies of {found[-1].name}"]
               if found else [])),
        settings=found,
    )  # fmt: skip


def _upgraded(page: Browse, item: BrowseItem) -> Told:
    found = pages.named(page.settings, "policy", "HttpsOnlyMode", "HttpsUpgrades")
    whose = f"{found[-1].name} of {found[-1].source}" if found else "the browser's setting to use secure connections"
    return Told(
        variant="https-upgrade",
        because=f"{whose} turns {item.url} into {page.declared.url}, where {_answers(page)}",
        subject=found[-1].source if found else "HTTPS-First",
        fix=(f"serve https on {_place(page)}",
             *([f'or in {found[-1].source}: "HttpsOnlyMode": "allowed"'] if found
               else ["or in the browser: chrome://settings/security, Always use secure connections"])),
        settings=found,
    )  # fmt: skip


def _answers(page: Browse) -> str:
    if page.end and page.end.symptom != "connected":
        return f"a plain connection is {page.end.symptom} too"
    return f"it meets {page.declared.word}"


def _place(page: Browse) -> str:
    host, port = target(page.declared.url) or ("", 0)
    return f"{host}:{port}"


def _left_out(page: Browse, item: BrowseItem) -> Told | None:
    """What the page opens without, where that is a setting of the browser.

    Of two that each break it none mends it alone; a managed proxy outranks every other (chromium's PrefValueStore).
    """
    layer = pages.culprit(page)
    if layer in OF_LAYER:
        return OF_LAYER[layer](page, item)
    managed = [one for one in page.settings if one.managed]
    if not layer and pages.repeatable(page) and pages.by_proxy(page) and pages.proxied(managed):
        return _proxy_policy(page, managed)
    return None


def _kept(page: Browse) -> Told | None:
    """What a policy does that could not be left out: nothing outranks a managed one (chromium's PrefValueStore)."""
    if "policy" not in page.kept or not pages.same_without(page):
        return None
    managed = [one for one in page.settings if one.managed]
    if pages.by_proxy(page) and pages.proxied(managed):
        return _proxy_policy(page, managed)
    if page.declared.word == "ERR_BLOCKED_BY_ADMINISTRATOR" and pages.named(managed, "policy", "URL"):
        return _blocklist(managed)
    return None


def _policy(page: Browse, item: BrowseItem) -> Told | None:
    word, settings = page.declared.word, page.settings
    if pages.maybe_by_proxy(page) and pages.proxied(settings):
        return _proxy_policy(page, settings)
    if word == "ERR_BLOCKED_BY_ADMINISTRATOR" and pages.named(settings, "policy", "URL"):
        return _blocklist(settings)
    if page.own_hop and page.own_hop.why == "HttpsUpgrades" and page.moved:
        return _upgraded(page, item)
    doh = pages.named(settings, "policy", "DnsOverHttps")
    if doh and (word.startswith("ERR_NAME_") or page.declared.symptom in pages.PLAIN):
        return Told(
            variant="doh", because=f"{doh[-1].source} has the browser resolve names over HTTPS: {word}",
            subject=doh[-1].source, settings=doh,
            fix=(f'in {doh[-1].source}: "DnsOverHttpsMode": "automatic", or a DnsOverHttpsTemplates that answers',),
        )  # fmt: skip
    extensions = pages.named(settings, "policy", "Extension")
    if word == "ERR_BLOCKED_BY_CLIENT" and extensions:
        return Told(
            variant="extension", because=f"an extension that {extensions[-1].source} installs blocks it ({word})",
            subject=extensions[-1].source, settings=extensions,
            fix=(f"remove the extension from {extensions[-1].name} in {extensions[-1].source}",),
        )  # fmt: skip
    found = pages.named(settings, "policy")
    if not found or pages.like_any_client(page):
        return None
    return Told(
        variant="policy", because=f"it opens without the machine's policies ({word} with them)",
        subject=found[-1].source, settings=found, fix=(f"review {found[-1].source}",),
    )  # fmt: skip


def _proxy_policy(page: Browse, settings: Iterable[Setting]) -> Told:
    found = pages.named(settings, "policy", "Proxy")
    file, word = found[-1].source, page.declared.word
    if word.startswith(("ERR_MANDATORY_PROXY_", "ERR_PAC_")):
        return Told(
            variant="pac-dead", because=f"the PAC script that {file} makes mandatory cannot be had ({word})",
            subject=file, settings=found,
            fix=("serve the PAC script again", f"or in {file}: remove ProxyPacMandatory, or the proxy settings"),
        )  # fmt: skip
    script = pages.through_script(found)
    whose = "the PAC script of the policy names a proxy" if script else "a policy names a proxy"
    return Told(
        variant="pac-proxy-dead" if script else "policy-proxy",
        because=f"{whose} that does not take the browser to the page ({word}): {file}",
        subject=file, settings=found,
        fix=(f"in {file}: remove the proxy settings, or name a proxy that answers",
             "open chrome://policy in the browser, Reload policies"),
    )  # fmt: skip


def _blocklist(settings: Iterable[Setting]) -> Told:
    found = pages.named(settings, "policy", "URL")
    file = found[-1].source
    return Told(
        variant="url-blocklist", because=f"{file} has the browser block it (ERR_BLOCKED_BY_ADMINISTRATOR)",
        subject=file, settings=found,
        fix=(f"in {file}: take it out of URLBlocklist, or into URLAllowlist",
             "open chrome://policy in the browser, Reload policies"),
    )  # fmt: skip


def _flags(page: Browse, _item: BrowseItem) -> Told | None:
    word = page.declared.word
    proxies = pages.named(page.settings, "flag", "proxy-")
    rules = pages.named(page.settings, "flag", "host-")
    extensions = pages.named(page.settings, "flag", "load-extension")
    if pages.maybe_by_proxy(page) and proxies:
        variant, found = ("pac-proxy-dead" if pages.through_script(proxies) else "flag-proxy"), proxies
    elif rules:
        variant, found = "host-resolver-rules", rules
    elif word == "ERR_BLOCKED_BY_CLIENT" and extensions:
        variant, found = "extension", extensions
    else:
        variant, found = "flags", pages.named(page.settings, "flag")
    if not found or (variant == "flags" and pages.like_any_client(page)):
        return None
    return Told(
        variant=variant, because=f"it opens without --{found[-1].name} of {found[-1].source} ({word} with it)",
        subject=found[-1].source, settings=found,
        fix=(f"in {found[-1].source}: remove --{found[-1].name}", "restart the browser"),
    )  # fmt: skip


def _profile(page: Browse, item: BrowseItem) -> Told | None:
    """What of the profile is it? Alternative services are none of it: QUIC is off."""
    word = page.declared.word
    if page.own_hop and page.own_hop.why == "HSTS":
        return _hsts(page, item)
    remembered = [hop for hop in page.declared.hops if hop.why == "cache"]
    if remembered:
        return Told(
            variant="cached-redirect",
            because=f"the profile's cache redirects {remembered[-1].before} to {remembered[-1].after}: {word}",
            subject=f"redirect of {remembered[0].before}",
            fix=("in that browser: chrome://settings/clearBrowserData, Cached images and files",
                 f"serve {remembered[0].before} with Cache-Control: no-store while such redirects are about"),
        )  # fmt: skip
    extensions = pages.named(page.settings, "extension")
    if extensions and (word == "ERR_BLOCKED_BY_CLIENT" or pages.by_proxy(page)):
        return Told(
            variant="extension", because=f"an extension of the profile keeps it from opening: {word}",
            subject=extensions[0].name, settings=extensions,
            fix=tuple(f"in that browser: chrome://extensions/?id={one.name}, switch it off" for one in extensions),
        )  # fmt: skip
    proxies = pages.named(page.settings, "preference", "proxy")
    if proxies and pages.by_proxy(page):
        return Told(
            variant="profile-proxy", because=f"the profile's own proxy setting does not take it there: {word}",
            subject=item.profile or "profile", settings=proxies,
            fix=("in that browser: chrome://settings/system, Open your computer's proxy settings",),
        )  # fmt: skip
    if pages.like_any_client(page):
        return None
    return Told(
        variant="profile", because=f"it opens with a clean profile ({word} with this one)",
        subject=item.profile or "profile", fix=("chromium --user-data-dir=$(mktemp -d), to compare",),
    )  # fmt: skip


OF_LAYER: Mapping[str, Callable[[Browse, BrowseItem], Told | None]] = {
    "policy": _policy,
    "flags": _flags,
    "profile": _profile,
}
