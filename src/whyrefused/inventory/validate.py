"""Is what a host must satisfy possible? The grammar's errors in our own words, each with what would be right."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from whyrefused.inventory.expect import PROXY_FORMS, Expect, destination
from whyrefused.inventory.flaws import Flaw, attempt, kind, misplaced, nearest, shown, veiled
from whyrefused.inventory.levels import is_network
from whyrefused.inventory.merge import SHORT
from whyrefused.inventory.shape import Part
from whyrefused.inventory.templates import BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic_core import ErrorDetails

    from whyrefused.inventory.flaws import Path

GRAMMAR = TypeAdapter(Expect)
LOCALHOST = "localhost"
SOURCES = "; right are `any`, addresses, CIDRs, hosts and groups"
CLIENTS = "; right are hosts and groups, and `all` for every host"
BOOLEANS = ["true", "false", "yes", "no", "on", "off", "maybe", "auto", "always", "never"]
STATES = {
    "running": ("active", "alive", "online", "present", "reloaded", "restarted", "started", "up"),
    "stopped": ("dead", "down", "exited", "halted", "inactive", "masked", "off"),
    "listening": ("listen", "open", "opened", "present", "running", "started", "up"),
    "absent": ("closed", "missing", "none", "removed", "shut", "uninstalled"),
}
"""What else is written for a state, where that is one of the right words."""
KEY = "[key]"
"""How pydantic marks that a map's key, not its value, is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Whom an expectation may name."""

    hosts: frozenset[str]  # and `localhost`
    parties: frozenset[str]  # hosts and groups
    sources: frozenset[str]  # these and `any`
    dialled: frozenset[str]  # the addresses of hosts: a forward may lead to one


def names(hosts: Iterable[str], groups: Iterable[str], dialled: Iterable[str]) -> Names:
    """Whom may the expectations of an inventory with these hosts and groups name?"""
    servers = frozenset((*hosts, LOCALHOST))
    parties = servers.union(groups)
    return Names(hosts=servers, parties=parties, sources=parties | {"any"}, dialled=frozenset(dialled))


def judged(merged: Mapping[str, Any], known: Names) -> tuple[Expect | None, tuple[Flaw, ...]]:
    """What does this map declare, and what in it cannot be, in its form or in the names it uses?"""
    expect, flaws, sound = expectation(merged)
    return expect, (*flaws, *(unknown_names(sound, known) if sound else ()))


def expectation(merged: Mapping[str, Any]) -> tuple[Expect | None, tuple[Flaw, ...], Expect | None]:
    """What does this map declare, what in it cannot be, and what is left without that? Paths begin within `expect`."""
    expect, errors = _validated(merged)
    if expect is not None:
        return expect, (), expect
    found = {_flaw(error, merged) for error in errors if error["input"] is not BROKEN}
    flaws = sorted((flaw for flaw in found if flaw), key=lambda flaw: (list(map(str, flaw.path)), flaw.message))
    sound = dict(merged)
    for error in errors:
        _prune(sound, _place(error["loc"], merged)[0])
    return None, tuple(flaws), _validated(sound)[0]


def _validated(merged: Mapping[str, Any]) -> tuple[Expect | None, list[ErrorDetails]]:
    try:
        return GRAMMAR.validate_python(merged), []
    except ValidationError as failed:
        return None, failed.errors(include_url=False)


def _prune(merged: dict[str, Any], path: Path) -> None:
    """Take the wrong part out: its key, or the whole list that it is in, so that the places of a list stay true."""
    for depth, part in enumerate(path):
        last = depth + 1 == len(path) or isinstance(path[depth + 1], int)
        if part not in merged or last or not isinstance(merged[str(part)], Mapping):
            merged.pop(str(part), None)
            return
        merged[str(part)] = dict(merged[str(part)])
        merged = merged[str(part)]


def _flaw(error: ErrorDetails, merged: Mapping[str, Any]) -> Flaw | None:
    path, tags, written = _place(error["loc"], merged)
    if _other_branch(error, tags, written):
        return None
    message = _message(error, path, of_key=KEY in tags)
    if KEY in tags:
        return Flaw(path=path, message=message)  # the key is in the path too
    words = _expected(error)
    known = BOOLEANS if error["type"].startswith("bool") else [*words, *_others(words)]
    return Flaw(path=path, message=veiled(message, error["input"], known))


def _place(location: tuple[str | int, ...], merged: Mapping[str, Any]) -> tuple[Path, tuple[str, ...], object]:
    """Where in what was written is this, which parts of the location are pydantic's own tags, and on what value?"""
    here: object = merged
    tagged: object = None
    path: list[str | int] = []
    tags: list[str] = []
    for part in location:
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, (list, tuple)) and part in range(len(here))
        ):
            path.append(part)
            here = here[part]  # type: ignore[index]
        elif isinstance(here, Mapping) and part in keys(_model(tuple(path))):
            path.append(part)  # a key that is missing
        else:
            # A branch of a union, the mark of a key, or the place in a list of one.
            tags.append(str(part))
            tagged = here
    return tuple(path), tuple(tags), tagged


def _other_branch(error: ErrorDetails, tags: tuple[str, ...], written: object) -> bool:
    """Is this said of a form that was not written: of the word where a map stands, of the map where a word does?"""
    if any(tag.startswith("literal[") for tag in tags):
        return isinstance(written, Mapping)
    return error["type"] == "dataclass_type" and any(tag.endswith("Settings") for tag in tags)


def _message(error: ErrorDetails, path: Path, *, of_key: bool) -> str:
    sort, value, context = error["type"], error["input"], error.get("ctx", {})
    name = path[-1] if path else ""
    if sort == "unexpected_keyword_argument":
        siblings = keys(_model(path[:-1]))
        return f"unknown key {shown(name)}{nearest(name, siblings) or '; known are ' + ', '.join(sorted(siblings))}"
    if sort == "missing":
        return f"the key {shown(name)} is missing"
    if sort == "literal_error":
        forms = f"; {PROXY_FORMS}" if name == "proxy" and not attempt(value, ["none"]) else ""
        return f"{_not_one_of(value, _expected(error), of_key=of_key)}{forms}"
    if sort == "value_error":
        return f"{context.get('error', error['msg'])}{_network(value)}"
    if sort == "string_pattern_mismatch":
        return f"{shown(value)} does not fit: {_description(path).partition('. ')[0].rstrip('.')}."
    return _wrong_kind(sort, value, _alone(path)) or f"{shown(value)}: {error['msg']}"


def _expected(error: ErrorDetails) -> list[str]:
    """Which words are right here, if it is one of a few?"""
    return re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))


def _others(known: Iterable[str]) -> dict[str, str]:
    """Which words are written for these, and for which?"""
    return {other: word for word in known for other in STATES.get(word, ()) if other not in known}


def _alone(path: Path) -> str:
    """Which key may stand alone here instead of a map?"""
    return SHORT.get(str(path[0]), "") if len(path) == 2 else ""  # noqa: PLR2004 - the map or list, and what is in it


def _network(value: object) -> str:
    """Which network was meant by an address with a prefix? A clause, or nothing."""
    if not (isinstance(value, str) and "/" in value and is_network(value)):
        return ""
    return f"; did you mean `{ipaddress.ip_network(value, strict=False)}`?"


def _not_one_of(value: object, known: list[str], *, of_key: bool) -> str:
    if isinstance(value, bool):
        return f"{_unquoted(value)}; right would be {_or(known)}"
    word = "unknown key " if of_key else ""
    rest = "; known are" if of_key else " is not"
    return f"{word}{shown(value)}{rest} {_or(known)}{nearest(value, known, _others(known))}"


def _or(words: Iterable[str]) -> str:
    *most, last = [f"`{word}`" for word in words]
    return f"{', '.join(most)} or {last}" if most else last


def _unquoted(value: object) -> str:
    if isinstance(value, bool):
        return f"{shown(value)} is no text: YAML reads an unquoted yes, no, on or off so; quote it"
    if isinstance(value, (int, float)):
        return f"{shown(value)} is a number where text is wanted; quote it"
    return (
        f"a {kind(value)} stands where text is wanted" if value is not None else "nothing stands here; text is wanted"
    )


def _wrong_kind(sort: str, value: object, alone: str) -> str:
    if sort == "string_type":
        return _unquoted(value)
    if sort in {"dict_type", "dataclass_type", "mapping_type"}:
        hint = "; write {} for the defaults" if value is None else ""
        hint = "; YAML reads an unquoted yes, no, on or off so" if isinstance(value, bool) else hint
        what = f"its `{alone}` alone, or a map of keys," if alone else "a map of keys"
        return f"{what} is wanted, not {misplaced(value)}{hint}"
    if sort == "tuple_type":
        return f"a list is wanted, not {misplaced(value)}"
    if sort.startswith("bool"):
        return f"true or false is wanted, not {shown(value)}"
    return ""


def models(annotation: Any) -> Iterator[type[Part]]:  # noqa: ANN401 - any annotation
    """Which parts of the grammar can stand under this annotation?"""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]:
            yield from models(part)


def written(part: type[Part] | None) -> dict[str, Field[Any]]:
    """Which fields has this part of the grammar, by the keys that people write?"""
    return {field.metadata.get("alias", field.name): field for field in fields(part)} if part else {}


def keys(part: type[Part] | None) -> dict[str, str]:
    """Which keys does this part of the grammar know, as they are written, and what is each?"""
    return {key: field.metadata["description"] for key, field in written(part).items()}


def _model(path: Path) -> type[Part] | None:
    """Which part of the grammar stands at this path?"""
    model: type[Part] | None = Expect
    for part in path:
        if model is None:
            return None
        known = written(model)
        if part in known:
            found = next(models(get_type_hints(model, include_extras=True)[known[str(part)].name]), None)
            held, model = model, found
            if found is None and held is not Expect:
                return None
        # Else a key of a map or a place in a list: the same part of the grammar.
    return model


def _description(path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    return keys(_model(path[:-1])).get(names[-1], "") if names else ""


def unknown_names(expect: Expect, known: Names) -> Iterator[Flaw]:
    """Which names of hosts and groups in this expectation are not in the inventory?"""
    for key, port in expect.ports.items():
        yield from _strangers(("ports", key, "allow"), port.allow, known.sources)
        yield from _strangers(("ports", key, "deny"), port.deny, known.sources)
        yield from _strangers(("ports", key, "clients"), port.clients, known.parties, CLIENTS)
    for index, connect in enumerate(expect.connects):
        if connect.server is not None and connect.server not in known.hosts:
            yield Flaw(
                path=("connects", index, "server"),
                message=_nobody(connect.server, "host of the inventory", known.hosts),
            )
    for key, target in expect.forwards.items():
        name = destination(target)[1]
        # A name with a dot may be known to the resolver alone.
        if "." not in name and not is_network(name) and name not in known.hosts | known.dialled:
            yield Flaw(path=("forwards", key), message=_nobody(name, "host of the inventory", known.hosts))


def _strangers(path: Path, words: Iterable[str], known: frozenset[str], right: str = SOURCES) -> Iterator[Flaw]:
    for index, word in enumerate(words):
        address = is_network(word) and "any" in known
        if word not in known and not address:
            yield Flaw(path=(*path, index), message=_nobody(word, "host, and no group that has hosts,", known, right))


def mentions_localhost(expect: Expect) -> bool:
    """Does this expectation name the machine that runs pytest?"""
    return any(LOCALHOST in (*port.allow, *port.deny, *port.clients) for port in expect.ports.values()) or any(
        connect.server == LOCALHOST for connect in expect.connects
    )


def _nobody(word: str, what: str, known: Iterable[str], right: str = "") -> str:
    message = f"no {what} is called {shown(word)}{nearest(word, known) or right}"
    return message if attempt(word, known) else veiled(message, word)
