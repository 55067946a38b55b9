"""The table of keys and the JSON Schema for editors, made by `python -m whyrefused.inventory.manual`.

Both are made from the grammar, `expect.py`; nothing here says what a key means.
"""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from whyrefused.inventory import expect as grammar
from whyrefused.inventory.merge import LISTS, SHORT
from whyrefused.inventory.shape import Part
from whyrefused.inventory.validate import GRAMMAR, models, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field

TABLE = "docs/expect.md"
SCHEMA = "src/whyrefused/inventory/expect.schema.json"
HERE = Path(__file__)

Document = dict[str, Any]

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "Expect": {
        "services": "services: {nginx: running}",
        "ports": "ports: {443/tcp: {service: nginx}}",
        "resolves": "resolves: {db.example.com: [198.51.100.21]}",
        "authoritative": "authoritative: {example.com: [198.51.100.53]}",
        "connects": 'connects: ["db.example.com:5432"]',
        "proxy": "proxy: none",
        "browses": 'browses: ["https://web1/"]',
        "headroom": "headroom: {backlog: 20%, files: 20%}",
        "forwards": 'forwards: {8443/tcp: "web1:443"}',
        "wide": "wide: consistent",
    },
    "Service": {"state": "state: stopped", "enabled": "enabled: true"},
    "Port": {
        "state": "state: absent",
        "bind": "bind: 127.0.0.1",
        "service": "service: nginx",
        "allow": "allow: [any]",
        "deny": "deny: [198.51.100.64/26]",
        "clients": "clients: [app, localhost]",
    },
    "Connect": {
        "to": "to: db.example.com:5432",
        "server": "server: db1",
        "as": "as: unit:app.service",
        "configured_in": "configured_in: /etc/app/app.env#DATABASE_URL",
        "proxy": "proxy: none",
    },
    "Browse": {"url": "url: https://web1/", "as": "as: user:kiosk", "profile": "profile: /home/kiosk/profile"},
    "ProxySettings": {
        "http": "http: http://proxy.example.com:3128",
        "https": "https: http://proxy.example.com:3128",
        "ftp": "ftp: none",
        "all": "all: none",
        "no_proxy": "no_proxy: [.example.com]",
    },
}
"""One line of YAML for each key; a test reads every one with the grammar."""

TITLES = {
    "Expect": "`expect`",
    "Service": "A service: `expect.services.UNIT`",
    "Port": "A port: `expect.ports.PORT/tcp`",
    "Connect": "A connection: an entry of `expect.connects`",
    "Browse": "A page: an entry of `expect.browses`",
    "ProxySettings": "A proxy: `expect.proxy` and `expect.connects[].proxy`",
}

INTRODUCTION = """\
<!-- Made by `python -m whyrefused.inventory.manual` from src/whyrefused/inventory/expect.py; edit there. -->

# What can be expected of a host

Everything that must be true stands in one variable of your Ansible inventory, `expect`. It may stand at any level:

```yaml
all:
  vars:
    expect: {proxy: none}               # every host
  children:
    web:
      hosts:
        web1: {ansible_host: 198.51.100.11}
        web2:
          ansible_host: 198.51.100.12
          expect:                       # one host
            ports: {443/tcp: {bind: 198.51.100.12}}
      vars:
        expect:                         # every host of a group
          services: {nginx: running}
          ports: {443/tcp: {service: nginx, allow: [any], clients: [localhost]}}
```

**Expectations add up.** `web2` must satisfy all three: no proxy, nginx running, and port 443 owned by nginx, here on
one address. Maps unite, key by key; on the same key the more specific level wins. Two groups of one depth go by
`ansible_group_priority`, then by name. Entries of `connects` and `browses` add up too; an entry with the same `to` or
`url` replaces the whole entry of the more general level. Other lists (`allow`, `deny`, `clients`, addresses) and
`proxy: none` stand or fall as a whole. Of *one* level Ansible hands on a single `expect`, so a group that has one in
the inventory file and another in `group_vars` is an error.

**Values may be templates** of the host's variables: `bind: "{{ ansible_host }}"`. A value that is one expression keeps
its type. Filters that reshape data work (`default`, `join`, `map('extract', hostvars, 'ansible_host')`, …); lookups,
loops and everything that could run something do not, because the variables of a dynamic inventory are other people's
input. Keys are not templates. Vaulted files and inline `!vault` values are opened with the passwords that Ansible would
have: `--vault-id`, `--vault-password-file`, or those of its own settings.

**What is wrong stops the run** before the first connection, with exit status 4: an unknown key, an impossible value,
a host or group that does not exist, a key that stands twice. All of it is listed at once, each with file, line and key.

**Your editor can help**: put this on the first line of an inventory or of a `group_vars` file, with the path that
`python -m whyrefused.inventory.manual --where` prints:

```yaml
# yaml-language-server: $schema=PATH/expect.schema.json
```
"""


def table() -> str:
    """What does the manual say of every key of `expect`?"""
    sections = [INTRODUCTION]
    for part in parts():
        sections.append(f"\n## {TITLES[part.__name__]}\n\n{_prose(part)}\n")
        rows = ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
        rows += [_row(part, key, field) for key, field in written(part).items()]
        sections.append("\n".join(rows) + "\n")
    return "\n".join(sections)


def parts() -> tuple[type[Part], ...]:
    """Which parts has the grammar, the outermost first?"""
    found: dict[type[Part], None] = {}
    pending: list[type[Part]] = [grammar.Expect]
    while pending:
        part = pending.pop(0)
        if part not in found:
            found[part] = None
            pending += [inner for hint in _hints(part).values() for inner in models(hint)]
    return tuple(found)


def _hints(part: type[Part]) -> dict[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {key: hints[field.name] for key, field in written(part).items()}


def _prose(part: type[Part]) -> str:
    return " ".join((part.__doc__ or "").split())


def _row(part: type[Part], key: str, field: Field[Any]) -> str:
    cells = (
        f"`{key}`",
        _words(_hints(part)[key], SHORT.get(key) if part is grammar.Expect else None),
        _default(field),
        field.metadata["description"],
        f"`{EXAMPLES[part.__name__][key]}`",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "required" if field.default_factory is MISSING else ""
    return f"`{field.default}`" if isinstance(field.default, str) else ""


NAMED: tuple[tuple[object, str], ...] = (
    (grammar.PortKey, "PORT/tcp or PORT/udp"),
    (grammar.Unit, "unit"),
    (grammar.Destination, "HOST:PORT or URL"),
    (grammar.Sources, "list, or one word"),
    (grammar.Clients, "list, or one word"),
)


def _words(hint: Any, short: str | None = None) -> str:  # noqa: ANN401 - any annotation
    """What may stand here, in words?"""
    known = next((words for named, words in NAMED if hint == named), None)
    if known:
        return known
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        listed = not {grammar.Listed, grammar.Named}.isdisjoint(hint.__metadata__)
        return "list, or one word" if listed else _words(arguments[0], short)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is dict:
        key, value = (_words(argument) for argument in arguments)
        return f"map of {key} to {_or_short(value, short)}"
    if origin is tuple:
        return f"list of {_or_short(_words(arguments[0]), short)}"
    if type(None) in arguments or origin is Union or arguments:
        return " or ".join(dict.fromkeys(_words(argument) for argument in arguments if argument is not type(None)))
    if isinstance(hint, type) and issubclass(hint, Part):
        return "map"
    return {bool: "true or false", str: "text"}.get(hint, str(hint))


def _or_short(words: str, short: str | None) -> str:
    return f"{words}, or its `{short}` alone" if short else words


def schema() -> Document:
    """Which JSON Schema lets an editor check `expect` wherever it may stand in an inventory?"""
    made = GRAMMAR.json_schema(by_alias=True, ref_template="#/$defs/{model}")
    parts_ = {**made.pop("$defs"), "Expect": made}
    about = {part.__name__: {"description": _prose(part)} for part in parts()}
    definitions = {name: _loosened(name, {**part, **about[name]}) for name, part in parts_.items()}
    variables: Document = {"properties": {"expect": {"$ref": "#/$defs/Expect"}}}
    definitions["Variables"] = variables
    definitions["Hosts"] = {"additionalProperties": {"$ref": "#/$defs/Variables"}}
    definitions["Group"] = {
        "properties": {
            "vars": {"$ref": "#/$defs/Variables"},
            "hosts": {"$ref": "#/$defs/Hosts"},
            "children": {"additionalProperties": {"$ref": "#/$defs/Group"}},
        }
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An Ansible inventory, or a file of group_vars or host_vars, with `expect`",
        "properties": {"expect": {"$ref": "#/$defs/Expect"}},
        "additionalProperties": {"$ref": "#/$defs/Group"},
        "$defs": definitions,
    }


TEMPLATE: Document = {"type": "string", "pattern": r"\{\{|\{%"}
"""What Ansible takes for a template may stand for any value."""


def _loosened(name: str, part: Document) -> Document:
    """How is this part of the grammar written by people: short forms, one word for a list of one, templates?"""
    properties = {key: _property(name, key, inner) for key, inner in part.get("properties", {}).items()}
    return _anything({**part, "properties": properties})


def _property(name: str, key: str, inner: Document) -> Document:
    about: Document = {word: inner[word] for word in ("description", "default") if word in inner}
    bare = {word: value for word, value in inner.items() if word not in {"description", "default", "title"}}
    if name == "Expect" and key in SHORT:
        bare = _with_short(key, bare)
    return {**about, **_anything(_one_for_list(bare) if key not in LISTS else bare)}


def _with_short(key: str, inner: Document) -> Document:
    """A word alone stands for the map with only this key."""
    place = "items" if key in LISTS else "additionalProperties"
    reference = inner[place]["$ref"]
    word = {"$ref": f"{reference}/anyOf/0/properties/{SHORT[key]}"}
    result = {**inner, place: {"anyOf": [inner[place], word]}}
    return _with_key_pattern(key, result)


def _with_key_pattern(key: str, inner: Document) -> Document:
    """Which keys may this map have? An editor is told for ports, where a typo is likely."""
    # YAML 1.2 editors see the key 443 as a number's text, so the protocol may be missing here as in the grammar.
    return {**inner, "propertyNames": {"pattern": rf"^{grammar.PORT.pattern}$"}} if key == "ports" else inner


def _one_for_list(inner: Document) -> Document:
    """A word alone stands for the list of one, wherever the grammar says so."""
    if inner.get("type") == "array":
        return {"anyOf": [inner, inner["items"]]}
    if inner.get("type") == "object" and inner.get("additionalProperties", {}).get("type") == "array":
        return {**inner, "additionalProperties": _anything(_one_for_list(inner["additionalProperties"]))}
    if "anyOf" in inner:
        return {**inner, "anyOf": [form for choice in inner["anyOf"] for form in _forms(choice)]}
    return inner


def _forms(choice: Document) -> Iterator[Document]:
    yield choice
    if choice.get("type") == "array":
        yield choice["items"]


def _anything(inner: Document) -> Document:
    return {"anyOf": [inner, TEMPLATE]}


def outputs() -> Mapping[str, str]:
    """Which files are made here, and what must stand in each?"""
    return {TABLE: table(), SCHEMA: json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"}


def main(arguments: list[str]) -> int:
    """Write both files, in the repository that this module stands in."""
    if arguments == ["--where"]:
        print(HERE.with_name("expect.schema.json"))  # noqa: T201 - what was asked for
        return 0
    root = HERE.parents[3]
    for name, text in outputs().items():
        (root / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
