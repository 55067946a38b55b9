"""Does an inventory mean what its plain files say, because nothing else that counts is set up here?

What is not known to be harmless is taken for harmful: then the command is asked.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused.inventory.settings import DROPPED, OVERRIDE, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whyrefused.inventory.sources import Found

PREFIX = "ANSIBLE_"
BEFORE = ("ANSIBLE_SSH_", "ANSIBLE_BECOME", "ANSIBLE_CALLBACK", "ANSIBLE_DISPLAY_", "ANSIBLE_GALAXY_")
HARMLESS = frozenset({
    *SETTINGS, *DROPPED, "ANSIBLE_CONFIG", "ANSIBLE_FORCE_HANDLERS", "ANSIBLE_FORKS", "ANSIBLE_GATHERING",
    "ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_INVENTORY", "ANSIBLE_NOCOWS", "ANSIBLE_PIPELINING", "ANSIBLE_POLL_INTERVAL",
    "ANSIBLE_PRIVATE_KEY_FILE", "ANSIBLE_PYTHON_INTERPRETER", "ANSIBLE_REMOTE_PORT", "ANSIBLE_REMOTE_TMP",
    "ANSIBLE_REMOTE_USER", "ANSIBLE_RETRY_FILES_ENABLED", "ANSIBLE_ROLES_PATH", "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_STRATEGY", "ANSIBLE_TIMEOUT", "ANSIBLE_TRANSPORT",
})  # fmt: skip
"""Variables of Ansible that do not touch how it reads an inventory, or that are ours to set for the command."""

SECTIONS = frozenset({"colors", "connection", "diff", "galaxy", "persistent_connection", "privilege_escalation",
                      "ssh_connection"})  # fmt: skip
DEFAULTS = frozenset({
    "ansible_managed", "any_errors_fatal", "bin_ansible_callbacks", "callback_whitelist", "callbacks_enabled",
    "cow_selection", "deprecation_warnings", "display_args_to_stdout", "display_skipped_hosts", "fact_caching",
    "fact_caching_connection", "fact_caching_timeout", "force_color", "force_handlers", "forks", "gathering",
    "host_key_checking", "interpreter_python", "inventory", "localhost_warning", "log_path", "nocolor", "nocows",
    "pipelining", "poll_interval", "private_key_file", "remote_port", "remote_tmp", "remote_user",
    "retry_files_enabled", "retry_files_save_path", "roles_path", "show_custom_stats", "stdout_callback", "strategy",
    "system_warnings", "timeout", "transport",
})  # fmt: skip
"""The same of ansible.cfg: whole sections, and keys of `[defaults]`."""

PLUGINS = ("plugins/inventory", "plugins/vars")
SYSTEM = Path("/etc/ansible/ansible.cfg")
SHARED = Path("/usr/share/ansible")


def settled(given: Sequence[str], found: Found, environ: Mapping[str, str]) -> bool:
    """May these sources be read without the command? Says nothing yet of what stands in them."""
    return (
        found.whole
        and not found.problems
        and len(set(given)) == len(given) > 0
        and not any(file.executable for file in found.files if file.kind == "inventory")
        and not any("$" in source or ".." in source or _both(source) for source in given)
        and not environ.get(OVERRIDE)
        and _variables(environ)
        and _untouched(environ)
    )


def _untouched(environ: Mapping[str, str]) -> bool:
    """Does neither a file of settings nor a plug-in count? What cannot be looked at may."""
    try:
        return _file(environ) and not any(_plugins())
    except (OSError, RuntimeError):  # no working directory, no home, or no right to look
        return False


def _both(source: str) -> bool:
    return "," in source and Path(source).exists()


def _variables(environ: Mapping[str, str]) -> bool:
    return all(
        name in HARMLESS or name.startswith(BEFORE) or not value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    )


def _file(environ: Mapping[str, str]) -> bool:
    """Is there no ansible.cfg, or one that sets nothing but harmless things?"""
    found = next((path for path in _places(environ) if path.exists() and os.access(path, os.R_OK)), None)
    if found is None:
        return True
    import configparser  # noqa: PLC0415 - hardly anybody has such a file

    reader = configparser.RawConfigParser(strict=True, interpolation=None)
    try:
        reader.read_string(found.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return False
    return (
        all(
            section in SECTIONS or (section == "defaults" and set(reader.options(section)) <= DEFAULTS)
            for section in reader.sections()
        )
        and not reader.defaults()
    )


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where does Ansible look for its file? The first that is there counts."""
    told = environ.get("ANSIBLE_CONFIG")
    if told is not None:
        path = Path(os.path.expandvars(told)).expanduser()
        yield path / SYSTEM.name if path.is_dir() else path
    here = Path.cwd()
    if not here.stat().st_mode & stat.S_IWOTH:
        yield here / SYSTEM.name
    yield Path("~/.ansible.cfg").expanduser()
    yield SYSTEM


def _plugins() -> Iterator[Path]:
    """Which plugins that Ansible did not bring along would it load by itself?"""
    for home in (Path("~/.ansible").expanduser(), SHARED):
        for folder in PLUGINS:
            if (home / folder).is_dir():
                yield from (home / folder).iterdir()
