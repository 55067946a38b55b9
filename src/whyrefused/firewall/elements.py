"""Which command takes a source out of the set for which a rule refuses it, and how are the rules then?"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whyrefused.firewall import build
from whyrefused.firewall.model import Among, Chain, Field, Op, Row, Rule, Ruleset, Table
from whyrefused.firewall.nft_values import Unmodelled, cell
from whyrefused.firewall.ranges import address_range, in_words, without

if TYPE_CHECKING:
    from whyrefused.firewall.ranges import Range


def taken_out(table: Table, rule: Rule, span: Range, ruleset: Ruleset) -> tuple[str, Ruleset] | None:
    """Which command is it, where the set has an element for just these sources and the rule looks for nothing else?"""
    of_nft = not isinstance(rule.text, str)
    for op in rule.ops:
        if not isinstance(op, Among) or not op.named or not _asks_source(op) or op.negated:
            continue
        version = 4 if table.family == "ip" or span[1] < 1 << 32 else 6
        element = next((each for each in table.sets.get(op.named, ()) if _is(each, span, of_nft=of_nft)), None)
        if element is not None:
            after = _ruleset(ruleset, table if of_nft else None, op.named, span)
            if of_nft:
                place = shlex.join((table.family, table.name, op.named))
                return f"nft delete element {place} '{{ {in_words(span, version)} }}'", after
            return f"ipset del {shlex.quote(op.named)} {element[0]}", after
    return None


def _asks_source(op: Among) -> bool:
    return op.fields == (Field.SOURCE,) and op.mask is None


def _is(element: Any, span: Range, *, of_nft: bool) -> bool:  # noqa: ANN401 - nft's JSON, or a line of ipset
    try:
        if of_nft:
            return (span,) == cell(Field.SOURCE, element)
        text, excepted = element
        return not excepted and span == address_range(text)[1]
    except (Unmodelled, ValueError, TypeError):
        return False


def _ruleset(ruleset: Ruleset, only: Table | None, name: str, span: Range) -> Ruleset:
    """How are the rules without the element? A set of nft is one table's, one of ipset the whole host's."""
    tables = (
        _table(each, name, span, of_nft=only is not None) if only in (None, each) else each for each in ruleset.tables
    )
    return replace(ruleset, tables=tuple(tables))


def _table(table: Table, name: str, span: Range, *, of_nft: bool) -> Table:
    chains = {key: _chain(chain, name, span, of_nft=of_nft) for key, chain in table.chains.items()}
    return replace(table, chains=chains)


def _chain(chain: Chain, name: str, span: Range, *, of_nft: bool) -> Chain:
    rules = tuple(_rule(rule, name, span) if isinstance(rule.text, str) is not of_nft else rule for rule in chain.rules)
    if all(new is old for new, old in zip(rules, chain.rules, strict=True)):
        return chain
    return replace(chain, rules=rules, live=build.chain(chain.name, rules).live)


def _rule(rule: Rule, name: str, span: Range) -> Rule:
    ops = tuple(_op(op, name, span) for op in rule.ops)
    if ops == rule.ops:
        return rule
    return replace(rule, ops=ops, guards=build.rule(ops, "").guards)


def _op(op: Op, name: str, span: Range) -> Op:
    if not isinstance(op, Among) or op.named != name or not _asks_source(op):
        return op
    (old,) = op.rows[0].cells
    return replace(op, rows=(Row(cells=(without(old, (span,)),)),))  # type: ignore[arg-type]
