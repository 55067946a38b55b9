"""A session cut at any byte never passes for a whole one."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import pytest
from hostile import servers
from hostile.support import LIMITS, Known, connection

from whyrefused.ssh import NotReached, Output, visit

if TYPE_CHECKING:
    from pathlib import Path

ONCE = replace(LIMITS, pauses=())


class Relay:
    """Passes on what a server says up to a byte, then closes or resets both sides."""

    def __init__(self, port: int, after: int, *, reset: bool) -> None:
        self._to = port
        self._after = after
        self._reset = reset
        self.passed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self._to)) as server:
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                while self.passed < self._after and (data := server.recv(min(65536, self._after - self.passed))):
                    self.passed += len(data)
                    client.sendall(data)
                if self._reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, servers.RESET)
                # close alone sends nothing while the other thread reads
                client.shutdown(socket.SHUT_RD if self._reset else socket.SHUT_RDWR)

    @staticmethod
    def _forward(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)


@pytest.mark.slow
@pytest.mark.parametrize("reset", [False, True])
def test_cut_at_any_byte(known: Known, user_key: Path, *, reset: bool) -> None:
    """However early or late a connection ends, there is the whole output or none."""
    whole = Output(stdout=b"good\n", stderr=b"warning\n", status=0)
    with servers.Server("good") as server:
        key = f"{server.host_key.get_name()} {server.host_key.get_base64()}"
        known.known_hosts.write_text(f"[127.0.0.1]:* {key}\n")

        def cut(after: int) -> tuple[str | Output, int]:
            with Relay(server.port, after, reset=reset) as relay:
                try:
                    return visit(connection(relay.port, user_key), b"", ONCE, known.settings), relay.passed
                except NotReached as problem:
                    return problem.reason, relay.passed

        got, total = cut(1 << 20)
        assert whole == got
        cuts = [*range(1, total, 37), *range(total - 300, total)]
        with ThreadPoolExecutor(4) as pool:
            results = [result for result, _ in pool.map(cut, cuts)]
    reasons = {result for result in results if isinstance(result, str)}
    assert {whole} >= {result for result in results if isinstance(result, Output)}
    assert {"cut-off", "server-refuses-connections"} <= reasons <= {
        "cut-off", "server-refuses-connections", "not-ssh", "no-command", "login-refused",
    }  # fmt: skip
