"""When is one item of pytest made for each host and check, and of which checks?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from whyrefused import bundles, publish

HOOKS = {name: SimpleNamespace(get_hookimpls=list) for name in bundles.FOLLOWING}
PLUGINS = SimpleNamespace(list_plugin_distinfo=list)


def config(items: str | None = None, ini: str = "auto", **more: object) -> Any:  # noqa: ANN401 - stands for pytest's
    """What a command line says."""
    worker = {"workerinput": {}} if more.pop("worker", False) else {}
    option = SimpleNamespace(**{"dist": "no", **more})
    hook = SimpleNamespace(**HOOKS)
    return SimpleNamespace(
        getoption=lambda _: items, getini=lambda _: ini, option=option, hook=hook, pluginmanager=PLUGINS, **worker
    )


@pytest.mark.parametrize(
    ("given", "items", "bundled"),
    [
        (config(), bundles.MANY, False),
        (config(), bundles.MANY + 1, True),
        (config("host"), 1, True),
        (config("each"), 10**6, False),
        (config(ini="host"), 1, True),
        (config("auto", ini="host"), 1, False),
        (config("host", usepdb=True), 1, False),
        (config("host", trace=True), 1, False),
        (config("host", setupshow=True), 1, False),
        (config("host", setupplan=True), 1, False),
        (config("host", dist="load"), 1, False),
        (config("host", worker=True), 1, False),
    ],
)
def test_wanted(given: Any, items: int, bundled: bool) -> None:  # noqa: ANN401, FBT001 - as above
    """By itself above two hundred declared items, else as asked; never where pytest must run each."""
    assert bundled == bundles.wanted(given, items)


def test_a_mode_that_is_none() -> None:
    """A mistake in the configuration is a usage error that names the key."""
    with pytest.raises(pytest.UsageError, match="whyrefused_items: 'hosts' is none of auto, each, host"):
        bundles.wanted(config(ini="hosts"), 1)


@pytest.mark.parametrize(
    ("wrong", "right", "bundled", "style"),
    [
        (500, 0, False, "auto"),
        (501, 0, False, "line"),
        (501, 0, True, "line"),
        (500, 9_500, False, "auto"),
        (500, 9_501, False, "line"),
        (100, 60_000, False, "line"),
        (100, 60_000, True, "auto"),
    ],
)
def test_brief(wrong: int, right: int, bundled: bool, style: str) -> None:  # noqa: FBT001 - as above
    """Where pytest's own section of failures would take longer than the run, it is a line each."""
    state: Any = SimpleNamespace(config=config(tbstyle="auto"), bundled=bundled)
    run: Any = SimpleNamespace(
        results=[SimpleNamespace(outcome="failed")] * wrong + [SimpleNamespace(outcome="passed")] * right
    )
    publish._be_brief(state, run)  # noqa: SLF001 - what it decides is seen nowhere else in seconds
    assert style == state.config.option.tbstyle
