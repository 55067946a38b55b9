"""How much memory does a whole run take that hosts flood? Its highest resident size, everything in it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hostile import shells, whole
from hostile.servers import Server
from hostile.whole import Declared

if TYPE_CHECKING:
    from pathlib import Path

    from hostile.support import Known

pytestmark = pytest.mark.slow

FLOODS = (
    "endless-stdout", "endless-stderr", "endless-both", "endless-past-window", "banner-one-line-flood", "ignore-flood",
    "empty-data-flood", "unknown-stream-flood", "login-noise-1-mib",
)  # fmt: skip
ONE, TWENTY = 100, 256
"""MiB."""


def peak(faults: list[str], tmp_path: Path, known: Known, key: Path) -> int:
    """How large does the tool become with these hosts, at most?"""
    with ExitStack() as stack:
        running = [stack.enter_context(Server(fault, act=shells.ACTS.get(fault))) for fault in faults]
        lines = [f"[127.0.0.1]:{one.port} {one.host_key.get_name()} {one.host_key.get_base64()}\n" for one in running]
        known.known_hosts.write_text("".join(lines))
        hosts = [Declared.of(f"h{number}", server) for number, server in enumerate(running)]
        ran = whole.run(tmp_path / "run", hosts, key, known.config, "--host-timeout=60")
    assert {len(whole.ITEMS)} == {len(found) for found in ran.by_host.values()}
    return ran.peak


@pytest.mark.parametrize("fault", ["endless-both", "endless-past-window", "login-noise-1-mib"])
def test_one_host(fault: str, tmp_path: Path, known: Known, user_key: Path) -> None:
    """One host that floods, whichever way, leaves the run below 100 MiB."""
    assert peak([fault], tmp_path, known, user_key) <= ONE


def test_twenty_hosts_at_once(tmp_path: Path, known: Known, user_key: Path) -> None:
    """Twenty hosts that flood at once, in every way there is, leave it below 256 MiB."""
    faults = [FLOODS[number % len(FLOODS)] for number in range(20)]
    assert peak(faults, tmp_path, known, user_key) <= TWENTY
