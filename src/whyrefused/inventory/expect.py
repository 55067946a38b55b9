"""The shape of `expect`: what an inventory may declare of a host.

These records are the grammar of the `expect` variable; the JSON Schema for editors and the table of keys in the manual
are generated from them, so every field is described where it stands. pydantic judges by them what people write
(`validate.py`), and is not loaded here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from whyrefused.inventory.shape import Check, Fits, Part, about

UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?")
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
DEVICE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp))?")
PROXIES = ("http", "https", "ftp", "all")
"""The schemes of the proxy variables: `http` stands for `http_proxy` and `HTTP_PROXY`."""

PROXY_SCHEMES = ("http", "https", "socks", "socks4", "socks4a", "socks5", "socks5h", "ftp")
PROXY_FORMS = "write `proxy: none`, or a map of http, https, ftp, all and no_proxy"

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ssh": 22, "ldap": 389, "ldaps": 636,
           "postgres": 5432, "postgresql": 5432, "mysql": 3306, "redis": 6379, "rediss": 6379, "amqp": 5672,
           "amqps": 5671, "mongodb": 27017, "tcp": None}  # fmt: skip
"""The schemes of destinations, each with the port of a URL that names none."""


def _listed(value: Any) -> Any:  # noqa: ANN401 - whatever YAML gave
    return value if isinstance(value, (list, tuple)) else (value,)


def _filled(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("at least one is wanted")
    return values


def _unit(text: str) -> str:
    if not UNIT.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a systemd unit")
    return text


def _bind(text: str) -> str:
    address, _, device = text.partition("%")
    if (address and not _is_address(address)) or (("%" in text or not address) and not DEVICE.fullmatch(device)):
        raise ValueError(f"{text!r} is neither an address (0.0.0.0 and :: are all) nor ADDRESS%DEVICE nor %DEVICE")
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _port_key(value: Any) -> str:  # noqa: ANN401 - whatever YAML gave
    found = PORT.fullmatch(str(value))
    if isinstance(value, bool) or not found or not 1 <= int(found[1]) <= 65535:  # noqa: PLR2004 - RFC 9293
        raise ValueError(f"{value!r} is not a port: write PORT/tcp or PORT/udp with 1 <= PORT <= 65535")
    return f"{int(found[1])}/{found[2] or 'tcp'}"


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a host name")
    return text


def _answer(value: str) -> str:
    return str(_network(value)) if "/" in value or not _is_address(value) else str(ipaddress.ip_address(value))


def _zone(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a zone: write the end that its names share, as example.com")
    return text


def _server(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text or address.is_unspecified or address.is_multicast:
        raise ValueError(
            f"{text!r} is not the address of a nameserver: write it as 198.51.100.53, or that of a host of the "
            "inventory as \"{{ hostvars['ns1'].ansible_host }}\""
        )
    return str(address)


def _source(text: str) -> str:
    if "/" in text or ":" in text:
        _network(text)
    return text


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a CIDR") from None
    return ipaddress.ip_network(text)  # and says so where bits of the host are set


def _percent(value: Any) -> Any:  # noqa: ANN401 - whatever YAML gave
    if not re.fullmatch(r"(100|\d{1,2})%", str(value)):
        raise ValueError(f"{value!r} is not a share: write it as 20%")
    return str(value)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise ValueError(f"{parts.netloc.rpartition('@')[2]!r} has no port from 1 to 65535") from None


def destination(text: str) -> tuple[str | None, str, int]:
    """Where does a client dial that is configured with this? (scheme or None, host, port).

    Accepts HOST:PORT, [IPV6]:PORT and URLs whose scheme has a known port. Raises ValueError.
    """
    scheme, separator, _ = text.partition("://")
    parts = urlsplit(text if separator else f"//{text}")
    host, port = parts.hostname, _port(parts)
    if separator:
        if scheme.lower() not in SCHEMES:
            raise ValueError(f"{text!r}: no port is known for {scheme}://, write HOST:PORT")
        port = port or SCHEMES[scheme.lower()]
    if not host or not port or (not separator and (parts.path or parts.username)):
        raise ValueError(f"{text!r} is neither HOST:PORT nor a URL")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        host = str(ipaddress.ip_address(host))
    else:
        _name(host)
    return (scheme.lower() if separator else None), host, port


def default_port(scheme: str) -> int | None:
    """Which port does a URL of this scheme mean that names none? None where that is not known."""
    return SCHEMES.get(scheme.lower())


def _destination(text: str) -> str:
    """The same without user and password: no item needs them, and each would show them."""
    destination(text)
    parts = urlsplit(text)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.username is not None else text


def _proxy(value: Any) -> Any:  # noqa: ANN401 - whatever YAML gave
    if value is False:
        raise ValueError(PROXY_FORMS)
    return value


def _proxy_url(text: str) -> str:
    """The text itself, for programs read it in ways of their own. It may hold a password, and is never quoted."""
    if text == "none":
        return text
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        wrong = not parts.hostname or _port(parts) == 0 or any(map(str.isspace, text))
    except ValueError:
        wrong = True
    if wrong or (parts.scheme or "http").lower() not in PROXY_SCHEMES:
        raise ValueError("this is neither `none` nor the URL of a proxy; write http://HOST:PORT")
    return text


def _names(value: Any) -> Any:  # noqa: ANN401 - whatever YAML gave
    """One text may hold several, as the variable itself does."""
    return tuple(filter(None, re.split(r"[,\s]+", value))) if isinstance(value, str) else _listed(value)


Unit = Annotated[str, Check(_unit)]
Listed = Check(_listed, first=True)
Named = Check(_names, first=True)
Sources = Annotated[tuple[Annotated[str, Check(_source)], ...], Listed]
Clients = Annotated[tuple[str, ...], Listed]
PortKey = Annotated[str, Check(_port_key, first=True)]
Destination = Annotated[str, Check(_destination)]
ProxyUrl = Annotated[str, Check(_proxy_url)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Part):
    """A systemd unit and the state it must be in; a word alone is its `state`."""

    state: Literal["running", "stopped", "absent"] = field(
        default="running",
        metadata=about(
            "`running`: active, or held ready by its socket unit; a crash loop is not running. "
            "`stopped`: not active and not startable by a socket. `absent`: no such unit."
        ),
    )
    enabled: bool | None = field(default=None, metadata=about("Whether it starts at boot; not judged when left out."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Part):
    """A port, what must listen on it, and who may and must reach it."""

    state: Literal["listening", "absent"] = field(
        default="listening",
        metadata=about("`absent`: nothing may listen on this port; the other keys then have no meaning."),
    )
    bind: Annotated[str, Check(_bind)] = field(
        default="0.0.0.0",  # noqa: S104 - what clients need, not what we open
        metadata=about(
            "The address it must answer on. 0.0.0.0 is every IPv4 address (a dual-stack [::] counts, an "
            "IPv6-only one does not), :: every IPv6 address; ADDRESS%DEVICE or %DEVICE for a listener bound to a "
            "device."
        ),
    )
    service: Unit | None = field(default=None, metadata=about("The unit that must own the socket."))
    allow: Sources = field(default=(), metadata=about("Who the firewall must let in: `any`, a CIDR, a host, a group."))
    deny: Sources = field(default=(), metadata=about("Who the firewall must refuse: `any`, a CIDR, a host, a group."))
    clients: Clients = field(default=(), metadata=about("Hosts and groups that must really connect."))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings(Part):
    """The proxy that clients must be set to use, by scheme."""

    http: ProxyUrl | None = field(default=None, repr=False, metadata=about("`http_proxy`: a URL, or `none`."))
    https: ProxyUrl | None = field(default=None, repr=False, metadata=about("`https_proxy`: a URL, or `none`."))
    ftp: ProxyUrl | None = field(default=None, repr=False, metadata=about("`ftp_proxy`: a URL, or `none`."))
    all: ProxyUrl | None = field(default=None, repr=False, metadata=about("`all_proxy`: a URL, or `none`."))
    no_proxy: Annotated[tuple[str, ...], Named] | None = field(
        default=None,
        metadata=about("Names that `no_proxy` must hold, or one text with commas; more may stand in it."),
    )


Proxy = Annotated[Literal["none"] | ProxySettings, Check(_proxy, first=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Part):
    """Something that the host's own software dials; a word alone is its `to`."""

    to: Destination = field(metadata=about("HOST:PORT or a URL."))
    server: str | None = field(
        default=None, metadata=about("The inventory host behind it; found by name or address if left out.")
    )
    as_: Annotated[str, Fits(r"^(unit|user):[^\s:]+$")] | None = field(
        default=None, metadata=about("Who dials: `unit:NAME` or `user:NAME`; the login user if left out.", alias="as")
    )
    configured_in: (
        Annotated[str, Fits(r"^(/[^#\x00-\x1f\x7f]+(#[^\x00-\x1f\x7f]+)?|unit:[^#\s]+#[^\x00-\x1f\x7f]+)$")] | None
    ) = field(
        default=None,
        metadata=about(
            "Where the client has it from: FILE, FILE#KEY or unit:NAME#VARIABLE. KEY is a variable, or a path "
            "such as `database.hosts[0].url` in YAML, JSON and INI. One that names a host has its port in it or beside "
            "it: `DB_PORT` for `DB_HOST`, `port` for `hostname` or `server`, `KEY_port` for any other."
        ),
    )
    proxy: Proxy | None = field(default=None, metadata=about("The proxy on this way; the host's `proxy` if left out."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Browse(Part):
    """A page that a browser on the host must open; a word alone is its `url`."""

    url: Annotated[str, Fits(r"^https?://\S+$"), Check(_destination)] = field(
        metadata=about("http:// or https:// URL.")
    )
    as_: Annotated[str, Fits(r"^user:[^\s:]+$")] | None = field(
        default=None, metadata=about("`user:NAME`; the login user if left out.", alias="as")
    )
    profile: Annotated[str, Fits(r"^/")] | None = field(default=None, metadata=about("The browser profile's folder."))


def _short(key: str) -> Check:
    """A word alone stands for the map with only this key."""
    return Check(lambda value: {key: value} if isinstance(value, str) else value, first=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect(Part):
    """All that may be declared of a host."""

    services: dict[Unit, Annotated[Service, _short("state")]] = field(
        default_factory=dict,
        metadata=about("systemd units, `.service` may be left out, and the state each must be in."),
    )
    ports: dict[PortKey, Annotated[Port, _short("state")]] = field(
        default_factory=dict, metadata=about("Ports as PORT/tcp or PORT/udp, and what must listen there for whom.")
    )
    resolves: dict[
        Annotated[str, Check(_name)],
        Annotated[tuple[Annotated[str, Check(_answer)], ...], Check(_filled), Listed],
    ] = field(
        default_factory=dict,
        metadata=about(
            "Names, and the addresses that this host's own resolver order must give for each: every address "
            "listed and no other. A CIDR permits the addresses in it without demanding any."
        ),
    )
    authoritative: dict[
        Annotated[str, Check(_zone)],
        Annotated[tuple[Annotated[str, Check(_server)], ...], Check(_filled), Listed],
    ] = field(
        default_factory=dict,
        metadata=about(
            "Zones, and the addresses of the nameservers that have the last word on each. No item of its own: where "
            "this host does not give a name under the zone as declared, they are asked too, so that a wrong record and "
            "a resolver with another answer are told apart. The longest zone that a name ends with counts."
        ),
    )
    connects: tuple[Annotated[Connect, _short("to")], ...] = field(
        default=(), metadata=about("What this host's software dials.")
    )
    proxy: Proxy | None = field(
        default=None,
        metadata=about("`none`, or the proxy that login shells, /etc/environment, systemd and its units must use."),
    )
    browses: tuple[Annotated[Browse, _short("url")], ...] = field(
        default=(), metadata=about("Pages a browser here must open.")
    )
    headroom: dict[Literal["backlog", "files", "conntrack"], Annotated[str, Check(_percent, first=True)]] = field(
        default_factory=dict, metadata=about("The share of each limit that must still be free.")
    )
    forwards: dict[PortKey, Destination] = field(
        default_factory=dict,
        metadata=about("Port forwards (NAT) that must exist: PORT/tcp, and the HOST:PORT behind it."),
    )
    wide: Literal["consistent"] | None = field(
        default=None,
        metadata=about(
            "`consistent`: no port that a program bound wide (0.0.0.0, [::]) is shut to everybody by a "
            "firewall rule made for that very port. Skipped where the login may not read the rules."
        ),
    )
