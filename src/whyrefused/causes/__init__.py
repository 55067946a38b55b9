"""One file per documented cause of a refused connection.

A cause is a module of this folder, found because it is there:

- its docstring is the paragraph in the report and the entry in the manual; the first line is the title;
- `CODE` is its id, the file's name with dashes, and `SIDE` where it lies;
- `HIDDEN_BY` names the causes that keep a packet from ever meeting this one: where one of them is proven too, it is
  what the client saw, and this one is what it would see next;
- `VARIANTS` says what each variant means that a proven `Ruling` may have;
- `rule(case, evidence) -> Ruling` answers `proven`, `excluded` or `unknown` for one failure, with the host's own line.

Causes do not import each other.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whyrefused.case import Case
    from whyrefused.evidence import Evidence
    from whyrefused.records import Ruling

ORDER = (
    "service-not-running", "wrong-port", "wrong-bind-address", "server-firewall", "overload", "nat-misconfiguration",
    "wrong-destination", "dns", "client-firewall", "proxy", "browser",
)  # fmt: skip
"""The order of spec.md, in which tables and the differential list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One documented cause, as its module says it."""

    code: str
    side: Literal["server", "client"]
    title: str
    text: str
    hidden_by: tuple[str, ...]
    variants: Mapping[str, str]  # slug -> what it means
    rule: Callable[[Case, Evidence], Ruling]


@cache
def registry() -> Mapping[str, Cause]:
    """Which causes are there? By id, in the order of the documentation."""
    names = [found.name for found in pkgutil.iter_modules(__path__)]
    causes = [_read(importlib.import_module(f"{__name__}.{name}")) for name in names]
    return {cause.code: cause for cause in sorted(causes, key=lambda cause: ORDER.index(cause.code))}


def _read(module: object) -> Cause:
    title, _, text = inspect.cleandoc(str(module.__doc__)).partition("\n")
    values = vars(module)
    return Cause(
        code=values["CODE"], side=values["SIDE"], title=title.rstrip("."), text=text.strip(),
        hidden_by=values["HIDDEN_BY"], variants=values["VARIANTS"], rule=values["rule"],
    )  # fmt: skip
