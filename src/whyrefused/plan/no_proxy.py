"""Which programs go through a proxy to a destination, and which do not? Each reads `no_proxy` in its own way. Pure.

| entry | curl | wget | Python | Go |
|---|---|---|---|---|
| `example.com` | it and below | it and below | it and below | it and below |
| `.example.com` | it and below | only below | it and below | only below |
| `*.example.com` | nothing | nothing | nothing | only below |
| `192.0.2.0/24` | from 7.86 | nothing | nothing | addresses in it |
| `example.com:8080` | nothing | nothing | that port | that port |
| `*` alone | all | nothing | all | all |
| a blank between entries | parts them | does not | does not | does not |
| `localhost`, 127.0.0.0/8 | only as entries | only as entries | only as entries | always direct |
| `HTTP_PROXY` in capitals | not read | not read | read | read |

Sources: curl lib/noproxy.c, wget src/host.c (sufmatch), Python urllib.request, Go golang.org/x/net/http/httpproxy. Java
reads none of these variables but `-Dhttp.proxyHost` and `-Dhttp.nonProxyHosts`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[str, str, int], bool]


def proxy_for(client: str, variables: Mapping[str, str], scheme: str, host: str, port: int) -> str:
    """Through which proxy does this program go to a URL? Empty: directly. `variables` are those of its environment."""
    value = _first(variables, _names(client, scheme))
    if not value or value.lower() == "none":
        return ""
    spared = READERS[client](_first(variables, _order(client, "no_proxy")), host.lower().rstrip("."), port)
    return "" if spared else value


def meant(entries: tuple[str, ...], host: str) -> bool:
    """Does a person who writes these into `no_proxy` mean this host? Every form that some program knows counts."""
    host = host.lower().rstrip(".")
    plain = [re.sub(r"^\*?\.", "", entry.lower().rstrip(".")) for entry in entries]
    return any(_below(host, entry) or _within(host, entry) or entry == "*" for entry in plain)


def _names(client: str, scheme: str) -> tuple[str, ...]:
    """Which variables does the program read for a scheme, in its order?

    curl and wget leave HTTP_PROXY alone, for a web server sets it from a visitor's header (CVE-2016-5385). ALL_PROXY
    is curl's alone.
    """
    own = (
        (f"{scheme}_proxy",)
        if client == "wget" or (client, scheme) == ("curl", "http")
        else _order(client, f"{scheme}_proxy")
    )
    return own if client != "curl" else (*own, *_order(client, "all_proxy"))


def _order(client: str, name: str) -> tuple[str, ...]:
    if client == "wget":
        return (name,)
    return (name.upper(), name) if client == "Go" else (name, name.upper())


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((variables[name].strip() for name in names if variables.get(name, "").strip()), "")


def _curl(value: str, host: str, _port: int) -> bool:
    entries = [one.removeprefix(".").removesuffix(".") for one in re.split(r"[\s,]+", value.lower()) if one]
    if _address(host):
        return value == "*" or any(host == one or _within(host, one) for one in entries)
    return value == "*" or any(_below(host, one) for one in entries)


def _wget(value: str, host: str, _port: int) -> bool:
    entries = [one.lstrip() for one in value.lower().split(",")]
    return any(host.endswith(one) if one.startswith(".") else _below(host, one) for one in entries if one)


def _python(value: str, host: str, port: int) -> bool:
    entries = [one.strip().lstrip(".") for one in value.lower().split(",")]
    return value == "*" or any(_below(host, one) or _below(f"{host}:{port}", one) for one in entries if one)


def _go(value: str, host: str, port: int) -> bool:
    if host == "localhost" or _loopback(host):
        return True
    for entry in (one.strip() for one in value.lower().split(",")):
        name, number = _parted(entry)
        if entry == "*" or _within(host, entry):
            return True
        if number not in {"", str(port)}:
            continue
        name = name.removeprefix("*")
        if name and (host.endswith(name) if name.startswith(".") else _below(host, name)):
            return True
    return False


READERS: Mapping[str, Reader] = {"curl": _curl, "wget": _wget, "Python": _python, "Go": _go}
"""The programs that are told apart."""


def _parted(entry: str) -> tuple[str, str]:
    found = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d{1,5}))?", entry)
    if not found or _address(entry):
        return entry, ""
    return found[1], found[2] or ""


def _below(host: str, entry: str) -> bool:
    """Is it this name, or one below it?"""
    return bool(entry) and (host == entry or host.endswith("." + entry))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _loopback(host: str) -> bool:
    found = _address(host)
    return bool(found and found.is_loopback)


def _within(host: str, entry: str) -> bool:
    address = _address(host)
    if not address or "/" not in entry:
        return False
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
