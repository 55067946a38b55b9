"""Fixtures of the tests against hostile and real SSH servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile.support import Known, Sshd, keygen, start_sshd

from whyrefused.ssh import hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield
    hang_up()


@pytest.fixture(scope="session")
def user_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the key that servers take."""
    return keygen(tmp_path_factory.mktemp("user") / "id")


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """Give a client that knows nobody and has no keys of its own."""
    made = Known(config=tmp_path / "ssh_config", known_hosts=tmp_path / "known_hosts")
    made.known_hosts.write_text("")
    made.config.write_text(f"UserKnownHostsFile {made.known_hosts}\nGlobalKnownHostsFile none\nIdentityFile none\n")
    return made


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, user_key: Path) -> Iterator[Sshd]:
    """Start an sshd that takes `user_key` and certificates of its `ca`."""
    folder = tmp_path_factory.mktemp("sshd")
    with start_sshd(folder, user_key) as running:
        yield running
