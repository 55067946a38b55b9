"""The standard audit's fourteen items as a user of plain pytest-testinfra would write them."""

from __future__ import annotations

from typing import Any

import pytest
from bench.declared import CLOSED, KEPT_OUT, NAMES, OPEN, PROXIES, SERVICES


@pytest.mark.parametrize("unit", SERVICES)
def test_service(host: Any, unit: str) -> None:  # noqa: ANN401 - testinfra has no types
    """The unit runs, and will after the next boot."""
    service = host.service(unit)
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize("port", OPEN)
def test_open(host: Any, port: int) -> None:  # noqa: ANN401
    """Somebody listens on every address."""
    assert host.socket(f"tcp://0.0.0.0:{port}").is_listening


def test_closed(host: Any) -> None:  # noqa: ANN401
    """Nobody listens."""
    assert not host.socket(f"tcp://0.0.0.0:{CLOSED}").is_listening


@pytest.mark.parametrize(("command", "held"), [("nft list ruleset", KEPT_OUT), ("iptables-save", "")])
def test_rules(host: Any, command: str, held: str) -> None:  # noqa: ANN401
    """The rules can be read and the declared one is among them: all that plain text tells."""
    assert held in host.check_output(command)


@pytest.mark.parametrize("variable", PROXIES)
def test_proxy(host: Any, variable: str) -> None:  # noqa: ANN401
    """The variable is neither in the login's environment nor in /etc/environment."""
    assert variable not in host.environment()
    assert not host.file("/etc/environment").contains(f"^{variable}=")


@pytest.mark.parametrize(("name", "address"), NAMES.items())
def test_name(host: Any, name: str, address: str) -> None:  # noqa: ANN401
    """The name has the declared address."""
    assert [address] == host.addr(name).ipv4_addresses
