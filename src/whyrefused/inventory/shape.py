"""What has a value to pass, beside being of its kind? Said in the annotations of records, and read by two.

pydantic reads them where people's own words are judged; `typed.py` where something that was judged is read again, and
pydantic, which takes longer to load than all of that, is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic looks at the annotations of Part
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What all parts of `expect` share: unknown keys are errors, values never change."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "frozen": True, "populate_by_name": True}


def about(description: str, **more: str) -> Mapping[str, str]:
    """What is there to be said of a field, for the manual and for editors? `alias` is its key, where that differs."""
    return {"description": description, **more}


@dataclass(frozen=True, slots=True)
class Check:
    """A function whose answer stands for the value. It raises ValueError where nothing can."""

    answer: Callable[[Any], Any]
    first: bool = False  # before its kind is looked at: for what may be written shortly

    def around(self, inner: Reader) -> Reader:
        """Who reads a value that has to pass this, too?"""
        answer = self.answer
        return (lambda value: inner(answer(value))) if self.first else (lambda value: answer(inner(value)))

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        function = core_schema.no_info_before_validator_function if self.first else (
            core_schema.no_info_after_validator_function)  # fmt: skip
        return function(self.answer, handler(source))


@dataclass(frozen=True, slots=True)
class Fits:
    """A pattern that the text fits."""

    pattern: str

    def around(self, inner: Reader) -> Reader:
        """Who reads a value that has to pass this, too?"""
        # `$` of Python would let a line's end follow.
        found = re.compile(re.sub(r"\$$", r"\\Z", self.pattern)).search

        def read(value: object) -> object:
            text = inner(value)
            if not found(text):
                raise ValueError(text)
            return text

        return read

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "pattern": self.pattern}
