"""Is this value of JSON one that may stand in this field of a record? By the record's own annotations, checks and all.

What was kept was judged when it was kept, and is judged again here, only sooner: without pydantic, which takes longer
to load than all of this.
"""

from __future__ import annotations

from functools import partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Reader = Callable[[Any], Any]
    Records = Mapping[type, Sequence[object]]
    """The records of each kind that were read before: who holds one tells its place."""


def reader(hint: Any, records: Records) -> Reader:  # noqa: ANN401 - any annotation
    """Who reads what stands under this annotation? He raises ValueError, TypeError or LookupError if it is wrong."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        read = reader(arguments[0], records)
        for check in hint.__metadata__:
            read = check.around(read)
        return read
    if origin in {Union, UnionType}:
        return partial(_one_of, [reader(one, records) for one in arguments])
    if origin is Literal:
        return partial(_word, frozenset(arguments))
    if origin is tuple:
        return partial(_list, reader(arguments[0], records))
    if origin is dict:
        return partial(_map, *(reader(one, records) for one in arguments))
    if hint in records:
        return partial(_record, records[hint])
    return partial(_plain, hint)


def _plain(kind: type, value: object) -> object:
    """A text, a number, true or false, or nothing. A password is none of them, nor is a record not read before."""
    if type(value) is not kind or kind not in {str, int, bool, NoneType}:
        raise TypeError(kind)
    return value


def _word(words: frozenset[str], value: object) -> object:
    if type(value) is not str or value not in words:
        raise ValueError(value)
    return value


def _list(read: Reader, value: Sequence[object]) -> object:
    if not isinstance(value, (list, tuple)):
        raise TypeError(value)
    return tuple(map(read, value))


def _map(key: Reader, read: Reader, value: object) -> object:
    if type(value) is not dict:
        raise TypeError(value)
    return {key(name): read(inner) for name, inner in value.items()}


def _record(records: Sequence[object], place: object) -> object:
    if type(place) is not int or place < 0:
        raise TypeError(place)
    return records[place]


def _one_of(readers: Sequence[Reader], value: object) -> object:
    for read in readers:
        try:
            return read(value)
        except (TypeError, ValueError):
            continue
    raise ValueError(value)
