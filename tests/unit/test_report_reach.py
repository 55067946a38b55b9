"""Does the matrix say of every path how it fares, however many there are?"""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from whyrefused.escape import slug
from whyrefused.records import Result
from whyrefused.report.reach import COLUMNS, ROWS, matrix


def path(client: str, server: str, port: int = 80, symptom: str = "connected") -> Result:
    """Which path is it? It passed when it is connected."""
    passed = symptom == "connected"
    why = f"why:{server if symptom == 'refused' else client}"
    return Result(
        id=f"{client}-{server}:{port}", host=client, check="connects", subject=f"{client} → {server}:{port}",
        outcome="passed" if passed else "failed", expected="connected", observed=symptom, client=client, server=server,
        destination=server, port=port, symptom=symptom, finding=None if passed else why,  # type: ignore[arg-type]
    )  # fmt: skip


def test_no_path_no_matrix() -> None:
    """Where nobody is to connect to anybody, there is nothing to show."""
    assert matrix([replace(path("a", "b"), client=None)]) is None


def test_ten_thousand_paths_are_three_words() -> None:
    """200 clients of 50 endpoints, one of which is down and one of which cannot reach anybody: those stand out."""
    paths = [
        path(f"app{client:03}", f"db{server:02}", symptom="refused" if server == 7 else "connected")
        for client in range(199)
        for server in range(50)
    ]
    paths += [path("lost", f"db{server:02}", symptom="timed-out") for server in range(50)]
    found = matrix(random.Random(3).sample(paths, len(paths)))  # noqa: S311 - an order, no secret
    assert found
    assert 10_000 == found.paths
    assert [(("db07:80",), 0), (("db00:80", "db01:80", "db02:80"), 46)] == [(it.first, it.more) for it in found.columns]
    assert [
        (("lost",), 0, ["timed-out", "timed-out"]),
        (("app000", "app001", "app002"), 196, ["refused", "connected"]),
    ] == [(ends.first, ends.more, [it.word for it in cells]) for ends, cells in found.rows]
    assert [[slug("finding", "why:lost")] * 2, [slug("finding", "why:db07"), ""]] == [
        [it.finding for it in cells] for _, cells in found.rows
    ]


def test_servers_that_are_all_down_share_a_column() -> None:
    """Each has a finding of its own, so the cell leads to none of them."""
    found = matrix([path(client, server, symptom="refused") for client in "ab" for server in "cd"])
    assert found
    assert [("a", "b"), ("c:80", "d:80")] == [found.rows[0][0].first, found.columns[0].first]
    assert "" == found.rows[0][1][0].finding


def test_a_client_with_two_ways_shows_the_worse() -> None:
    """By name and by address: one of them fails."""
    good, bad = path("app1", "web1"), replace(path("app1", "web1", symptom="refused"), id="by-address")
    found = matrix([good, bad])
    assert found
    assert ("failed", "refused") == (found.rows[0][1][0].outcome, found.rows[0][1][0].word)


SYMPTOMS = st.sampled_from(["connected", "refused", "timed-out"])


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), SYMPTOMS, min_size=1))
def test_no_path_is_lost(symptoms: dict[tuple[int, int], str]) -> None:
    """With few enough to name them all, each path is found in its cell, and no other is filled."""
    found = matrix([path(f"c{client}", f"s{server}", symptom=it) for (client, server), it in symptoms.items()])
    assert found
    seen = {}
    for ends, cells in found.rows:
        for column, cell in zip(found.columns, cells, strict=True):
            if not ends.more and not column.more:
                seen |= {(c, s): cell.word for c in ends.first for s in column.first if cell.word}
    wanted = {(f"c{client}", f"s{server}:80"): it for (client, server), it in symptoms.items()}
    unnamed = any(ends.more for ends, _ in found.rows) or any(it.more for it in found.columns)
    assert seen.items() <= wanted.items() if unnamed else seen == wanted


def test_a_matrix_without_order_is_cut() -> None:
    """When no two fare alike the worst are shown, and how many are not."""
    order = random.Random(5)  # noqa: S311 - no secret
    paths = [
        path(f"c{client:03}", f"s{server:02}", symptom="refused" if order.random() < 0.5 else "connected")
        for client in range(100)
        for server in range(40)
    ]
    found = matrix(paths)
    assert found
    assert (ROWS, COLUMNS) == (len(found.rows), len(found.columns))
    assert (100 - ROWS, 40 - COLUMNS) == (found.more_rows, found.more_columns)
