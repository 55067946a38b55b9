"""How are thousands of declared items run without pytest's price for each? One item of pytest a host and check.

Such a bundle stands for what is declared of one host and one check. While pytest selects (by node id, -k, -m, --lf,
--deselect) every declared item is still an item of its own, under the id that it always has; those that are left are
tied together when the selection has ended. A bundle reports each of them by itself, under its id and with its outcome.
"""

from __future__ import annotations

from inspect import signature
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import pytest

from whyrefused.judge import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whyrefused.plan.items import Item

MANY = 200
"""Above so many declared items a run is bundled by itself (docs/performance.md, "Growth")."""
PLAIN = ({"declared"}, {"declared", "seen"})
SUPPLIED = {"declared", "seen", "pytestconfig", "request"}
"""The fixtures of a check that pytest need not set up."""
MODES = ("auto", "each", "host")
FOLLOWING = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
)
"""The hooks that pytest calls for an item which it runs itself, and for none that a bundle stands for."""


def wanted(config: pytest.Config, items: int) -> bool:
    """Is a run of so many declared items bundled?

    Where every item must be run by pytest itself it never is: for a debugger, to show fixtures, and with pytest-xdist,
    whose workers report no more items than they were given.
    """
    mode = config.getoption("items") or config.getini("whyrefused_items")
    if mode not in MODES:
        raise pytest.UsageError(f"whyrefused_items: {mode!r} is none of {', '.join(MODES)}")
    option = config.option
    alone = any(getattr(option, name, False) for name in ("usepdb", "trace", "setupshow", "setuponly", "setupplan"))
    if alone or hasattr(config, "workerinput") or getattr(option, "dist", "no") != "no":
        return False
    return mode == "host" or (mode == "auto" and items > MANY and not _followed(config))


def _followed(config: pytest.Config) -> bool:
    """Does a `conftest.py`, or a plugin that this run names, follow each item?

    What is installed, such as pytest-html, is made for tests of any kind and misses nothing here.
    """
    installed = {_package(plugin) for plugin, _ in config.pluginmanager.list_plugin_distinfo()}
    known = {"_pytest", "whyrefused", *installed}
    implementations = (one for name in FOLLOWING for one in getattr(config.hook, name).get_hookimpls())
    return any(_package(one.plugin) not in known for one in implementations)


def _package(plugin: object) -> str:
    """Whose is a plugin, which may be a module or an object?"""
    return str(getattr(plugin, "__name__", type(plugin).__module__)).partition(".")[0]


def plain(collector: pytest.Collector, test: Any) -> bool:  # noqa: ANN401 - whatever a module holds
    """Is that a check which we can run without pytest: no other fixtures, autouse or not, no marks, in no class?"""
    return (
        isinstance(collector, pytest.Module)
        and set(signature(test).parameters) in PLAIN
        and not hasattr(test, "pytestmark")
        and not hasattr(collector.obj, "pytestmark")
        and set(pytest.Function.from_parent(collector, name=test.__name__, callobj=test).fixturenames) <= SUPPLIED
    )


class DeclaredItem(pytest.Item):
    """One declared item for as long as pytest selects."""

    fixturenames = ("declared", "seen")
    test: Any
    declared: Item

    def runtest(self) -> None:
        """Its bundle runs it."""
        raise NotImplementedError

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where does it stand? At the test of its check."""
        return self.path, self.test.__code__.co_firstlineno - 1, self.name


class HostCheck(pytest.Item):
    """All selected items of one host and one check."""

    fixturenames = ("declared", "seen")
    test: Any
    questions: Sequence[Question]

    def runtest(self) -> None:
        """The plugin reports what was judged (`wiring.run_bundle`)."""
        raise NotImplementedError

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where does it stand? At the test of its check."""
        return self.path, self.test.__code__.co_firstlineno - 1, self.name


def collected(
    collector: pytest.Collector,
    test: Any,  # noqa: ANN401 - a function of any kind
    parameters: Iterable[Any],  # pytest's ParameterSet
) -> list[DeclaredItem]:
    """Which items does this check have? Light ones, with the ids and marks that pytest would give its own."""
    made = []
    for parameter in parameters:
        name = f"{test.__name__}[{parameter.id}]"
        node = DeclaredItem.from_parent(collector, name=name, nodeid=f"{collector.nodeid}::{name}")
        node.test, (node.declared,) = test, parameter.values
        node.own_markers.extend(decorator.mark for decorator in parameter.marks)
        node.keywords.update((mark.name, mark) for mark in node.own_markers)
        made.append(node)
    return made


def bundled(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """The same items in the same order, light ones that stand together as one for each host and check."""
    for key, group in groupby(items, key=_of):
        if key is None:
            yield from group
        else:
            yield _bundle([one for one in group if isinstance(one, DeclaredItem)])


def _of(item: pytest.Item) -> tuple[int, Any, str] | None:
    return (id(item.parent), item.test, item.declared.host) if isinstance(item, DeclaredItem) else None


def _bundle(nodes: list[DeclaredItem]) -> HostCheck:
    first = nodes[0]
    parent, test = cast("pytest.Collector", first.parent), first.test
    name = f"{test.__name__}[{first.declared.host.encode('ascii', 'backslashreplace').decode().replace('::', '..')}]"
    node = HostCheck.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
    node.test = test
    node.own_markers.extend(first.own_markers)
    node.keywords.update((mark.name, mark) for mark in node.own_markers)
    look = getattr(getattr(parent, "obj", None), "look", None)
    node.questions = tuple(Question(id=one.nodeid, item=one.declared, look=look, test=test) for one in nodes)
    for one in nodes:
        del one.keywords  # it refers back to its node: without it nothing waits for the garbage collector
    return node
