"""What does an Ansible inventory of lab hosts look like, with their real addresses?"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .host import Host


class Addresses(Template):
    """A text in which `$web1` is a host's IPv4 address, `${web1.2}` its second and `${web1.v6}` its first IPv6."""

    idpattern = r"(?-i:[a-z][a-z0-9]*)"
    braceidpattern = r"(?-i:[a-z][a-z0-9-]*(?:\.(?:v6|[0-9]+))?)"


def filled(text: str, hosts: Iterable[Host]) -> str:
    """What is the text with the hosts' addresses? An unknown host is a KeyError."""
    names: dict[str, str] = {}
    for host in hosts:
        names |= {host.name: host.address, f"{host.name}.v6": host.address6}
        names |= {f"{host.name}.{number}": address for number, address in enumerate(host.addresses, start=1)}
    return Addresses(text).substitute(names)


def rendered(content: str | Mapping[str, Any], hosts: Iterable[Host], user: str, config: Path | None) -> str:
    """What is the inventory as YAML? Every host of the lab that it names is given its address and the way to it.

    Without `config` it tells no way: what a story keeps.
    """
    kept = tuple(hosts)
    tree: dict[str, Any] = yaml.safe_load(filled(content, kept)) if isinstance(content, str) else dict(content)
    everything: dict[str, Any] = dict(tree.get("all") or {})
    named = set(_named(tree))
    entries: dict[str, Any] = dict(everything.get("hosts") or {})
    for host in kept:
        if host.name in named:
            entries[host.name] = {"ansible_host": host.address, **(entries.get(host.name) or {})}
    way = {"ansible_user": user, "ansible_ssh_common_args": f"-F {config}"} if config else {}
    variables = {**way, **(everything.get("vars") or {})}
    tree = {"all": {**everything, "vars": variables, "hosts": entries}, **{k: v for k, v in tree.items() if k != "all"}}
    return yaml.safe_dump(tree, sort_keys=False)


def _named(groups: Mapping[str, Any]) -> Iterable[str]:
    for group in groups.values():
        yield from (group or {}).get("hosts") or ()
        yield from _named((group or {}).get("children") or {})
