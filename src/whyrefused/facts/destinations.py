"""Is a client configured with the declared destination? Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whyrefused.evidence import looked
from whyrefused.facts import resolution
from whyrefused.facts.addresses import V4, plain
from whyrefused.inventory.expect import default_port
from whyrefused.plan.who import is_literal, is_self
from whyrefused.probes import whole
from whyrefused.probes.configured import ANY_NAME, dotted, siblings
from whyrefused.records import CouldNotLook, Line, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whyrefused.evidence import Evidence, HostEvidence
    from whyrefused.facts.addresses import Address
    from whyrefused.plan.keys.configured_in import ConfiguredItem
    from whyrefused.probes.configured import Configured, Setting

Variant = Literal[
    "wrong-host", "wrong-port", "localhost-left-over", "localhost-is-ipv6", "old-address", "wrong-scheme-port",
    "not-restarted",
]  # fmt: skip

UNREADABLE = "what stands there cannot be read as a destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One destination that a client is configured with. Without a host only its port is, and the reverse."""

    scheme: str
    host: str
    port: int | None
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        """How is it written?"""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return (f"{self.scheme}://" if self.scheme else "") + (host + port if host else f"port {self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What stands where a client has its destination from, held against the declaration."""

    said: str
    lines: tuple[Line, ...]
    met: bool
    variant: Variant | None = None  # in which way it departs; None where there is no such file or key
    restart: str = ""  # the unit that runs with an older value


def told(item: ConfiguredItem, evidence: Evidence) -> Told:
    """What is the client configured with, and is it the declared destination? Raises `CouldNotLook`.

    The environment of a running process is what counts, and what its unit would be given at the next start besides.
    """
    host = evidence[item.host]
    found = host.configured(item.where)
    last = None
    for source in ("file", "unit"):
        if source in found.sources:
            last = _of_source(item, evidence, found, source)
            if not last.met and last.variant is None:
                return last
    if last is None:
        raise CouldNotLook(f"{host.name}: {item.where}: what stands there was not told")
    process = found if "process" in found.sources else _process(host, item)
    if process is None:
        return last
    if isinstance(process.sources.get("process"), Missing) and last.met and process is found:
        raise CouldNotLook(f"{host.name}: {process.sources['process'].why}: needs root there")  # type: ignore[union-attr]
    running = looked(lambda: _of_source(item, evidence, process, "process"))
    # A program may have written over its environment (prctl(2), PR_SET_MM): a variable that is not there tells nothing.
    if isinstance(running, Missing) or running.met or running.variant is None:
        return last
    unit = process.where.removeprefix("unit:").partition("#")[0]
    if last.met:
        said = f"{running.said}, as it runs; {last.said} since"
        return Told(said=said, lines=(*running.lines, *last.lines), met=False, variant="not-restarted", restart=unit)
    return running if process is found and running.variant else last


def _process(host: HostEvidence, item: ConfiguredItem) -> Configured | None:
    found = looked(lambda: host.configured(item.process)) if item.process else None
    return None if found is None or isinstance(found, Missing) or not found.sources.get("process") else found


def _of_source(item: ConfiguredItem, evidence: Evidence, found: Configured, source: str) -> Told:
    host = evidence[item.host]
    settings = found.sources[source]
    file, _, key = found.where.partition("#")
    if isinstance(settings, Missing):
        raise CouldNotLook(f"{host.name}: {settings.why}")
    if settings is None:
        return Told(said=f"no {file}", lines=(host.line(file, "no such file or unit"),), met=False)
    if not settings:
        what = f"no {key}" if key else "no destination"
        return Told(said=f"{what} in {file}", lines=(host.line(file, what),), met=False)
    places = _places(settings, key, f"{host.name}: {found.where}")
    if not places:
        raise CouldNotLook(f"{host.name}: {found.where}: {UNREADABLE}")
    judged = [(place, _departs(place, item, evidence, found)) for place in places]
    place, variant = next((pair for pair in judged if pair[1] is None), judged[0])
    where = f"{file} (environment of its process)" if source == "process" else file
    lines = [host.line(where, line) for line in place.lines]
    given = found.addresses.get(place.host)
    if variant and given and not is_literal(place.host):
        lines.append(host.line(f"getent ahosts {place.host}", " ".join(map(str, given))))
    said = f"{found.where} names {place.words}"
    return Told(said=said, lines=tuple(lines), met=variant is None, variant=variant)


def _places(settings: tuple[Setting, ...], key: str, where: str) -> tuple[Place, ...]:
    """Which destinations are meant? A list of them is one; two keys of one name are not."""
    if not key:
        found = {(one.scheme, text): one for one in settings for text in one.places}
        if not found:
            raise CouldNotLook(f"{where}: {UNREADABLE}")
        if len(found) > 1:
            raise CouldNotLook(f"{where}: holds {len(found)} destinations; name the key (FILE#KEY)")
        return tuple(_place(scheme, text, (one.line,)) for (scheme, text), one in found.items())
    hosts, ports = siblings(dotted(key))
    named, numbered = _ending(settings, hosts, where), _ending(settings, ports, where)
    if any(not one.places for one in (*named, *numbered)):
        raise CouldNotLook(f"{where}: {UNREADABLE}")
    port = _place("", numbered[-1].places[0], (numbered[-1].line,)) if numbered else None
    if not named:
        return (port,) if port else ()
    if any(one.scheme.endswith("+srv") for one in named):
        raise CouldNotLook(f"{where}: an SRV record has the hosts and ports behind that name")
    places = [_place(one.scheme, text, (one.line,)) for one in named for text in one.places]
    return tuple(_with(place, port) for place in places)


def _ending(settings: tuple[Setting, ...], keys: tuple[str, ...], where: str) -> list[Setting]:
    """Which settings have this key? All of a list; of one key the last, as a shell and most readers take it."""
    for key in keys:
        for same in (str, str.lower):
            found = {one.path: one for one in settings if _is(same(one.path), same(key))}
            if key in found:
                return [found[key]]
            heads = {one.path.rpartition(".")[0] if one.path.rpartition(".")[2].isdigit() else one.path
                     for one in found.values()}  # fmt: skip
            if len(heads) > 1 and len({(one.scheme, one.places) for one in found.values()}) > 1:
                raise CouldNotLook(f"{where}: stands at {', '.join(sorted(heads))}; name it with what it stands in")
            if found:
                return list(found.values())
    return []


def _is(path: str, key: str) -> bool:
    head, _, last = path.rpartition(".")
    return any(one == key or one.endswith(f".{key}") for one in (path, head if last.isdigit() else path))


def _place(scheme: str, text: str, lines: tuple[str, ...]) -> Place:
    scheme = scheme.removeprefix("jdbc:").partition("+")[0]
    if (number := whole(text)) is not None:
        return Place(scheme=scheme, host="", port=number, lines=lines)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    return Place(scheme=scheme, host=host.strip("[]"), port=whole(port), lines=lines)


def _with(place: Place, port: Place | None) -> Place:
    if port is None or place.port is not None:
        return place
    return Place(scheme=place.scheme, host=place.host, port=port.port, lines=(*place.lines, *port.lines))


def _departs(place: Place, item: ConfiguredItem, evidence: Evidence, found: Configured) -> Variant | None:
    """In which way is it another destination than the declared one? None where it is the same."""
    if place.host and not _same_host(place.host, item, evidence, found):
        return _other_host(place.host, item, evidence, found)
    port = place.port if place.port is not None else default_port(place.scheme)
    web = {"http", "https"}
    if item.scheme in web and place.scheme in web and place.scheme != item.scheme:
        return "wrong-scheme-port"
    if port is None or port == item.port:
        return None
    return "wrong-port" if place.port is not None else "wrong-scheme-port"


def _same_host(name: str, item: ConfiguredItem, evidence: Evidence, found: Configured) -> bool:
    if _plain(name) == _plain(item.destination):
        return True
    given = _given(name, item, found)
    right = _right(item, evidence)
    if not right:
        raise CouldNotLook(f"{item.host}: which addresses {item.destination} has is not known, to compare with {name}")
    if not given:
        _resolver_answers(name, item, evidence)
    return bool(given & right)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _given(name: str, item: ConfiguredItem, found: Configured) -> set[Address]:
    if is_literal(name):
        return {plain(ipaddress.ip_address(name))}
    answers = found.addresses.get(name)
    if answers is None:
        raise CouldNotLook(f"{item.host}: getent ahosts {name}: no answer in time")
    return set(map(plain, answers))


def _resolver_answers(name: str, item: ConfiguredItem, evidence: Evidence) -> None:
    """A name without an address is another than the declared one only where the declared one has some there."""
    if is_literal(item.destination):
        if resolution.alive(evidence[item.host], ANY_NAME):
            return
        raise CouldNotLook(f"{item.host}: {name} has no address there, and no nameserver answers")
    if not evidence[item.host].resolved(item.destination).addresses:
        raise CouldNotLook(f"{item.host}: neither {name} nor {item.destination} has an address there")


def _right(item: ConfiguredItem, evidence: Evidence) -> set[Address]:
    """Which addresses are the declared destination's? What the inventory and the server say; else the resolver."""
    right = {plain(ipaddress.ip_address(one)) for one in item.known}
    here = item.server == item.host
    if item.server:
        own = looked(lambda: evidence[str(item.server)].addresses)
        if not isinstance(own, Missing):
            right |= {each.address for each in own if here or each.scope == "global"}
    if not right and not is_literal(item.destination):
        right |= set(evidence[item.host].resolved(item.destination).addresses)
    return right


def _other_host(name: str, item: ConfiguredItem, evidence: Evidence, found: Configured) -> Variant:
    given = _given(name, item, found)
    if is_self(name) or (given and all(one.is_loopback for one in given)):
        own = {each.address for each in evidence[item.host].addresses}
        if item.server == item.host or _right(item, evidence) & own:
            return _of_localhost(given, item)
        return "localhost-left-over"
    return "old-address" if is_literal(name) else "wrong-host"


def _of_localhost(given: Iterable[Address], item: ConfiguredItem) -> Variant:
    """The machine itself is right, and its name leads to an address that is not: ::1 where 127.0.0.1 is declared."""
    v4 = is_literal(item.destination) and ipaddress.ip_address(item.destination).version == V4
    return "localhost-is-ipv6" if v4 and not any(one.version == V4 for one in given) else "wrong-host"
