"""Does each declared page open in the host's own browser, and where does that browser go if not?

The browser is driven by python3 on the host (`remote/browse.py`, which says where its files stand meanwhile). A page
that fails is opened again without the user's profile, the machine's policies, the flags of its start script and the
login's proxies, together and one by one: so the host itself shows which it is. Rows, tab between the words:

    KEY unable WORDS                                        it could not be opened as declared
    KEY browser PATH VERSION
    KEY run NAME WORD STATUS REMOTE URL
                    NAME: declared, bare (without all of it), again (as declared once more), without-LAYER
                    WORD: ok, ERR_… of the browser, HTTP_… of a gateway, NO_ANSWER
    KEY hop NAME STATUS WHY BEFORE AFTER                    WHY: HSTS, HttpsUpgrades, cache, server
    KEY policy managed|recommended FILE NAME VALUE LINE
    KEY flag SWITCH WORD FILE LINE
    KEY env NAME VALUE
    KEY hsts NAME FILE ENTRY                                of the profile, as are the next two
    KEY preference FILE NAME VALUE
    KEY extension FILE ID FOLDER RIGHTS
    KEY layer LAYER                                         it is there, and was left out
    KEY kept LAYER                                          it could not be left out
    KEY dial way|end ROW                                    a plain connect of that user; ROW as dials.py has it
    KEY end
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from whyrefused.probes import Unreadable, _remote, _rights, dials, failed, whole
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes.dials import Dial
    from whyrefused.records import Symptom

SOURCE = "browser"
SECONDS = 45
BYTES = 262144
SIDE_BY_SIDE = True
AT_ONCE = False
AFTER: tuple[str, ...] = ()
RUNS = (
    _rights.rooted("python3 -ISBc", "drives the browser, in a mount namespace of its own"),
    _rights.run("id -u", "whose browser it is"),
    _rights.rooted("chromium", "opens the page; also google-chrome and their programs below /usr/lib and /opt"),
    _rights.rooted("sh -l -c", "the proxies of the login, by its own shell"),
    _rights.rooted("stat -f -c", "is the folder in memory"),
    _rights.rooted("systemctl show", "who dials, of `as: unit:`"),
)
READS = {
    "/etc/chromium/policies/*": "policies of the machine",
    "/etc/chromium-browser/policies/*": "policies of the machine",
    "/etc/opt/chrome/policies/*": "policies of the machine",
    "/etc/chromium.d/*": "flags of its start script",
    "PROFILE/*": "what of a profile tells where connections go, copied into memory",
    "/etc/environment": "proxies of every login",
}

NO_DRIVER = "python3 is not there to drive a browser with"
PORTS = {"http": 80, "https": 443}
LAYERS = ("policy", "flags", "profile", "env")
"""What of a host makes its browser go elsewhere than a plain connect does."""

Kind = Literal["policy", "flag", "env", "hsts", "preference", "extension"]
LAYER_OF: Mapping[Kind, str] = {
    "policy": "policy", "flag": "flags", "env": "env", "hsts": "profile", "preference": "profile",
    "extension": "profile",
}  # fmt: skip
WIDTHS = {"policy": 5, "flag": 4, "env": 2, "hsts": 3, "preference": 3, "extension": 4}

SYMPTOMS: Mapping[str, Symptom] = {
    "ok": "connected",
    "ERR_CONNECTION_REFUSED": "refused",
    "ERR_CONNECTION_RESET": "reset",
    "ERR_CONNECTION_CLOSED": "reset",
    "ERR_CONNECTION_ABORTED": "reset",
    "ERR_EMPTY_RESPONSE": "reset",
    "ERR_CONNECTION_TIMED_OUT": "timed-out",
    "ERR_TIMED_OUT": "timed-out",
    "NO_ANSWER": "timed-out",
    "ERR_ADDRESS_UNREACHABLE": "unreachable",
    "ERR_INTERNET_DISCONNECTED": "unreachable",
    "ERR_NAME_NOT_RESOLVED": "dns-failure",
    "ERR_NAME_RESOLUTION_FAILED": "dns-failure",
    "ERR_DNS_TIMED_OUT": "dns-failure",
}
THROUGH_PROXY = ("ERR_PROXY_", "ERR_TUNNEL_", "ERR_SOCKS_", "ERR_PAC_", "ERR_MANDATORY_PROXY_", "ERR_NO_SUPPORTED_PROX",
                 "ERR_UNEXPECTED_PROXY_", "ERR_HTTPS_PROXY_", "HTTP_")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One redirect on the way to a page."""

    why: str  # HSTS or HttpsUpgrades: the browser's own; cache: remembered; server: the server said so now
    before: str
    after: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The page, opened once."""

    word: str
    status: int  # of HTTP; 0 where none came
    url: str  # the last one that was asked for
    hops: tuple[Hop, ...]
    line: str

    @property
    def symptom(self) -> Symptom:
        """Which of spec.md's symptoms is it? What the browser refuses by itself never left the host."""
        if self.word.startswith(THROUGH_PROXY):
            return "proxy-error"
        return SYMPTOMS.get(self.word, "local-error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of the host that decides where its browser goes."""

    kind: Kind
    name: str  # of the policy, switch, variable, preference; the host name of an HSTS entry; the extension's id
    value: str
    source: str  # file, or where else it stands
    line: str
    managed: bool = False  # a policy that nobody else outranks (chromium's PrefValueStore)

    @property
    def layer(self) -> str:
        """Which of the layers does it belong to?"""
        return LAYER_OF[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Browse:
    """What became of one page."""

    unable: str = ""  # why it could not be opened as declared; then nothing is known
    browser: str = ""  # path and version
    runs: Mapping[str, Opened]
    settings: tuple[Setting, ...]
    layers: tuple[str, ...]  # what was there to be left out
    kept: tuple[str, ...]  # layers that could not be left out
    way: Dial | None  # plain connect to what the page's host and port are; only where the page failed
    end: Dial | None  # and to where the browser was led instead

    @property
    def declared(self) -> Opened:
        """How it ended, as declared."""
        return self.runs["declared"]

    @property
    def own_hop(self) -> Hop | None:
        """What of the browser's own led it to where it ended? None where the last redirect was the server's."""
        last = self.declared.hops[-1] if self.declared.hops else None
        return last if last and last.why != "server" else None

    @property
    def moved(self) -> bool:
        """Did it end at another host or port than it was asked for? An upgrade that is taken back did not."""
        hops = self.declared.hops
        return bool(hops) and target(hops[0].before) != target(self.declared.url)

    @property
    def led(self) -> tuple[str, int] | None:
        """Which host and port did the server itself send the browser to at last? None where it did not."""
        return target(self.declared.url) if self.moved and self.own_hop is None else None


def target(url: str) -> tuple[str, int] | None:
    """Which host and port does a URL mean that a browser printed? None where it means none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def key(url: str, who: str, proxy: str, profile: str) -> str:
    """How is this page named among what a host is asked? First a word for its rows, that no redaction touches."""
    words = f"{url} {who or '-'} {proxy or '-'} {profile or '-'}"
    return f"{hashlib.sha256(words.encode()).hexdigest()[:12]} {words}"


def fragment(asked: tuple[str, ...]) -> str:
    """Which shell text opens these pages?"""
    words = [word for one in asked for word in (*one.split(" ", 4), *["-"] * 5)[:5]]
    browse, dial = shlex.quote(_remote.program("browse.py")), shlex.quote(_remote.program("dial.py"))
    return (
        "u=$(id -u); for p in python3 /usr/libexec/platform-python; do if command -v $p >/dev/null 2>&1; then "
        f'exec $S $p -ISBc {browse} {dial} "$u" {" ".join(map(shlex.quote, words))}; fi; done; '
        f"echo '{NO_DRIVER}'; exit 127"
    )


def parse(frame: Frame) -> Mapping[str, Browse]:
    """What became of each page? One that did not end in time is left out: it was not looked at."""
    if frame.status != 0:
        raise Unreadable(failed(frame, SOURCE, SECONDS))
    rows: dict[str, list[list[str]]] = {}
    ended = []
    for line in frame.text.split("\n"):
        name, *words = line.split("\t")
        if words:
            rows.setdefault(name, []).append(words)
        if words == ["end"]:
            ended.append(name)
    return {name: _browse(rows[name]) for name in dict.fromkeys(ended)}


def _browse(rows: list[list[str]]) -> Browse:
    unable = [row[1] for row in rows if row[0] == "unable" and len(row) > 1]
    hops: dict[str, list[list[str]]] = {}
    for row in rows:
        if row[0] == "hop" and len(row) > 1:
            hops.setdefault(row[1], []).append(row)
    last = {row[1]: row for row in rows if row[0] == "run" and len(row) > 1}
    runs = {name: _opened(row, hops.get(name, [])) for name, row in last.items()}
    if not unable and "declared" not in runs:
        raise Unreadable(f"{SOURCE}: cut short")
    return Browse(
        unable=unable[0] if unable else "",
        browser=next((" ".join(row[1:]) for row in rows if row[0] == "browser"), ""),
        runs=runs,
        settings=tuple(dict.fromkeys(_setting(row) for row in rows if row[0] in WIDTHS)),
        layers=tuple(row[1] for row in rows if row[0] == "layer" and len(row) > 1),
        kept=tuple(row[1] for row in rows if row[0] == "kept" and len(row) > 1),
        way=_dial(rows, "way"),
        end=_dial(rows, "end"),
    )


def _opened(row: list[str], hops: list[list[str]]) -> Opened:
    if len(row) != 6:  # noqa: PLR2004 - as the docstring has it
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")
    _, name, word, status, remote, url = row
    if whole(status) is None or len(status) > 3:  # noqa: PLR2004 - RFC 9110, 15
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")
    seen = {"-": "", "cache": " from its cache"}.get(remote, f" from {remote.replace(' ', ' port ')}")
    told = f"opened, status {status}{seen}" if word == "ok" else word
    how = {"declared": "as declared", "again": "as declared, once more", "bare": "without any of its settings"}
    return Opened(
        word=word, status=int(status), url=url, hops=tuple(map(_hop, hops)),
        line=f"{how.get(name, name.replace('-', ' ', 1))}: {url}: {told}",
    )  # fmt: skip


def _hop(row: list[str]) -> Hop:
    if len(row) != 6:  # noqa: PLR2004 - as above
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")
    _, _, status, why, before, after = row
    whose = {"server": "by the server", "cache": "remembered from before"}.get(why, f"by the browser itself: {why}")
    return Hop(why=why, before=before, after=after, line=f"{before}: {status} to {after}, {whose}")


def _setting(row: list[str]) -> Setting:
    if len(row) != WIDTHS[row[0]] + 1:
        raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")
    match row:
        case ["policy", kind, file, name, value, line]:
            return Setting(kind="policy", name=name, value=value, source=file, line=line, managed=kind == "managed")
        case ["flag", switch, word, file, line]:
            told = (file, line) if file != "-" else ("command line of the browser", word)
            return Setting(kind="flag", name=switch, value=word.partition("=")[2], source=told[0], line=told[1])
        case ["env", name, value]:
            return Setting(kind="env", name=name, value=value, source="environment", line=f"{name}={value}")
        case ["hsts", name, file, entry]:
            return Setting(kind="hsts", name=name, value="", source=f"{file} of the profile", line=f"{name}: {entry}")
        case ["preference", file, name, value]:
            return Setting(kind="preference", name=name, value=value, source=f"{file} of the profile", line=value)
        case [_, file, one, folder, rights]:
            words = f"{one} ({folder}) may use {rights}"
            return Setting(kind="extension", name=one, value=folder, source=f"{file} of the profile", line=words)
    raise Unreadable(f"{SOURCE}: not understood: {' '.join(row)[:120]!r}")


def _dial(rows: list[list[str]], name: str) -> Dial | None:
    text = "\n".join("\t".join(row[2:]) for row in rows if row[:2] == ["dial", name])
    return next(iter(dials.parse(Frame(text=text, status=0)).values()), None)
