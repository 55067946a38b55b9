"""Which rules does the host have? They are loaded, printed and taken away again, all of them."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .space import RigError, checked, command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from .space import Space

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
NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 1, 2
NLM_F_REQUEST_ACK = 5
FORGET_SECONDS = 5.0


class Rules:
    """The rules of one namespace."""

    def __init__(self, space: Space, lock: str) -> None:
        self._space = space
        self._lock = lock  # for iptables-legacy, see `command`
        self._used: set[str] = set()

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
        return self._space.do(command, *words, text=text, lock=self._lock)

    def _checked(self, *words: str, text: str | None = None) -> str:
        return self._space.do(checked, *words, text=text, lock=self._lock)

    def _note(self, words: Sequence[str]) -> None:
        """Remember what may have left rules: the rest need not be asked for."""
        tool = Path(words[0]).name
        self._used.update(kind for kind in ("tables", "ipset") if kind in tool)

    def reset(self) -> None:
        """Take all rules away, and what the kernel knows of connections that went through them."""
        self._checked("nft", "flush", "ruleset")
        if "tables" in self._used:
            for tool, names in LEGACY.items():
                if text := self._space.do(_emptied, names):
                    self._checked(tool, text=text)
        if "ipset" in self._used:
            self._destroy_sets()
        self._space.do(_forget_connections)
        self._used.clear()

    def _destroy_sets(self) -> None:
        """Take all sets away; rules of nft let go of theirs only some time after they are gone."""
        self._command("ipset", "flush")  # a list of sets holds on to them
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
