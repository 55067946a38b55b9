"""What do the `{{ templates }}` of a host say? Ansible's command prints them as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jinja2.utils import missing

from whyrefused.inventory.flaws import Flaw, shown
from whyrefused.inventory.levels import LITERAL, VAULTED, is_template
from whyrefused.inventory.sandbox import SANDBOX, Refused, bounded, evaluate

if TYPE_CHECKING:
    from whyrefused.inventory.flaws import Path
    from whyrefused.inventory.levels import Tree

DEEPEST = 20
"""How many variables may name one another in a row."""

VAULT_WORDS = "is vaulted inline, and none of the passwords opens it: give --vault-id or --vault-password-file"


class Broken:
    """Stands where a template could not be rendered, so that nothing else is said of that place."""

    def __repr__(self) -> str:
        return "Broken()"


BROKEN = Broken()


def is_static(value: object) -> bool:
    """Is this value the same for every host: no template in it and none of Ansible's marks?"""
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str) and is_template(found):
            return False
        if isinstance(found, dict):
            if LITERAL in found or VAULTED in found:
                return False
            pending.extend(found.values())
            pending.extend(found.keys())
        elif isinstance(found, list):
            pending.extend(found)
    return True


class Fleet:
    """The variables of every host, merged as Ansible merges them."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.depth = 0
        self._shared: dict[tuple[str, ...], dict[str, Any]] = {}
        self._views: dict[str, View] = {}
        self.groups = {name: list(members) for name, members in tree.members.items()}

    def raw(self, host: str) -> dict[str, Any]:
        """Which variables has this host, the more specific level over the other?"""
        lineage = self.tree.lineage[host]
        if lineage not in self._shared:
            shared: dict[str, Any] = {}
            for name in lineage:
                shared.update(self.tree.groups[name].variables)
            self._shared[lineage] = shared
        return {**self._shared[lineage], **self.tree.hosts[host].variables}

    def view(self, host: str) -> View:
        """What does this host's name space look like from a template?"""
        if host not in self._views:
            self._views[host] = View(self, host)
        return self._views[host]


class HostVars(Mapping[str, Any]):
    """`hostvars`: every host's variables, rendered when asked for."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def __getitem__(self, host: str) -> View:
        if host not in self._fleet.tree.hosts:
            raise KeyError(host)
        return self._fleet.view(host)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet.tree.hosts)

    def __len__(self) -> int:
        return len(self._fleet.tree.hosts)


class View(Mapping[str, Any]):
    """One host's variables, rendered when asked for, each at most once."""

    def __init__(self, fleet: Fleet, host: str) -> None:
        self._fleet = fleet
        self._raw = fleet.raw(host)
        self._done: dict[str, Any] = {}
        self._running: set[str] = set()
        self._magic = {
            "inventory_hostname": host,
            "inventory_hostname_short": host.split(".", maxsplit=1)[0],
            "group_names": sorted(set(fleet.tree.lineage[host]) - {"all"}),
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, name: object) -> bool:
        return name in self._raw or name in self._magic

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - whatever the variables hold
        value = self.resolve(name)
        if value is missing:
            raise KeyError(name)
        return value

    def written(self, name: str) -> Any:  # noqa: ANN401 - whatever the variables hold
        """What stands in the inventory under this name, as it is written?"""
        return self._raw.get(name)

    def resolve(self, name: str) -> Any:  # noqa: ANN401 - whatever the variables hold
        """What is this name worth on this host? `missing` if nobody says."""
        if name in self._magic:
            return self._magic[name]
        if name == "groups":
            return self._fleet.groups
        if name == "hostvars":
            return HostVars(self._fleet)
        if name not in self._raw:
            return missing
        if name not in self._done:
            self._done[name] = self._rendered(name)
        return self._done[name]

    def _rendered(self, name: str) -> Any:  # noqa: ANN401 - whatever the variables hold
        if name in self._running or self._fleet.depth > DEEPEST:
            return SANDBOX.undefined(f"{shown(name)} refers to itself, or through too many variables")
        self._running.add(name)
        self._fleet.depth += 1
        try:
            return self._lazily(bounded(self._raw[name]))
        except Refused as error:
            return SANDBOX.undefined(f"{shown(name)}: {error.message}")
        finally:
            self._fleet.depth -= 1
            self._running.discard(name)

    def _lazily(self, value: Any) -> Any:  # noqa: ANN401 - whatever the variables hold
        """What does this part of a variable say? A part that fails is undefined, and only its user sees that."""
        if isinstance(value, dict) and LITERAL not in value and VAULTED not in value:
            return {key: self._lazily(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._lazily(inner) for inner in value]
        try:
            return self.leaf(value)
        except Refused as error:
            return SANDBOX.undefined(error.message)

    def leaf(self, value: Any) -> Any:  # noqa: ANN401 - whatever the variables hold
        """What does one value say, rendered if it is a template? Raises Refused."""
        if isinstance(value, dict) and VAULTED in value:
            raise Refused(VAULT_WORDS)
        if isinstance(value, dict) and LITERAL in value:
            return value[LITERAL]
        if isinstance(value, str) and is_template(value):
            return evaluate(value, self.resolve)
        return value

    def render(self, value: Any, path: Path) -> tuple[Any, tuple[Flaw, ...]]:  # noqa: ANN401 - whatever the variables hold
        """What does this value say, however deep, and which of its templates cannot be rendered?"""
        flaws: list[Flaw] = []
        return self._tree(value, path, flaws), tuple(flaws)

    def _tree(self, value: Any, path: Path, flaws: list[Flaw]) -> Any:  # noqa: ANN401 - whatever the variables hold
        if isinstance(value, dict) and LITERAL not in value and VAULTED not in value:
            flaws.extend(
                Flaw(path=(*path, key), message=f"{shown(key)}: a key cannot be a template")
                for key in value
                if is_template(key)
            )
            return {key: self._tree(inner, (*path, key), flaws) for key, inner in value.items() if not is_template(key)}
        if isinstance(value, list):
            return [self._tree(inner, (*path, index), flaws) for index, inner in enumerate(value)]
        try:
            return self.leaf(value)
        except Refused as error:
            source = f"template {shown(value)}: " if isinstance(value, str) else ""
            flaws.append(Flaw(path=path, message=f"{source}{error.message}"))
            return BROKEN
