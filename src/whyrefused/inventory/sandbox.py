"""What may a template of an inventory do? Look values up and reshape them; run nothing, and end soon.

Dynamic inventories carry other people's input (the tags of a cloud), so a template is checked before it is compiled:
only expressions and `{% if %}`, only the filters and methods named here, no call of a name, nothing that can grow
faster than its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing, pass_environment

from whyrefused.inventory.flaws import inert, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2 import Environment, Template

LONGEST_TEMPLATE = 4096
LONGEST_TEXT = 16384
MOST_VALUES = 10_000
DEEPEST = 40
WIDEST = 64

RESULT = "result"
METHODS: dict[type, set[str]] = {
    str: {"split", "rsplit", "strip", "lstrip", "rstrip", "lower", "upper", "startswith", "endswith"},
    dict: {"get", "items", "keys", "values"},
}
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Call, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv,
    nodes.Mod, nodes.Neg, nodes.Pos, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair,
)  # fmt: skip
WORDS = {nodes.For: "{% for %}", nodes.Pow: "**", nodes.Assign: "{% set %}", nodes.Include: "{% include %}",
         nodes.Import: "{% import %}", nodes.Macro: "{% macro %}"}  # fmt: skip


class Refused(TemplateError):  # noqa: N818 - says what became of the template
    """A template asks for more than it may."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with nothing in it but the inventory's own data."""

    intercepted_binops = frozenset({"*", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - Jinja's own types
        """What is a product? Of numbers only: a text times a number fills the memory, `%` formats without bound."""
        if not all(isinstance(side, (int, float)) for side in (left, right)):
            raise SecurityError(f"`{operator}` is for numbers")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - Jinja's own types
        """What is `obj.attribute`? The value under that key, or one of the methods named above."""
        if isinstance(obj, Undefined):
            # As in Ansible, `a.b.c | default(…)` works when `b` is not there.
            return obj
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if attribute in METHODS.get(type(obj), ()):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - Jinja's own types
        """What is `obj[argument]`? Only what is really in it; attributes are not reachable this way."""
        if isinstance(obj, Undefined):
            return obj
        try:
            return obj[argument]
        except (LookupError, TypeError, ValueError):
            return self.undefined(obj=obj, name=argument)


class Lookup(Context):
    """Names of a template are asked of the host, one by one, when they are needed."""

    def resolve_or_missing(self, key: str) -> Any:  # noqa: ANN401 - Jinja's own types
        """What is this name?"""
        return self.vars[key] if key in self.vars else self.parent["resolve"](key)


def _boolean(value: object) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in {"yes", "on", "1", "true"}


def _replace(text: str, old: str, new: str) -> str:
    text, old, new = str(text), str(old), str(new)
    if len(text) + text.count(old) * len(new) > LONGEST_TEXT:
        raise SecurityError("the text grows too long")
    return text.replace(old, new)


def _join(values: Any, separator: str = "") -> str:  # noqa: ANN401 - Jinja's own types
    words = [str(value) for value in values]
    if sum(map(len, words)) + len(words) * len(separator) > LONGEST_TEXT:
        raise SecurityError("the text grows too long")
    return separator.join(words)


@pass_environment
def _extract(environment: Environment, key: object, container: object, *path: object) -> Any:  # noqa: ANN401 - Jinja's own types
    for part in (key, *(path[0] if path and isinstance(path[0], list) else path)):
        container = environment.getitem(container, part)
    return container


OWN: dict[str, Callable[..., Any]] = {
    "bool": _boolean,
    "extract": _extract,
    "join": _join,
    "replace": _replace,
    "split": lambda text, *separator: str(text).split(*separator),
    "ternary": lambda test, yes, no=None: yes if test else no,
}
TAKEN = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "int", "items", "last", "length", "list", "lower",
    "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "string", "title", "trim",
    "unique", "upper",
)  # fmt: skip


def _sandbox() -> Sandbox:
    # Ansible keeps a last line feed; its own Jinja has no auto-escaping either: this is no HTML.
    sandbox = Sandbox(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0, autoescape=False)
    sandbox.globals.clear()
    sandbox.filters = {**{name: FILTERS[name] for name in TAKEN}, **OWN}
    sandbox.context_class = Lookup
    return sandbox


SANDBOX = _sandbox()


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template | str:
    """What runs when this text is rendered? Or why it may not, cached alike."""
    try:
        return SANDBOX.from_string(_native(_checked(text)))
    except TemplateError as error:
        return _explained(error)
    except (SyntaxError, RecursionError, ValueError, OverflowError, MemoryError):
        return "it is nested too deep"


def _native(template: nodes.Template) -> nodes.Template:
    """How does a text that is one expression keep its type? Its value is assigned instead of printed."""
    parts = [part for output in template.body if isinstance(output, nodes.Output) for part in output.nodes]
    if len(parts) != 1 or len(template.body) != 1 or isinstance(parts[0], nodes.TemplateData):
        return template
    body: list[nodes.Node] = [nodes.Assign(nodes.Name(RESULT, "store", lineno=1), parts[0], lineno=1)]
    return nodes.Template(body, lineno=1)


def _checked(text: str) -> nodes.Template:
    if len(text) > LONGEST_TEMPLATE:
        raise Refused(f"it is longer than {LONGEST_TEMPLATE} characters")
    template = SANDBOX.parse(text)
    layer: list[nodes.Node] = [template]
    for _ in range(DEEPEST):
        for node in layer:
            _permit(node)
        layer = [child for node in layer for child in node.iter_child_nodes()]
    if layer:
        raise Refused("it is nested too deep")
    return template


def _permit(node: nodes.Node) -> None:
    if isinstance(node, nodes.Call):
        _permit_call(node)
    elif isinstance(node, nodes.Filter) and node.name not in SANDBOX.filters:
        raise Refused(f"the filter `{inert(node.name)}` is not available here{nearest(node.name, SANDBOX.filters)}")
    elif isinstance(node, nodes.Test) and node.name not in SANDBOX.tests:
        raise Refused(f"the test `{inert(node.name)}` is not available here{nearest(node.name, SANDBOX.tests)}")
    elif isinstance(node, nodes.Name) and (node.name in {"self", "super", "caller", "loop"} or node.ctx != "load"):
        raise Refused(f"the name `{inert(node.name)}` has a meaning of its own in templates")
    elif not isinstance(node, ALLOWED):
        raise Refused(f"`{WORDS.get(type(node), type(node).__name__)}` is not available here")


def _permit_call(node: nodes.Call) -> None:
    if isinstance(node.node, nodes.Name):
        raise Refused(f"`{inert(node.node.name)}(…)` is not available here: templates of an inventory run nothing")
    known = set().union(*METHODS.values())
    if not (isinstance(node.node, nodes.Getattr) and node.node.attr in known) or node.dyn_args or node.dyn_kwargs:
        raise Refused(f"only these can be called: {', '.join(sorted(known))}")


def _explained(error: TemplateError) -> str:
    return inert((error.message or type(error).__name__).strip().rstrip("."))


def evaluate(text: str, resolve: Callable[[str], Any]) -> Any:  # noqa: ANN401 - whatever the variables hold
    """What does this template say, its names looked up by `resolve`? Raises Refused with the reason.

    `resolve` answers `jinja2.utils.missing` for a name that it does not know.
    """
    template = _compiled(text)
    if isinstance(template, str):
        raise Refused(template)
    context = template.new_context({"resolve": resolve})
    try:
        printed = "".join(template.root_render_func(context))
        return bounded(context.vars.get(RESULT, printed))
    except TemplateError as error:
        raise Refused(_explained(error)) from None
    # Filters and operators raise plain exceptions when they are given values that they do not fit.
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise Refused(inert(str(error))[:200] or type(error).__name__) from None


def bounded(value: Any) -> Any:  # noqa: ANN401 - whatever the variables hold
    """Is this value plain data of a sane size? Gives it back as dicts, lists and scalars; raises Refused."""
    return _plain(value, [MOST_VALUES], 0)


def _plain(value: Any, left: list[int], depth: int) -> Any:  # noqa: ANN401 - whatever the variables hold
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        raise Refused("it gives too large a value")
    if isinstance(value, Undefined):
        str(value)  # StrictUndefined raises its own reason
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise Refused("it gives too long a text")
    if isinstance(value, int) and value.bit_length() > WIDEST:
        raise Refused("it gives too large a number")
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key], left, depth + 1) for key in value}
    if isinstance(value, (list, tuple, Iterator, type({}.keys()), type({}.values()), type({}.items()))):
        values: Iterable[Any] = value
        return [_plain(inner, left, depth + 1) for inner in values]
    if value is not None and not isinstance(value, (str, int, float)):
        raise Refused("it does not give data")
    return value


__all__ = ["MOST_VALUES", "SANDBOX", "Refused", "bounded", "evaluate", "missing"]
