"""What do ten bad hosts cost a fleet of a hundred? Ninety that are well, beside ten of one kind, kind after kind.

All are servers of this process on loopback; those that are well do run the script. The time of the fleet is that of the
ninety alone and one deadline.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from bench.conftest import ASKED
from hostile import shells, whole
from hostile.servers import Server
from hostile.support import Known, keygen
from hostile.whole import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.environ.get(ASKED) != "1", reason=f"benchmarks run with make bench ({ASKED}=1)")

KINDS = (
    "silent", "banner-then-silence", "endless-ignore", "auth-hang", "session-hang", "never-ends", "frozen",
    "answer-drips", "endless-both", "ignore-flood", "banner-flood", "garbage", "close-at-once", "cut-reset",
    "auth-denied", "forced-command", "no-exit-status",
)  # fmt: skip
WELL, BAD, AT_ONCE, DEADLINE, SLACK = 90, 10, 20, 20, 2


@pytest.fixture(scope="module")
def well() -> Iterator[list[Server]]:
    """Start ninety servers that are well, each on an address of its own."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Server("healthy", act=shells.ACTS["healthy"], address=f"127.18.{number // 200}.{number % 200 + 1}")
            )
            for number in range(WELL)
        ]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Give a client that knows one key for all of them."""
    folder = tmp_path_factory.mktemp("fleet")
    key = keygen(folder / "id")
    made = Known(config=folder / "ssh_config", known_hosts=folder / "known_hosts")
    made.config.write_text(f"UserKnownHostsFile {made.known_hosts}\nGlobalKnownHostsFile none\nIdentityFile {key}\n")
    return made


def visited(folder: Path, known: Known, servers: list[Server]) -> tuple[float, whole.Ran]:
    """How long do the visits of all these take, and what came of them?"""
    # The bad ones stand first: whoever visits in order meets them before all others.
    hosts = [Declared.of(f"{one.fault}-{number}", one) for number, one in enumerate(servers)]
    lines = (f"[{one.address}]:{one.port} {one.host_key.get_name()} {one.host_key.get_base64()}\n" for one in servers)
    known.known_hosts.write_text("".join(lines))
    key = known.config.parent / "id"
    ran = whole.run(folder, hosts, key, known.config, f"--host-timeout={DEADLINE}", f"--forks={AT_ONCE}")
    (seconds,) = re.findall(r"visited \d+ hosts in ([\d.]+) s", ran.said)
    return float(seconds), ran


@pytest.fixture(scope="module")
def alone(well: list[Server], known: Known, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long do the ninety take alone? The longest of two."""
    return max(visited(tmp_path_factory.mktemp("alone"), known, well)[0] for _ in range(2))


@pytest.mark.parametrize("kind", KINDS)
def test_ten_bad_of_a_hundred(kind: str, well: list[Server], known: Known, alone: float, tmp_path: Path) -> None:
    """The ninety are judged as if the ten were not there, and the ten cost one deadline together."""
    with ExitStack() as stack:
        bad = [
            stack.enter_context(Server(kind, act=shells.ACTS.get(kind), address=f"127.19.0.{number + 1}"))
            for number in range(BAD)
        ]
        seconds, ran = visited(tmp_path / "run", known, [*bad, *well])
    print(f"{kind}: {seconds:.1f} s; the ninety alone {alone:.1f} s; {ran.peak} MiB")  # noqa: T201 - the figure
    outcomes = {host: ran.outcomes(host) for host in ran.by_host}
    assert WELL + BAD == len(outcomes)
    assert {"healthy": {"passed"}, kind: {"error"}} == {
        fault: {one for host, found in outcomes.items() if host.startswith(f"{fault}-") for one in found}
        for fault in ("healthy", kind)
    }
    assert seconds <= alone + DEADLINE + SLACK
