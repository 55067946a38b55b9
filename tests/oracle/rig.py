"""What does the kernel answer? Three namespaces, rules in the middle one, probes from any of them."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from . import network, probe, responders
from .ears import Ears
from .rules import Rules
from .space import NAMESPACES, RigError, Space, checked, command

if TYPE_CHECKING:
    from .probe import Flow, Probe

PREFIX = "wr-oracle"
PLACES = ("client", "host", "server")
HELD_BACK = {errno.EPERM, errno.EACCES, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS}
"""What a sender is told when rules or routes keep its packet, or a busy machine has no room for it."""


class Rig:
    """Three wired namespaces, with their listeners and sockets; a context manager that leaves nothing behind."""

    def __init__(self, name: str) -> None:
        self.names = {place: f"{PREFIX}-{name}-{os.getpid()}-{place}" for place in PLACES}
        self.processes: list[subprocess.Popen[str]] = []
        self._spaces: dict[str, Space] = {}
        self._senders: dict[tuple[str, int, int], socket.socket] = {}
        self._ears = Ears()
        self._nonce = secrets.randbits(32)
        everywhere = responders.numbered((*network.ADDRESSES["host"], *network.ADDRESSES["server"]))
        self._listeners = {size: responders.called(*place) for size, place in everywhere.items()}
        self._numbered = everywhere
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> None:
        stack.callback(self._ears.close)
        lock = Path(stack.enter_context(TemporaryDirectory(prefix=PREFIX)), "xtables.lock")
        for name in orphans():
            command("ip", "netns", "delete", name)  # another rig may be quicker
        for place, name in self.names.items():
            stack.callback(_remove, name)
            checked("ip", "netns", "add", name)
            self._spaces[place] = space = Space(name)
            stack.callback(space.close)
            space.set(network.SETTINGS)
            space.set(network.LIMITS, optional=True)
        stack.callback(self._hang_up)
        checked("ip", "-batch", "-", text="\n".join(network.wires(self.names)) + "\n")
        self._rules = Rules(self._spaces["host"], str(lock))
        for place, space in self._spaces.items():
            space.do(checked, "ip", "-batch", "-", text="\n".join(network.setup(place)) + "\n")
            self._ears.open(place, space)
        for place in ("host", "server"):
            self._start(place)
        for process in self.processes:
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise RigError("a responder did not start")

    def _start(self, place: str) -> None:
        """Start the listeners of this namespace."""
        mine = [(size, *end) for size, end in self._numbered.items() if end[0] in network.ADDRESSES[place]]
        words = [str(word) for one in mine for word in one]
        self.processes.append(
            self._spaces[place].do(
                subprocess.Popen[str],
                [sys.executable, "-I", "-S", responders.__file__, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )

    def _hang_up(self) -> None:
        """End the listeners and close what sends."""
        for process in self.processes:
            process.kill()
            process.communicate()
        for sender in self._senders.values():
            sender.close()

    def load(self, words: tuple[str, ...], text: str) -> str:
        """Give the host these rules; why were they not taken? Empty when they were."""
        return self._rules.load(words, text)

    def run(self, *words: str, text: str | None = None, check: bool = True) -> str:
        """What does this command print on the host?"""
        return self._rules.run(*words, text=text, check=check)

    def reset(self) -> None:
        """Take all rules away, and what the kernel knows of connections that went through them."""
        self._rules.reset()

    def texts(self) -> tuple[str, dict[str, str]]:
        """What does the host print of its rules: nft's JSON, and the saves by the command that prints them?"""
        return self._rules.texts()

    def ask(self, probes: list[Probe], wait: float) -> list[str]:
        """What is the answer to each probe? Silence for so many seconds is "drop"."""
        sent = [probe.flow(one, self._next()) for one in probes]
        senders = [self._sender(one) for one in probes]
        missing = {(network.home(flow.source), flow) for flow in sent}
        for _ in self._ears.hear(0):  # answers to earlier probes, too late
            pass
        for flow, sender in zip(sent, senders, strict=True):
            _send(sender, flow)
        answers: dict[Flow, str] = {}
        until = time.monotonic() + wait
        while missing:
            left = until - time.monotonic()
            for place, heard in self._ears.hear(left):
                found = probe.answer(heard, self._listeners)
                if found and (place, found[0]) in missing:
                    missing.remove((place, found[0]))
                    answers[found[0]] = found[1]
            if left <= 0:
                break
        return [answers.get(flow, "drop") for flow in sent]

    def _next(self) -> int:
        self._nonce = (self._nonce + 1) & 0xFFFFFFFF
        return self._nonce

    def _sender(self, one: Probe) -> socket.socket:
        """Which socket sends this, from its source's namespace and as its user?"""
        place = network.home(one.source)
        if one.uid and place != "host":
            raise ValueError("users are told apart on the host only")
        key = place, socket.AF_INET6 if ":" in one.source else socket.AF_INET, one.uid
        if key not in self._senders:
            self._senders[key] = self._spaces[place].raw(key[1], socket.IPPROTO_RAW, one.uid)
        return self._senders[key]


def _send(sender: socket.socket, flow: Flow) -> None:
    try:
        sender.sendto(probe.packet(flow), (flow.destination, 0))
    except OSError as refused:
        if refused.errno not in HELD_BACK:
            raise


def _remove(name: str) -> None:
    if (NAMESPACES / name).exists():
        checked("ip", "netns", "delete", name)


def left() -> list[str]:
    """Which namespaces of this process are there?"""
    return sorted(path.name for path in NAMESPACES.glob(f"{PREFIX}-*-{os.getpid()}-*"))


def orphans() -> list[str]:
    """Which namespaces are left of rigs that were killed?"""
    names = [path.name for path in NAMESPACES.glob(f"{PREFIX}-*-*-*")]
    return [name for name in names if not Path("/proc", name.split("-")[-2]).exists()]
