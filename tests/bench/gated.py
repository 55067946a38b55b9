"""Real scripts of many clients at once, all on this machine; servers on loopback count who is connected."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import yaml

from whyrefused.collect import fleet, gate
from whyrefused.collect.visit import Options
from whyrefused.inventory import load
from whyrefused.plan.ask import questions
from whyrefused.plan.declare import declared
from whyrefused.probes import _remote, dials
from whyrefused.records import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = 'ADDRESSES = addresses\naddresses = lambda key, _, port: ADDRESSES(key, "127.0.0.1", port)'
"""An address of nobody's is planned, and loopback is dialled in its stead: that alone would be the client's own."""
KEPT = "LINGER = 0.3"
BEFORE = "\nthreading.stack_size"


class Ear:
    """A server on loopback that takes every connection, and counts how many it has at once."""

    def __init__(self) -> None:
        self.taken = self.peak = self._open = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.taken += 1
                self._open += 1
                self.peak = max(self.peak, self._open)
            threading.Thread(target=self._until_closed, args=(connection,), daemon=True).start()

    def _until_closed(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(1)
            with self._lock:
                self._open -= 1

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def ears(many: int) -> Iterator[list[Ear]]:
    """So many servers."""
    with ExitStack() as stack:
        made = [Ear() for _ in range(many)]
        for one in made:
            stack.callback(one.close)
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the servers counted, and what the clients told."""

    peaks: tuple[int, ...]  # connections at once, of each server
    taken: tuple[int, ...]
    visits: int
    symptoms: frozenset[str]
    hosts: tuple[str, ...]


def connects(*, clients: int, servers: int, cap: int, linger: float = 1.0) -> Made:
    """What comes of it where each client dials each server, all clients may be visited at once, and this is the cap?

    Each client keeps its connections for so many seconds, so that those which may be open together are.
    """
    visits: Counter[str] = Counter()
    real = fleet.visit
    program = _remote.program("dial.py").replace(BEFORE, f"\n{ELSEWHERE}{BEFORE}")
    program = program.replace(KEPT, f"LINGER = {linger}")
    assert ELSEWHERE in program
    assert KEPT not in program
    with tempfile.TemporaryDirectory() as folder, ears(servers) as ends, ExitStack() as stack:
        path = Path(folder) / "hosts.yml"
        expect = {"connects": [{"to": f"198.51.100.1:{one.port}"} for one in ends]}
        hosts = {f"c{number}": {"ansible_connection": "local"} for number in range(clients)}
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": {"expect": expect}}}))
        inventory = load((str(path),))
        every = questions(inventory, declared(inventory), 4.0)
        asked = {host: {"dials": probes["dials"]} for host, probes in every.items()}
        for where, name, value in (
            (_remote, "program", lambda name: program if name == "dial.py" else ""),
            (gate, "CAP", cap),
            (fleet, "visit", lambda host, *rest: (visits.update([host.name]), real(host, *rest))[1]),
        ):
            stack.enter_context(mock.patch.object(where, name, value))
        found = fleet.collect(inventory, asked, Options(forks=clients))
        frames = [reply.frames.get("dials") for reply in found.replies.values()]
    told = [one.symptom for frame in frames if isinstance(frame, Frame) for one in dials.parse(frame).values()]
    assert len(told) == clients * servers
    return Made(
        peaks=tuple(one.peak for one in ends), taken=tuple(one.taken for one in ends), visits=visits.total(),
        symptoms=frozenset(told), hosts=tuple(found.replies),
    )  # fmt: skip
