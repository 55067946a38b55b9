"""Which small changes of a module's text are there? Pure."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Is: "is not",
    ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
CALCULATED: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*", ast.BitOr: "&",
    ast.BitAnd: "|",
}  # fmt: skip
OTHERS = {"any": "all", "all": "any", "min": "max", "max": "min", "partition": "rpartition",
          "rpartition": "partition", "startswith": "endswith",
          "search": "match", "fullmatch": "match", "match": "search", "sub": "subn"}  # fmt: skip
ATOM = re.compile(r"\\x[0-9a-f]{2}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!<][=!]?|[(|)]|[^\\\[(|)]", re.DOTALL)
JOINED = re.compile(r"\"(?:\s|#[^\n]*\n)+[rb]*\"")
"""Between two parts of one text."""
QUANTIFIER = re.compile(r"[*+?]\??|\{\d+(?:,\d*)?\}\??")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change: where, from what, to what."""

    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """What is the module's text with it?"""
        return text[: self.start] + self.new + text[self.end :]


class _Text:
    """A module's text, and where its nodes stand in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = text.splitlines()

    def place(self, line: int, column: int) -> int:
        """Where is this, in characters? ast counts columns in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """From where to where does it stand?"""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.place(node.lineno, node.col_offset), self.place(node.end_lineno, node.end_col_offset)

    def mutant(self, node: ast.expr | ast.stmt, new: str) -> Mutant:
        """This node, with another text."""
        start, end = self.span(node)
        return Mutant(line=node.lineno, start=start, end=end, old=self.text[start:end], new=new)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Mutant | None:
        """The operator between two nodes, replaced."""
        start, end = self.span(left)[1], self.span(right)[0]
        at = self.text.find(old, start, end)
        if at < 0:
            return None
        return Mutant(line=left.lineno, start=at, end=at + len(old), old=old, new=new)


SYMBOLS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
           ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+", ast.Sub: "-", ast.Mult: "*",
           ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.BitOr: "|", ast.BitAnd: "&"}  # fmt: skip


def mutants(text: str, only: frozenset[str] = frozenset()) -> list[Mutant]:
    """Which mutants has this module, at its top level or within what stands there under one of these names?

    Annotations, docstrings, imports and what only a type checker reads are left alone: they decide nothing.
    """
    where = _Text(text)
    found = [
        mutant
        for statement in ast.parse(text).body
        if not only or _names(statement) & only
        for node in _deciding(statement)
        for mutant in _of(where, node)
    ]
    same = ast.dump(ast.parse(text))
    changes = {one for one in found if _differs(one.applied(text), same)}
    return sorted(changes, key=lambda one: (one.start, one.end, one.new))


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _differs(text: str, same: str) -> bool:
    """Is it Python, and another program?"""
    try:
        # A pattern of which a part is missing may hold what is no escape any more.
        with warnings.catch_warnings(action="ignore"):
            return ast.dump(ast.parse(text)) != same
    except SyntaxError:
        return False


def _deciding(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_text_alone(node) or _is_for_types(node):
        return
    yield node
    skipped: set[int] = set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        skipped |= {id(one) for one in (node.returns, *node.decorator_list) if one}
    if isinstance(node, ast.ClassDef):
        skipped |= {id(one) for one in node.decorator_list}
    if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation:
        skipped.add(id(node.annotation))
    for child in ast.iter_child_nodes(node):
        if id(child) not in skipped:
            yield from _deciding(child)


def _is_text_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_types(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    named = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in {
        "__slots__", "__all__"
    }  # fmt: skip
    return named or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript))


def _of(where: _Text, node: ast.AST) -> Iterable[Mutant]:
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(where, node)


def _compared(where: _Text, node: ast.Compare) -> Iterator[Mutant]:
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        one = where.between(left, right, SYMBOLS[type(operator)], COMPARED[type(operator)])
        if one:
            yield one
        left = right


def _joined(where: _Text, node: ast.BoolOp) -> Iterator[Mutant]:
    old, new = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
    for left, right in zip(node.values, node.values[1:], strict=False):
        one = where.between(left, right, old.strip(), new.strip())
        if one:
            yield one


def _constant(where: _Text, node: ast.Constant) -> Iterator[Mutant]:
    value = node.value
    start, end = where.span(node)
    written = where.text[start:end]
    if isinstance(value, bool):
        yield where.mutant(node, str(not value))
    elif isinstance(value, int):
        yield where.mutant(node, str(value + 1))
    elif isinstance(value, (str, bytes)) and value and written[:1] in "rbf\"'":
        if _is_pattern(written):
            yield from _patterns(node.lineno, start, written)
        else:
            empty = written[: written.index(written[-1])] + written[-1] * 2
            yield Mutant(line=node.lineno, start=start, end=end, old=written, new=empty)


def _is_pattern(written: str) -> bool:
    """Is it a regular expression? They are written raw, or hold what only they hold."""
    return written.startswith(("r", "br", "rb")) or bool(re.search(r"\\\\[xdsuU]|\(\?", written))


def _patterns(line: int, start: int, written: str) -> Iterator[Mutant]:
    """A pattern with one part left out, or repeated otherwise."""
    quote = written[-1]
    begin, end = written.index(quote) + 1, len(written) - 1
    at = begin
    while at < end:
        if next_part := JOINED.match(written, at, end):
            at = next_part.end()
            continue
        atom = ATOM.match(written, at, end)
        if not atom:
            return
        after = QUANTIFIER.match(written, atom.end(), end)
        stop = after.end() if after else atom.end()
        if atom[0] not in "(|)" and not atom[0].startswith("(?"):
            yield Mutant(line=line, start=start + at, end=start + stop, old=written[at:stop], new="")
        if after and atom[0] != ")":
            yield Mutant(line=line, start=start + atom.end(), end=start + stop, old=after[0], new="")
        at = stop


def _calculated(where: _Text, node: ast.BinOp) -> Iterator[Mutant]:
    if type(node.op) in CALCULATED:
        one = where.between(node.left, node.right, SYMBOLS[type(node.op)], CALCULATED[type(node.op)])
        yield from [one] if one else []


def _denied(where: _Text, node: ast.UnaryOp) -> Iterator[Mutant]:
    if isinstance(node.op, ast.Not):
        yield where.mutant(node, where.text[slice(*where.span(node.operand))])


def _asked(where: _Text, node: ast.If | ast.While | ast.IfExp) -> Iterator[Mutant]:
    yield where.mutant(node.test, f"(not ({where.text[slice(*where.span(node.test))]}))")


def _filtered(where: _Text, node: ast.comprehension) -> Iterator[Mutant]:
    yield from (where.mutant(test, "True") for test in node.ifs)


def _given(where: _Text, node: ast.Return) -> Iterator[Mutant]:
    if node.value is not None:
        yield where.mutant(node.value, "None")


def _left_out(where: _Text, node: ast.stmt) -> Iterator[Mutant]:
    if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call):
        yield where.mutant(node, "pass")


def _renamed(where: _Text, node: ast.Attribute | ast.Name) -> Iterator[Mutant]:
    name = node.attr if isinstance(node, ast.Attribute) else node.id
    if name in OTHERS:
        _, end = where.span(node)
        yield Mutant(line=node.lineno, start=end - len(name), end=end, old=name, new=OTHERS[name])


def _unset(where: _Text, node: ast.Assign) -> Iterator[Mutant]:
    """Of several names that get one value, one goes without."""
    if len(node.targets) > 1:
        yield from (where.mutant(target, "_without") for target in node.targets)


CHANGES: dict[type[ast.AST] | tuple[type[ast.AST], ...], Callable[[_Text, Any], Iterator[Mutant]]] = {
    ast.Compare: _compared, ast.BoolOp: _joined, ast.BinOp: _calculated, ast.UnaryOp: _denied, ast.Return: _given,
    (ast.If, ast.While, ast.IfExp): _asked, ast.comprehension: _filtered, ast.Constant: _constant,
    (ast.Raise, ast.Break, ast.Continue, ast.Expr): _left_out, (ast.Attribute, ast.Name): _renamed, ast.Assign: _unset,
}  # fmt: skip
