"""How does the SSH configuration say to reach a host?

Asked of `ssh -G`, so that Include, Match and tokens are OpenSSH's. The connection's own variables outrank the
configuration. Nothing here opens a connection.
"""

from __future__ import annotations

import getpass
import glob
import os
import pwd
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused.redact import harmless
from whyrefused.ssh import arguments
from whyrefused.ssh.records import NotReached, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whyrefused.records import Connection, Secret
    from whyrefused.ssh.records import Settings

SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_DEFAULTS = {
    "identityfile": ["~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"],
    "userknownhostsfile": ["~/.ssh/known_hosts ~/.ssh/known_hosts2"],
    "globalknownhostsfile": ["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"],
}
_PER_HOST = ("match", "hostname", "proxyjump", "canonicalizehostname")
"""Keywords that may mean something else for each host, even under `Host *`."""
_HOP = re.compile(r"\[(?P<six>[^]]+)\](?::(?P<a>\d+))?|(?P<name>[^:]+)(?::(?P<b>\d+))?|(?P<bare>[0-9A-Fa-f:]+)")
_SSH_SECONDS = 10.0
_DEPTH = 16  # readconf.c: READCONF_MAX_DEPTH
_HOPS = 8  # readconf.c: SSH_MAX_JUMPS is not enforced; a chain longer than this is a circle


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server to log in to, everything resolved."""

    name: str  # as the inventory or the configuration calls it
    host: str  # what is dialled
    port: int
    user: str
    password: Secret | None = None
    key_file: str | None = None  # the connection's own: must be readable
    identity_files: tuple[str, ...] = ()  # further ones, those that do not exist left in
    certificate_files: tuple[str, ...] = ()
    agent: str | None = None  # the agent's socket
    identities_only: bool = False
    keys_allowed: bool = True  # PubkeyAuthentication
    password_allowed: bool = True  # PasswordAuthentication
    known_hosts: tuple[str, ...] = ()
    strict: str = "yes"  # yes, accept-new or no
    alias: str | None = None
    family: str = "any"  # any, inet or inet6
    bind: str | None = None
    via: Target | None = None  # the jump host before it

    @property
    def place(self) -> str:
        """How is it called in messages? HOST, or HOST:PORT."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"  # noqa: PLR2004 - SSH's own port


def home() -> str:
    """Where is `~` for ssh? The passwd entry's folder, whatever HOME says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return os.path.expanduser("~")  # noqa: PTH111 - a string among strings


def target(connection: Connection, settings: Settings) -> Target:
    """How is this inventory host reached? Raises NotReached (local, bastion)."""
    user = settings.user if connection.user is None else connection.user
    arguments.check(connection.address, user, connection.ssh_arguments)
    port = connection.port or settings.port
    given = arguments.options(connection.ssh_arguments)
    values = _resolve(connection.address, user, port, given, settings)
    found = _target(connection.address, values, user=user, port=port)
    return replace(
        found,
        password=connection.password,
        key_file=connection.key_file and _expand_home(connection.key_file),
        identity_files=_first(settings.identity_file, found.identity_files),
        strict=found.strict if connection.host_key_checking else "no",
        via=_via(values, given, settings, depth=1),
    )


def _first(file: str | None, files: tuple[str, ...]) -> tuple[str, ...]:
    return (_expand_home(file), *files) if file else files


def _via(values: dict[str, list[str]], given: tuple[str, ...], settings: Settings, depth: int) -> Target | None:
    jump = _last(values, "proxyjump")
    command = _last(values, "proxycommand")
    if command and command.lower() != "none":
        raise NotReached(
            "local",
            f"ProxyCommand ('{shown(command)}') is not supported by this client; use ProxyJump, "
            "or set ansible_connection: openssh for this host.",
        )
    if not jump or jump.lower() == "none":
        return None
    if depth > _HOPS:
        raise NotReached("local", f"ProxyJump '{shown(jump)}' leads in a circle.")
    before, _, hop = jump.rpartition(",")
    user, host, port = _hop(hop)
    # As ssh does: a jump host has its own configuration; of the arguments only -F and the rest of -J reach it.
    own = _config_option(given) + (("-J", before) if before else ())
    found = _resolve(host, user, port, own, settings)
    return replace(_target(host, found, user=user, port=port), via=_via(found, own, settings, depth + 1))


def _config_option(given: tuple[str, ...]) -> tuple[str, ...]:
    at = given.index("-F") if "-F" in given else None
    return () if at is None else given[at : at + 2]


def _hop(text: str) -> tuple[str | None, str, int | None]:
    rest = text.strip().removeprefix("ssh://").rstrip("/")
    user, _, place = rest.rpartition("@")
    found = _HOP.fullmatch(place)
    if not found:
        raise NotReached("local", f"ProxyJump '{shown(text)}' is not [USER@]HOST[:PORT].")
    host = found["six"] or found["name"] or found["bare"]
    arguments.check(host, user or None, ())
    port = found["a"] or found["b"]
    return user or None, host, int(port) if port else None


def _target(name: str, values: dict[str, list[str]], *, user: str | None, port: int | None) -> Target:
    for refused in ("revokedhostkeys", "knownhostscommand"):
        if (_last(values, refused) or "none").lower() != "none":
            raise NotReached(
                "local",
                f"The SSH configuration sets {refused} for '{shown(name)}', which this client cannot honour; "
                "set ansible_connection: openssh for this host.",
            )
    host = _last(values, "hostname") or name
    login = user or _last(values, "user") or getpass.getuser()
    number = port or int(_last(values, "port") or 22)
    arguments.check(host, login, ())
    expand = _expander(name=name, host=host, port=number, user=login)
    alias = _last(values, "hostkeyalias")
    agent = _last(values, "identityagent")
    strict = (_last(values, "stricthostkeychecking") or "yes").lower()
    bind = _last(values, "bindaddress")
    return Target(
        name=name,
        host=host,
        port=number,
        user=login,
        identity_files=tuple(map(expand, _paths(values, "identityfile"))),
        certificate_files=tuple(map(expand, _paths(values, "certificatefile"))),
        agent=_agent(expand(agent) if agent else None),
        identities_only=_yes(values, "identitiesonly", default=False),
        keys_allowed=_yes(values, "pubkeyauthentication", default=True),
        password_allowed=_yes(values, "passwordauthentication", default=True),
        known_hosts=tuple(
            expand(file)
            for key in ("userknownhostsfile", "globalknownhostsfile")
            for line in values.get(key, ())
            for file in line.split()
            if file.lower() != "none"
        ),
        strict={"no": "no", "false": "no", "off": "no", "accept-new": "accept-new"}.get(strict, "yes"),
        alias=expand(alias) if alias else None,
        family=_last(values, "addressfamily") or "any",
        bind=bind,
    )


def _last(values: dict[str, list[str]], key: str) -> str | None:
    found = values.get(key)
    return found[-1] if found else None


def _yes(values: dict[str, list[str]], key: str, *, default: bool) -> bool:
    word = _last(values, key)
    return default if word is None else word.lower() not in ("no", "false")


def _paths(values: dict[str, list[str]], key: str) -> Iterator[str]:
    return (value.strip('"') for value in values.get(key, ()) if value.lower() != "none")


def _agent(configured: str | None) -> str | None:
    if configured is None or configured == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if configured.lower() == "none":
        return None
    return os.environ.get(configured[1:]) if configured.startswith("$") else configured


def _expand_home(path: str) -> str:
    return home() + path[1:] if path == "~" or path.startswith("~/") else path


def _expander(*, name: str, host: str, port: int, user: str) -> Callable[[str], str]:
    """How are the tokens of ssh_config(5) replaced in what `ssh -G` leaves unexpanded?"""

    def value(found: re.Match[str]) -> str:
        if found["variable"]:
            return os.environ.get(found["variable"], "")
        tokens: dict[str, Callable[[], str]] = {
            "%": lambda: "%",
            "d": home,
            "h": lambda: host,
            "i": lambda: str(os.getuid()),
            "k": lambda: host,
            "l": lambda: os.uname().nodename,
            "L": lambda: os.uname().nodename.split(".")[0],
            "n": lambda: name,
            "p": lambda: str(port),
            "r": lambda: user,
            "u": getpass.getuser,
        }
        try:
            return tokens[found["token"]]()
        except KeyError:
            raise NotReached("local", f"The SSH configuration uses {shown(found[0])}, not known here.") from None

    def expand(text: str) -> str:
        return re.sub(r"%(?P<token>.)|\$\{(?P<variable>\w+)\}", value, _expand_home(text))

    return expand


# What follows asks `ssh -G`, or does without.


def _resolve(
    host: str, user: str | None, port: int | None, given: tuple[str, ...], settings: Settings
) -> dict[str, list[str]]:
    file = settings.ssh_config
    if file and not os.access(file, os.R_OK):
        raise NotReached("local", f"The SSH configuration '{shown(file)}' cannot be read.")
    program = settings.ssh and shutil.which(settings.ssh)
    base = (*(("-F", file) if file and "-F" not in given else ()), *given)
    if not program:
        return _without_ssh(base)
    files = _config_files(base)
    state = _plain_state(files, host) if not {"-o", "-J"} & set(given) else None
    if state is None:
        named = (*(("-l", user) if user else ()), *(("-p", str(port)) if port else ()))
        return _ask(program, (*base, *named), host)
    return {**_ask_once(program, base, state), "hostname": [host]}


def _ask(program: str, options: tuple[str, ...], host: str) -> dict[str, list[str]]:
    try:
        done = subprocess.run(  # noqa: S603 - checked names after `--`, no shell
            [program, "-G", *options, "--", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SSH_SECONDS,
            check=False,
            env=harmless(os.environ),
        )
    except subprocess.TimeoutExpired:
        raise NotReached("local", f"`ssh -G {shown(host)}` did not end within {_SSH_SECONDS:.0f} s.") from None
    except OSError as error:
        raise NotReached("local", f"`ssh -G` could not be started: {error.strerror}.") from None
    if done.returncode:
        raise NotReached("local", f"`ssh -G {shown(host)}` failed: {shown(done.stderr.strip())}")
    return parse(done.stdout.decode("utf-8", "surrogateescape"))


def parse(text: str) -> dict[str, list[str]]:
    """What does `ssh -G` say? Each keyword with its values, in their order."""
    values: dict[str, list[str]] = {}
    for line in text.split("\n"):
        keyword, _, value = line.strip().partition(" ")
        if keyword:
            values.setdefault(keyword.lower(), []).append(value.strip())
    return values


_asked: dict[tuple[object, ...], dict[str, list[str]]] = {}
_asked_lock = threading.Lock()


def _ask_once(program: str, options: tuple[str, ...], state: tuple[object, ...]) -> dict[str, list[str]]:
    key = (program, options, state)
    with _asked_lock:
        if key not in _asked:
            _asked[key] = _ask(program, options, "host.invalid")
        return _asked[key]


def _config_files(options: tuple[str, ...]) -> tuple[str, ...]:
    at = options.index("-F") if "-F" in options else None
    return (f"{home()}/.ssh/config", SYSTEM_CONFIG) if at is None else (options[at + 1],)


def _plain_state(files: tuple[str, ...], host: str) -> tuple[object, ...] | None:
    """Which files say for this host what they say for any, and as of when? None if one may have more for it."""
    state: list[object] = []
    for file in files:
        found = _plain_file(file, host, state, depth=0)
        if not found:
            return None
    return tuple(state)


def _plain_file(file: str, host: str, state: list[object], depth: int) -> bool:
    try:
        status = os.stat(file)  # noqa: PTH116 - a string among strings
        found = _read_file(file, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        state.append(file)
        return True
    except OSError:
        return False
    state.append((file, status.st_mtime_ns, status.st_size))
    if depth > _DEPTH or not found.plain or found.names(host.lower()):
        return False
    return all(_plain_include(value, file, host, state, depth) for value in found.includes)


def _plain_include(value: str, file: str, host: str, state: list[object], depth: int) -> bool:
    folder = "/etc/ssh" if file.startswith("/etc/ssh/") else f"{home()}/.ssh"
    names = [os.path.join(folder, _expand_home(name.strip('"'))) for name in value.split()]  # noqa: PTH118 - globs
    included = [found for name in names for found in sorted(glob.glob(name))]  # noqa: PTH207 - the same
    state.append(tuple(included))
    return all(_plain_file(found, host, state, depth + 1) for found in included)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What one file of ssh_config(5) has for hosts that it does not name."""

    plain: bool  # it says the same of all of them
    includes: tuple[str, ...]  # the values of Include
    named: frozenset[str]  # hosts for which it has a block, and of which `ssh -G` must be asked
    patterns: tuple[str, ...]  # the same, with * and ?

    def names(self, host: str) -> bool:
        """Has it a block for this host?"""
        return host in self.named or any(fnmatchcase(host, pattern) for pattern in self.patterns)


@lru_cache(maxsize=64)
def _read_file(file: str, _changed: int, _size: int) -> _File:
    """What stands in this file? Read once as long as its time and size stay: a fleet is asked host by host."""
    blocks: list[str] = []
    includes: list[str] = []
    plain = active = True
    for line in Path(file).read_text("utf-8", "surrogateescape").split("\n"):
        keyword, value = _words(line)
        if keyword == "host":
            active = value == "*"
            # A pattern with a `!` takes hosts out of a block, it lets none in (ssh_config(5), PATTERNS).
            blocks += [] if active else [one.strip('"').lower() for one in value.split() if one[:1] != "!"]
        elif keyword == "match":
            plain = False
        elif keyword and active:
            plain = plain and keyword not in _PER_HOST and "%" not in value and "$" not in value
            includes += [value] if keyword == "include" else []
    globs = [one for one in blocks if "*" in one or "?" in one]
    # `[` has no meaning in these patterns, and one in fnmatch's.
    return _File(
        plain=plain,
        includes=tuple(includes),
        named=frozenset(blocks).difference(globs),
        patterns=tuple(one.replace("[", "[[]") for one in globs),
    )


def _words(line: str) -> tuple[str, str]:
    """Which keyword has which value in this line of ssh_config(5)? Two empty strings for a comment."""
    keyword, _, value = re.sub(r"[\s=]+", " ", line.strip(), count=1).partition(" ")
    return ("", "") if keyword.startswith("#") else (keyword.lower(), value.strip().strip('"'))


def _without_ssh(options: tuple[str, ...]) -> dict[str, list[str]]:
    """What holds where no ssh program is? Its defaults; a configuration that needs it is refused."""
    if options and (set(options[::2]) - {"-F"}):
        raise NotReached("local", "SSH arguments need the ssh program (openssh-client), which is not installed.")
    values: dict[str, list[str]] = {}
    for file in filter(os.path.exists, _config_files(options)):
        for keyword, value in map(_words, Path(file).read_text("utf-8", "surrogateescape").split("\n")):
            if keyword in ("include", "match") or (keyword == "host" and value != "*"):
                raise NotReached(
                    "local",
                    f"'{shown(file)}' has {keyword.capitalize()}, which needs the ssh program (openssh-client); "
                    "it is not installed.",
                )
            # The first value counts, but files of keys and certificates add up (ssh_config(5)).
            if keyword in ("identityfile", "certificatefile") or keyword not in values:
                values.setdefault(keyword, []).append(value)
    return _DEFAULTS | values
