"""What of a run may strangers read? The same run, with stand-ins for host names, addresses, users and home folders.

Which names are private the run says itself (`Run.private`); names with a domain, addresses and hardware addresses are
known by their shape wherever they stand. Rather too much is replaced than too little. Loopback and unspecified
addresses, `localhost` and `root` stay: they are everybody's, and half of all causes are about them. Names of groups,
units, programs and files stay too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.records import Run

NOTE = "Made to be shared: host names, addresses and users are replaced by stand-ins, the same ones throughout."
OURS = frozenset(
    {"outcome", "check", "symptom", "cause", "variant", "answer", "hides", "started", "finished", "resumed", "private"}
)
"""Fields with words of our own, whatever a host is called."""
EVERYBODYS = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "root", ""})
FILES = re.compile(
    r"test_\w+\.py|.*\.(?:service|socket|target|timer|mount|automount|slice|scope|path|swap|device|conf|cfg|ini|ya?ml|json"
    r"|toml|env|cnf|list|rules|nft|html|js|css|log|pid|lock|sock|txt|xml|crt|pem|key|pac)"
)
"""Names of units and files: none of what they end with is a top level domain, as `sh`, `pl` and `properties` are."""
SYSCTL = ("net.", "kernel.", "vm.", "fs.", "user.", "dev.")

DOMAIN = r"(?<![\w.-])(?:[\w-]{1,63}\.){1,10}[A-Za-z][A-Za-z-]{1,62}(?![\w-])"
MAC = r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:])"
IPV6 = r"(?<![0-9A-Fa-f.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,9}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w.]?\w)"
IPV4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)"  # tcpdump writes the port behind another dot
DASHED = r"(?<![A-Za-z0-9])ip(?:-\d{1,3}){4}(?!\d)"  # as clouds name their machines
KERNEL = r"(?<![0-9A-Fa-f])(?:[0-9A-F]{8}|[0-9A-F]{32})(?=:[0-9A-F]{4}\b)"  # of /proc/net/tcp and tcp6
HOME = r"(?<=/home/)[^/\s:'\"]+"

T = TypeVar("T")


def shareable(run: Run) -> Run:
    """What may be shared of this run? A pure function of it: the same run gives the same stand-ins."""
    private = run.private
    known = {name.lower(): "host" for name in private.hosts} | {name.lower(): "user" for name in private.users}
    known |= {name.lower(): "inventory" for name in run.inventory}
    names = [name for name in known if name not in EVERYBODYS]
    words = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    pattern = re.compile(
        f"(?P<mac>{MAC})|(?P<ipv6>{IPV6})|(?P<ipv4>{IPV4})|(?P<dashed>{DASHED})|(?P<kernel>{KERNEL})"
        f"|(?P<user>{HOME})|(?P<name>{DOMAIN})"
        + (f"|(?<![A-Za-z0-9])(?P<known>{words})(?![A-Za-z0-9])" if words else ""),
        re.IGNORECASE,
    )
    inner = re.compile(f"(?<![A-Za-z0-9])(?P<known>{words})(?![A-Za-z0-9])", re.IGNORECASE) if words else None
    found = {one for text in _texts(run) for match in pattern.finditer(text) for one in _kinds(match, known, inner)}
    stand_ins = _numbered({(known[name], name) for name in names}, found)
    told = partial(pattern.sub, partial(_stand_in, known=known, inner=inner, stand_ins=stand_ins))
    shared = _mapped(run, told)
    return replace(shared, notes=(NOTE, *shared.notes))


def _kinds(match: re.Match[str], known: Mapping[str, str], inner: re.Pattern[str] | None) -> Iterator[tuple[str, str]]:
    """What stands here that must not be told: its kind and itself, in small letters?"""
    kind, text = str(match.lastgroup), match[0].lower()
    if kind == "known" or text in known:
        yield known[text], text
    elif kind == "name" and _is_no_host(text):
        for one in inner.finditer(text) if inner else ():
            yield known[one[0]], one[0]
    elif kind in {"ipv4", "ipv6"}:
        yield from [(kind, text)] if _is_private(text) else []
    elif text not in EVERYBODYS:
        yield kind, text


def _is_no_host(text: str) -> bool:
    return FILES.fullmatch(text) is not None or text.startswith(SYSCTL)


def _is_private(text: str) -> bool:
    """Is it an address, and not one that every machine has? Behind a colon, as in `src:2001:db8::1`, too."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ":" in text and _is_private(text[1:])
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not (mapped.is_loopback or mapped.is_unspecified or str(mapped) == "255.255.255.255")


def _numbered(first: set[tuple[str, str]], found: set[tuple[str, str]]) -> dict[str, str]:
    """Which stand-in has each? Counted by kind, in the order of the alphabet."""
    counts: dict[str, int] = {}
    made: dict[str, str] = {}
    for kind, text in sorted(first | found):
        counts[kind] = counts.get(kind, 0) + 1
        made[text] = f"{kind}-{counts[kind]}"
    return made


def _stand_in(
    match: re.Match[str], known: Mapping[str, str], inner: re.Pattern[str] | None, stand_ins: Mapping[str, str]
) -> str:
    text = match[0]
    if match.lastgroup == "name" and text.lower() not in known and _is_no_host(text.lower()):
        return inner.sub(lambda one: stand_ins[one[0].lower()], text) if inner else text
    return stand_ins.get(text.lower(), text)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in OURS:
                yield from _texts(getattr(value, field.name))


def _mapped(value: T, told: Callable[[str], str]) -> T:
    """Which value has each text as it is told?"""
    made: Any = value
    if isinstance(value, str):
        made = told(value)
    elif isinstance(value, tuple):
        made = tuple(_mapped(one, told) for one in value)
    elif isinstance(value, Mapping):
        made = {name: _mapped(one, told) for name, one in value.items()}  # names of groups and causes
    elif is_dataclass(value) and not isinstance(value, type):
        texts = {it.name: getattr(value, it.name) for it in fields(value) if it.name not in OURS}
        made = replace(value, **{name: _mapped(one, told) for name, one in texts.items()})
    return made  # type: ignore[no-any-return]
