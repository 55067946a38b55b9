"""A page does not open in a browser to which a plain connection works: what of the browser is it? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.probes.browses import LAYERS, THROUGH_PROXY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.probes.browses import Browse, Setting

PLAIN = frozenset({"refused", "reset", "timed-out", "unreachable"})
"""What a plain connection may meet too."""


def culprit(page: Browse) -> str:
    """Which layer, left out alone, lets the page open? Empty where the host's own runs do not tell.

    Proven by runs on the host: as declared it fails, without any of its settings it opens, and as declared it fails in
    the same way once more; so it is neither the server nor chance.
    """
    if not repeatable(page):
        return ""
    return next((one for one in LAYERS if _word(page, f"without-{one}") == "ok"), "")


def repeatable(page: Browse) -> bool:
    """Does it open without the browser's settings, and fail with them, each time the same?"""
    first, again = page.declared, page.runs.get("again")
    return (
        _word(page, "bare") == "ok"
        and page.runs["bare"].status != (first.status or None)
        and again is not None
        and (first.word, first.url) == (again.word, again.url)
    )


def same_without(page: Browse) -> bool:
    """Does a browser without any of its settings fail in the same way?"""
    bare = page.runs.get("bare")
    return bare is not None and (bare.word, bare.url) == (page.declared.word, page.declared.url)


def _word(page: Browse, run: str) -> str:
    return page.runs[run].word if run in page.runs else ""


def by_proxy(page: Browse) -> bool:
    """Did it fail at, or behind, a proxy?"""
    return page.declared.word.startswith(THROUGH_PROXY)


def maybe_by_proxy(page: Browse) -> bool:
    """May it have failed so, where a proxy is set? One that does not answer at all is told like a server that does not.

    One that refuses is told by a word of its own.
    """
    return by_proxy(page) or (page.declared.symptom in PLAIN - {"refused"} and not page.moved)


def named(settings: Iterable[Setting], kind: str, *names: str) -> tuple[Setting, ...]:
    """Which of the settings are of this kind, and begin with one of the names? All of the kind without a name."""
    return tuple(one for one in settings if one.kind == kind and (not names or one.name.startswith(names)))


def through_script(found: Iterable[Setting]) -> bool:
    """Do these settings have a script (PAC) choose the proxy?"""
    modes, switches = ("pac_script", "auto_detect"), ("proxy-pac", "proxy-auto")
    return any(any(mode in one.value for mode in modes) or one.name.startswith(switches) for one in found)


def proxied(settings: Iterable[Setting]) -> bool:
    """Do these policies send the browser through a proxy, whatever else is set?"""
    found = named(settings, "policy", "Proxy")
    modes = [one.value for one in found if one.name in {"ProxyMode", "ProxySettings"}]
    none = any(word in mode for mode in modes for word in ('"direct"', '"system"'))
    return not none and any(one.name in {"ProxyServer", "ProxyPacUrl", "ProxySettings"} for one in found)


def like_any_client(page: Browse) -> bool:
    """Did it fail at the declared place, and as any client may? A server that answers now and then looks so too."""
    return page.declared.symptom in PLAIN and not page.moved


def plain(page: Browse) -> tuple[str, ...]:
    """By which lines does a plain connection to it work? None where it does not, or the server led the browser on."""
    works = page.way is not None and page.way.symptom == "connected" and page.led is None
    return page.way.lines if page.way and works else ()
