"""What does the kernel answer? Three namespaces, rules in the middle one, probes from any of them."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from . import network, probe, responders
from .ears import Ears
from .space import NAMESPACES, RigError, Space, checked, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .probe import Flow, Probe

PREFIX = "wr-oracle"
PLACES = ("client", "host", "server")
SAVES = ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save")
LEGACY = {"iptables-legacy-restore": "ip_tables_names", "ip6tables-legacy-restore": "ip6_tables_names"}
"""The files of /proc/net that name the tables of iptables-legacy that exist."""

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
HELD_BACK = {errno.EPERM, errno.EACCES, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS}
"""What a sender is told when rules or routes keep its packet, or a busy machine has no room for it."""

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 1, 2
NLM_F_REQUEST_ACK = 5
FORGET_SECONDS = 5.0


class Rig:
    """Three wired namespaces, with their listeners and sockets; a context manager that leaves nothing behind."""

    def __init__(self, name: str) -> None:
        self.names = {place: f"{PREFIX}-{name}-{os.getpid()}-{place}" for place in PLACES}
        self.processes: list[subprocess.Popen[str]] = []
        self._spaces: dict[str, Space] = {}
        self._senders: dict[tuple[str, int, int], socket.socket] = {}
        self._ears = Ears()
        self._lock = ""
        self._nonce = secrets.randbits(32)
        self._used: set[str] = set()
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
        self._lock = str(Path(stack.enter_context(TemporaryDirectory(prefix=PREFIX)), "xtables.lock"))
        for place, name in self.names.items():
            stack.callback(_remove, name)
            checked("ip", "netns", "add", name)
            self._spaces[place] = space = Space(name)
            stack.callback(space.close)
            space.set(network.SETTINGS)
            space.set(network.LIMITS, optional=True)
        stack.callback(self._hang_up)
        checked("ip", "-batch", "-", text="\n".join(network.wires(self.names)) + "\n")
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
        self._note(words)
        done = self._command(*words, text=text)
        return (done.stderr.strip() or f"exit status {done.returncode}") if done.returncode else ""

    def run(self, *words: str, text: str | None = None, check: bool = True) -> str:
        """What does this command print on the host?"""
        self._note(words)
        return self._checked(*words, text=text) if check else self._command(*words, text=text).stdout

    def _command(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return self._spaces["host"].do(command, *words, text=text, lock=self._lock)

    def _checked(self, *words: str, text: str | None = None) -> str:
        return self._spaces["host"].do(checked, *words, text=text, lock=self._lock)

    def _note(self, words: Sequence[str]) -> None:
        """Remember what may have left rules: the rest need not be asked for."""
        tool = Path(words[0]).name
        self._used.update(kind for kind in ("tables", "ipset") if kind in tool)

    def reset(self) -> None:
        """Take all rules away, and what the kernel knows of connections that went through them."""
        host = self._spaces["host"]
        self._checked("nft", "flush", "ruleset")
        if "tables" in self._used:
            for tool, names in LEGACY.items():
                if text := host.do(_emptied, names):
                    self._checked(tool, text=text)
        if "ipset" in self._used:
            self._destroy_sets()
        host.do(_forget_connections)
        self._used.clear()

    def _destroy_sets(self) -> None:
        """Take all sets away; rules of nft let go of theirs only some time after they are gone."""
        until = time.monotonic() + FORGET_SECONDS
        while (done := self._command("ipset", "destroy")).returncode:
            if time.monotonic() > until:
                raise RigError(f"ipset destroy: {done.stderr}")
            time.sleep(0.005)

    def texts(self) -> tuple[str, dict[str, str]]:
        """What does the host print of its rules: nft's JSON, and the saves by the command that prints them?

        What cannot have been given rules since the last reset is not asked, and taken to print nothing.
        """
        saves = {name: self._checked(name) if "tables" in self._used else "" for name in SAVES}
        saves["ipset save"] = self._checked("ipset", "save") if "ipset" in self._used else ""
        return self._checked("nft", "-j", "list", "ruleset"), saves

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


def _emptied(names: str) -> str:
    """Which text empties the tables of iptables-legacy that there are? To ask for another would make it."""
    listed = Path("/proc/thread-self/net", names)
    return "".join(map(_empty, listed.read_text().split())) if listed.exists() else ""


def _empty(table: str) -> str:
    return "\n".join([f"*{table}", *(f":{chain} ACCEPT" for chain in BUILT_IN[table]), "COMMIT", ""])


def _forget_connections() -> None:
    """Forget every connection of this namespace, as `conntrack --flush` would: rules are for new ones."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
        netlink.send(struct.pack("=IHHIIBBH", 20, kind, NLM_F_REQUEST_ACK, 1, 0, 0, 0, 0))
        (status,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    if status:
        raise RigError(f"connections cannot be forgotten: {os.strerror(-status)}")


def left() -> list[str]:
    """Which namespaces of this process are there?"""
    return sorted(path.name for path in NAMESPACES.glob(f"{PREFIX}-*-{os.getpid()}-*"))
