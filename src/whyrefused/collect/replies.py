"""Replies by host, none of which is held: each is made again whenever it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from whyrefused.records import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Replies(Mapping[str, Reply]):
    """What these hosts said; `of` says it."""

    __slots__ = ("_hosts", "_of")

    def __init__(self, hosts: Iterable[str], of: Callable[[str], Reply]) -> None:
        self._hosts = dict.fromkeys(hosts)
        self._of = of

    def __getitem__(self, host: str) -> Reply:
        if host not in self._hosts:
            raise KeyError(host)
        return self._of(host)

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)
