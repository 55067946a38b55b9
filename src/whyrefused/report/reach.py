"""Who reaches whom? The paths of a run as clients by servers, where those that fare alike share a row or a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whyrefused.escape import slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whyrefused.records import Result

    Fare = tuple[str, str]  # outcome, word

WORST = ("failed", "error", "skipped", "passed")
ROWS, COLUMNS = 40, 12
"""How many rows and columns the page shows; those where nothing is connected as declared come first."""
NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Clients, or servers with their port, that fare alike."""

    first: tuple[str, ...]  # the first few names
    more: int  # how many are not named


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How it goes from the one to the other."""

    outcome: str  # the worst of its paths, "" where nothing is declared
    word: str
    finding: str  # anchor of the one finding that explains it, "" when there is none or more than one


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Clients by servers."""

    paths: int
    columns: tuple[Ends, ...]
    rows: tuple[tuple[Ends, tuple[Cell, ...]], ...]
    more_rows: int
    more_columns: int


def matrix(results: Iterable[Result]) -> Matrix | None:
    """Which paths are there, and how does each fare? None when no path was declared."""
    paths: dict[tuple[str, str], list[Result]] = {}
    for it in results:
        if it.client is not None:
            paths.setdefault((it.client, _endpoint(it)), []).append(it)
    if not paths:
        return None
    rows, columns = _sides(paths)
    of_row = {name: at for at, names in enumerate(rows) for name in names}
    of_column = {name: at for at, names in enumerate(columns) for name in names}
    cells: dict[tuple[int, int], list[Result]] = {}
    for (client, server), same in paths.items():
        cells.setdefault((of_row[client], of_column[server]), []).extend(same)
    return Matrix(
        paths=sum(map(len, paths.values())),
        columns=tuple(map(_ends, columns[:COLUMNS])),
        rows=tuple(
            (_ends(names), tuple(_cell(cells.get((row, column), ())) for column in range(len(columns[:COLUMNS]))))
            for row, names in enumerate(rows[:ROWS])
        ),
        more_rows=max(0, len(rows) - ROWS),
        more_columns=max(0, len(columns) - COLUMNS),
    )


def _sides(paths: Mapping[tuple[str, str], Sequence[Result]]) -> tuple[list[list[str]], list[list[str]]]:
    """Which clients fare alike, and which servers? Those with the most that is not as declared first."""
    clients: dict[str, list[tuple[str, Fare]]] = {}
    for (client, server), same in sorted(paths.items()):
        clients.setdefault(client, []).append((server, _fare(same)))
    rows = _alike(clients)
    servers: dict[str, list[tuple[str, Fare]]] = {}
    for names in rows:
        for server, fare in clients[names[0]]:
            servers.setdefault(server, []).append((names[0], fare))
    columns = _alike(dict(sorted(servers.items())))
    for side, of in ((rows, clients), (columns, servers)):
        side.sort(key=lambda names, of=of: (*_badness(of[names[0]]), names[0]))  # type: ignore[misc]
    return rows, columns


def _alike(lines: Mapping[str, Iterable[object]]) -> list[list[str]]:
    """Which names have the same line?"""
    same: dict[object, list[str]] = {}
    for name, line in lines.items():
        same.setdefault(tuple(line), []).append(name)
    return list(same.values())


def _badness(line: Iterable[tuple[str, Fare]]) -> tuple[int, int]:
    outcomes = [outcome for _, (outcome, _) in line]
    return -outcomes.count("failed"), -outcomes.count("error")


def _fare(same: Sequence[Result]) -> Fare:
    worst = min(same, key=lambda it: (WORST.index(it.outcome), it.id))
    return worst.outcome, _word(worst)


def _cell(same: Sequence[Result]) -> Cell:
    if not same:
        return Cell(outcome="", word="", finding="")
    outcome, word = _fare(same)
    findings = {it.finding for it in same if it.finding}
    return Cell(outcome=outcome, word=word, finding=slug("finding", findings.pop()) if len(findings) == 1 else "")


def _endpoint(it: Result) -> str:
    where = it.server or it.destination or "?"
    return f"{where}:{it.port}" if it.port is not None else where


def _word(it: Result) -> str:
    if it.outcome in {"error", "skipped"}:
        return "not decided" if it.outcome == "error" else "not checked"
    return it.symptom or ("as declared" if it.outcome == "passed" else "not as declared")


def _ends(names: Sequence[str]) -> Ends:
    return Ends(first=tuple(names[:NAMES]), more=max(0, len(names) - NAMES))
