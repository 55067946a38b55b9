"""How is a host reached? Ansible's connection variables, rendered and checked."""

from __future__ import annotations

import math
import os.path
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from whyrefused.inventory.flaws import Flaw, inert, nearest, shown, veiled
from whyrefused.inventory.templates import BROKEN, VAULT_WORDS
from whyrefused.records import Connection, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whyrefused.inventory.templates import View

Kind = Literal["ssh", "local", "docker", "podman", "kubectl", "openssh"]

KINDS: dict[str, Kind] = {
    **{kind: kind for kind in get_args(Kind)},
    "smart": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
}
SHOWN = ("ssh", "paramiko", "local", "docker", "podman", "kubectl")
COLLECTIONS = ("ansible.builtin.", "ansible.netcommon.", "community.docker.", "containers.podman.", "kubernetes.core.")

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,252}")
"""Inventory names of hosts and groups. A leading dash would be an option to `ssh`."""
ADDRESS = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.:-]{0,252}|:[0-9A-Fa-f:.]{1,45})(?:%[A-Za-z0-9_.-]{1,15})?")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]{0,126}\$?")
OTHERS = ("winrm", "psrp", "netconf", "network_cli", "httpapi", "chroot", "jail", "lxc", "lxd", "zone", "buildah")
"""Connections of Ansible that are none of ours."""
UNDECIDED = ("maybe", "perhaps", "auto", "always", "never", "none")
"""What else is written where a yes or no is wanted."""
METHODS = ("sudo", "su", "doas", "dzdo", "enable", "ksu", "machinectl", "pbrun", "pfexec", "runas", "sesu")
KEY_NAMES = ("id_rsa", "id_ecdsa", "id_ed25519")
TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0"})
"""Ansible's booleans, as words."""

HIGHEST_PORT = 65535

HOST = ("ansible_host", "ansible_ssh_host")
PORT = ("ansible_port", "ansible_ssh_port")
REMOTE_USER = ("ansible_user", "ansible_ssh_user")
PASSWORD = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
CHECKING = ("ansible_ssh_host_key_checking", "ansible_host_key_checking")
BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass")
VARIABLES = frozenset({
    "ansible_connection", *HOST, *PORT, *REMOTE_USER, *PASSWORD, *KEY_FILE, *ARGUMENTS, *CHECKING,
    "ansible_become", "ansible_become_user", "ansible_become_method",
})  # fmt: skip


@dataclass(slots=True)
class Reading:
    """What one host's variables and the environment say, and what is wrong with them."""

    view: View
    environ: Mapping[str, str]
    flaws: list[Flaw] = field(default_factory=list)

    def value(self, names: tuple[str, ...], *environment: str, secret: bool = False) -> tuple[str, Any]:
        """Which variable of these is set, and to what? Variables count before the environment, as in Ansible."""
        for name in names:
            if name in self.view:
                found, flaws = self.view.render(self.view.written(name), (name,))
                if flaws:
                    self.reject(name, _without_source(flaws[0].message) if secret else flaws[0].message)
                    return name, None
                if found not in (None, "", BROKEN):
                    return name, found
        for name in environment:
            if self.environ.get(name):
                return name, self.environ[name]
        return "", None

    def reject(self, name: str, message: str, value: object = None, known: Iterable[str] = ()) -> None:
        """Note what is wrong with this variable; its value only where that is an attempt at a right one."""
        self.flaws.append(Flaw(path=(name,), message=veiled(message, value, known)))

    def word(self, names: tuple[str, ...], *environment: str, pattern: re.Pattern[str], what: str) -> str | None:
        """What does this variable say, if it is a name of that form?"""
        name, value = self.value(names, *environment)
        if value is None:
            return None
        if isinstance(value, (dict, list, bool, float)) or not pattern.fullmatch(str(value)):
            self.reject(name, f"{shown(value)} is not {what}", value)
            return None
        return str(value)

    def boolean(self, names: tuple[str, ...], *environment: str, default: bool) -> bool:
        """Is this on, in Ansible's words for it?"""
        name, value = self.value(names, *environment)
        if value is None:
            return default
        word = str(value).strip().lower()
        if word not in TRUE | FALSE:
            self.reject(name, f"{shown(value)} is neither yes nor no", value, (*TRUE, *FALSE, *UNDECIDED))
        return word in TRUE

    def port(self) -> int | None:
        """Which port is dialled for the login?"""
        name, value = self.value(PORT, "ANSIBLE_REMOTE_PORT")
        if value is None:
            return None
        whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
        text = str(int(value)) if whole else str(value)
        if isinstance(value, (bool, dict, list)) or not re.fullmatch(r"[0-9]{1,5}", text):
            self.reject(name, f"{shown(value)} is not a port", value, ("ssh",))
            return None
        if not 1 <= int(text) <= HIGHEST_PORT:
            self.reject(name, f"{shown(value)} is not a port: 1 to {HIGHEST_PORT}")
        return int(text)

    def kind(self, host: str) -> Kind:
        """By which of testinfra's ways is the host reached?"""
        name, value = self.value(("ansible_connection",), "ANSIBLE_TRANSPORT")
        # The machine that runs pytest, unless the inventory says where else its sshd is.
        here = host == "localhost" and not any(name in self.view for name in (*HOST, *PORT))
        if value is None or (here and name == "ANSIBLE_TRANSPORT"):
            return "local" if here else "ssh"
        short = str(value)
        for collection in COLLECTIONS:
            short = short.removeprefix(collection)
        if short not in KINDS:
            right = nearest(short, KINDS) or f"; right are {known()}"
            self.reject(name, f"the connection {shown(value)} is not known{right}", short, (*KINDS, *OTHERS))
        return KINDS.get(short, "ssh")

    def key_file(self, readable: Callable[[str], bool]) -> str | None:
        """Which private key is used? It must be there, or the login would be tried with another one."""
        name, value = self.value(KEY_FILE, "ANSIBLE_PRIVATE_KEY_FILE")
        if value is None:
            return None
        if not isinstance(value, str) or not value.isprintable():
            self.reject(name, f"{shown(value)} is not a file name", value)
            return None
        path = os.path.expanduser(value)  # noqa: PTH111 - kept as text, for ssh
        if not readable(path):
            self.reject(
                name,
                f"the key file {shown(path, 200)} is not there or cannot be read",
                path,
                () if "/" in path else KEY_NAMES,
            )
        return path

    def arguments(self) -> tuple[str, ...]:
        """Which options of `ssh` stand in the inventory, in the order in which Ansible gives them?"""
        words: list[str] = []
        for variable in ARGUMENTS:
            name, value = self.value((variable,))
            if value is None:
                continue
            try:
                if not isinstance(value, str) or not value.isprintable():
                    raise ValueError("not one line of text")  # noqa: TRY301 - the same answer as for an open quote
                words += shlex.split(value)
            except ValueError as error:
                self.reject(name, f"these are no options of ssh: {inert(str(error))}")
        return tuple(words)

    def password(self) -> Secret | None:
        """Which password logs in? Its value is in no message."""
        name, value = self.value(PASSWORD, secret=True)
        if value is None:
            return None
        if isinstance(value, (dict, list, float, bool)):
            self.reject(name, "was read as something else than text; quote it")
            return None
        return Secret(str(value))

    def become(self) -> tuple[bool, str]:
        """Are the commands run as another user, and as whom?"""
        become = self.boolean(("ansible_become",), "ANSIBLE_BECOME", default=False)
        what = "the name of a user"
        user = self.word(("ansible_become_user",), "ANSIBLE_BECOME_USER", pattern=USER, what=what) or "root"
        name, method = self.value(("ansible_become_method",), "ANSIBLE_BECOME_METHOD")
        if become and str(method or "sudo").removeprefix("ansible.builtin.") != "sudo":
            self.reject(name, f"becoming by {shown(method)} is not supported; `sudo` is", method, METHODS)
        return become, user


def known() -> str:
    """Which connections are there, in words?"""
    return ", ".join(SHOWN)


def _without_source(message: str) -> str:
    """Why can a secret not be rendered, without the template, which may hold half of it?"""
    return VAULT_WORDS if VAULT_WORDS in message else "its template cannot be rendered"


def connection(
    host: str, view: View, environ: Mapping[str, str], readable: Callable[[str], bool]
) -> tuple[Connection, tuple[Flaw, ...]]:
    """How is this host reached, and what in that cannot be? Paths begin with the variable's name."""
    reading = Reading(view, environ)
    kind = reading.kind(host)
    address = reading.word(HOST, pattern=ADDRESS, what="a host name or an address")
    by_ssh = kind in {"ssh", "openssh"}
    become, become_user = reading.become()
    found = Connection(
        kind=kind,
        address=address or ("127.0.0.1" if kind == "local" and host == "localhost" else host),
        port=reading.port() if by_ssh else None,
        user=reading.word(REMOTE_USER, "ANSIBLE_REMOTE_USER", pattern=USER, what="the name of a user"),
        password=reading.password() if by_ssh else None,
        key_file=reading.key_file(readable) if by_ssh else None,
        ssh_arguments=reading.arguments() if by_ssh else (),
        host_key_checking=not by_ssh
        or reading.boolean(CHECKING, "ANSIBLE_SSH_HOST_KEY_CHECKING", "ANSIBLE_HOST_KEY_CHECKING", default=True),
        become=become,
        become_user=become_user,
    )
    return found, tuple(reading.flaws)
