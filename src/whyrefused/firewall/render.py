"""How does nft write what its JSON says?

Follows the layout of `nft list ruleset` closely enough to be recognised and searched for; the handle is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Style = str | tuple[str, ...]

OPERATORS = {"==": "", "in": "", "!=": "!= ", "!": "! ", "<": "< ", ">": "> ", "<=": "<= ", ">=": ">= "}
QUOTED = ("iifname", "oifname", "iif", "oif", "ibrname", "obrname", "iifkind", "oifkind", "helper")


def rule(value: Mapping[str, Any]) -> str:
    """How is a whole rule written, with its handle?"""
    try:
        words = [_statement(item) for item in value.get("expr", ())]
    except RecursionError:
        words = ["..."]
    if comment := value.get("comment"):
        words.append(f'comment "{comment}"')
    if (handle := value.get("handle")) is not None:
        words.append(f"# handle {handle}")
    return " ".join(word for word in words if word)


def statement(item: Any) -> str:  # noqa: ANN401 - any JSON
    """How is one statement or match written?"""
    try:
        return _statement(item)
    except RecursionError:
        return "..."


def _statement(item: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(item, dict) or len(item) != 1:
        return _plain(item)
    ((key, value),) = item.items()
    writer = WRITERS.get(key)
    if writer:
        return writer(value if isinstance(value, dict) else {"": value})
    if value is None:
        return str(key)
    return f"{key} {_plain(value)}"


def _match(value: Mapping[str, Any]) -> str:
    left, right, op = value.get("left"), value.get("right"), value.get("op", "==")
    masked = left.get("&") if isinstance(left, dict) else None
    if isinstance(masked, list) and len(masked) == 2 and _bit_names(masked[1]):  # noqa: PLR2004 - value and mask
        return f"{_expression(masked[0])} {OPERATORS.get(op, '')}{_flags(right)} / {_flags(masked[1])}"
    written = _flags(right) if _bit_names(right) else _expression(right, _style(left))
    exact = op == "==" and (masked or _is_flags(left)) and not isinstance(right, dict)
    return f"{_expression(left)} {'== ' if exact else OPERATORS.get(op, f'{op} ')}{written}"


def _style(left: Any) -> Style:  # noqa: ANN401 - any JSON
    """How does nft write the values that this expression is compared with: names in quotes, marks in hexadecimal?"""
    if not isinstance(left, dict):
        return ""
    if isinstance(left.get("concat"), list):
        return tuple(str(_style(part)) for part in left["concat"])
    if isinstance(left.get("&"), list) and left["&"]:
        return _style(left["&"][0])
    for kind in ("meta", "ct"):
        key = left[kind].get("key") if isinstance(left.get(kind), dict) else None
        if key in QUOTED:
            return "name"
        if key == "mark":
            return "mark"
    if isinstance(left.get("socket"), dict) and left["socket"].get("key") == "cgroupv2":
        return "name"
    return "name" if isinstance(left.get("fib"), dict) and left["fib"].get("result") == "oifname" else ""


def _is_flags(left: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(left, dict) and isinstance(left.get("payload"), dict) and left["payload"].get("field") == "flags"


def _bit_names(value: Any) -> bool:  # noqa: ANN401 - any JSON
    items = value.get("|") if isinstance(value, dict) else value
    return isinstance(items, list) and all(isinstance(item, str) for item in items)


def _flags(value: Any) -> str:  # noqa: ANN401 - any JSON
    items = value.get("|", ()) if isinstance(value, dict) else value
    return ",".join(map(str, items)) if isinstance(items, (list, tuple)) else _expression(value)


def _value(value: Any, style: Style) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if style == "name" and isinstance(value, str) and not value.startswith("@"):
        return f'"{value}"'
    if style == "mark" and isinstance(value, int):
        return f"0x{value:08x}"
    return _plain(value)


def _expression(value: Any, style: Style = "") -> str:  # noqa: ANN401, C901, PLR0912 - any JSON; a branch for each kind
    if isinstance(value, list):
        return ", ".join(_expression(item, style) for item in value)
    if not isinstance(value, dict) or len(value) != 1:
        return _value(value, style)
    ((key, inner),) = value.items()
    if key == "payload" and isinstance(inner, dict):
        if "base" in inner:
            return f"@{inner['base']},{inner.get('offset')},{inner.get('len')}"
        return f"{inner.get('protocol')} {inner.get('field')}"
    if key == "meta" and isinstance(inner, dict):
        name = str(inner.get("key"))
        return name if name in ("iif", "oif", "iifname", "oifname") else f"meta {name}"
    if key == "ct" and isinstance(inner, dict):
        return " ".join(str(part) for part in ("ct", inner.get("dir"), inner.get("key")) if part)
    if key == "socket" and isinstance(inner, dict):
        return f"socket {inner.get('key')}"  # the JSON leaves out the level
    if key == "fib" and isinstance(inner, dict):
        flags = inner.get("flags")
        return f"fib {' . '.join(flags) if isinstance(flags, list) else flags} {inner.get('result')}"
    if key == "numgen" and isinstance(inner, dict):
        shift = f" offset {inner['offset']}" if inner.get("offset") else ""
        return f"numgen {inner.get('mode')} mod {inner.get('mod')}{shift}"
    if key == "prefix" and isinstance(inner, dict):
        return f"{_expression(inner.get('addr'))}/{inner.get('len')}"
    if key == "elem" and isinstance(inner, dict):
        return _expression(inner.get("val"), style)
    if isinstance(inner, list):
        styles = style if isinstance(style, tuple) and key == "concat" else (style,) * len(inner)
        if key == "&" and not style:
            styles = (_style(inner[0]),) * len(inner) if inner else ()
        parts = [
            _element(item, each) if key == "set" else _expression(item, each)
            for item, each in zip(inner, styles, strict=False)
        ]
        joined = {"range": "-", "concat": " . ", "set": ", "}.get(key, f" {key} ").join(parts)
        return f"{{ {joined} }}" if key == "set" else joined
    if key == "map" and isinstance(inner, dict):
        return f"{_expression(inner.get('key'))} map {_expression(inner.get('data'), _style(inner.get('key')))}"
    return _plain(value)


def _element(item: Any, style: Style) -> str:  # noqa: ANN401 - any JSON
    if isinstance(item, list) and len(item) == 2:  # noqa: PLR2004 - key and data
        data = item[1]
        verdict = isinstance(data, dict) and len(data) == 1 and next(iter(data)) in WORDS
        return f"{_expression(item[0], style)} : {_statement(data) if verdict else _expression(data)}"
    return _expression(item, style)


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return " ".join(f"{key} {_plain(inner)}" if inner is not None else str(key) for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)


def _counter(value: Mapping[str, Any]) -> str:
    if "packets" in value:
        return f"counter packets {value['packets']} bytes {value.get('bytes', 0)}"
    return f'counter name "{value[""]}"' if value.get("") else "counter"


def _limit(value: Mapping[str, Any]) -> str:
    if "rate" not in value:
        return f'limit name "{value.get("")}"'
    over = "over " if value.get("inv") else ""
    unit = f" {value['rate_unit']}" if value.get("rate_unit") not in (None, "packets") else ""
    burst = f" burst {value['burst']} packets" if value.get("burst") not in (None, 0, 5) else ""
    return f"limit rate {over}{value['rate']}{unit}/{value.get('per', 'second')}{burst}"


def _count(value: Mapping[str, Any]) -> str:
    return f"ct count {'over ' if value.get('inv') else ''}{value.get('val')}"


def _quota(value: Mapping[str, Any]) -> str:
    return f"quota {'over ' if value.get('inv') else ''}{value.get('val')} {value.get('val_unit', 'bytes')}"


def _reject(value: Mapping[str, Any]) -> str:
    kind, code = value.get("type"), value.get("expr")
    if kind in (None, "") or (kind == "icmpx" and code == "port-unreachable"):
        return "reject"
    return f"reject with {kind} {code}" if code else f"reject with {kind}"


def _nat(word: str, value: Mapping[str, Any]) -> str:
    address, port = value.get("addr"), value.get("port")
    words = [word]
    if value.get("family"):
        words.append(str(value["family"]))
    if address is not None or port is not None:
        written = _expression(address) if address is not None else ""
        if isinstance(address, str) and ":" in address and port is not None:
            written = f"[{written}]"
        words.append(f"to {written}" + (f":{_expression(port)}" if port is not None else ""))
    flags = value.get("flags")
    words.extend(flags if isinstance(flags, list) else [flags] if flags else [])
    return " ".join(map(str, words))


def _mangle(value: Mapping[str, Any]) -> str:
    return f"{_expression(value.get('key'))} set {_expression(value.get('value'), _style(value.get('key')))}"


def _vmap(value: Mapping[str, Any]) -> str:
    return f"{_expression(value.get('key'))} vmap {_expression(value.get('data'), _style(value.get('key')))}"


def _dynamic(value: Mapping[str, Any]) -> str:
    inside = " ".join([_expression(value.get("elem")), *map(_statement, value.get("stmt") or ())])
    return f"{value.get('op', 'add')} {value.get('set')} {{ {inside} }}"


def _log(value: Mapping[str, Any]) -> str:
    prefix = f' prefix "{value["prefix"]}"' if "prefix" in value else ""
    rest = " ".join(f"{key} {_plain(inner)}" for key, inner in value.items() if key not in ("prefix", "") and inner)
    return f"log{prefix} {rest}".rstrip()


def _xt(value: Mapping[str, Any]) -> str:
    return f'xt {value.get("type")} "{value.get("name")}"'


WORDS = ("accept", "drop", "return", "continue", "jump", "goto", "reject", "queue")
WRITERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "match": _match,
    "counter": _counter,
    "limit": _limit,
    "ct count": _count,
    "quota": _quota,
    "reject": _reject,
    "mangle": _mangle,
    "vmap": _vmap,
    "set": _dynamic,
    "log": _log,
    "xt": _xt,
    "jump": lambda value: f"jump {value.get('target')}",
    "goto": lambda value: f"goto {value.get('target')}",
    "dnat": lambda value: _nat("dnat", value),
    "snat": lambda value: _nat("snat", value),
    "redirect": lambda value: _nat("redirect", value),
    "masquerade": lambda value: _nat("masquerade", value),
    "tproxy": lambda value: _nat("tproxy", value),
}
