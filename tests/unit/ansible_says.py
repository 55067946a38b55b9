"""What does Ansible itself say of an inventory? Its command, loaded once and forked for each question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from whyrefused.inventory import settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SERVER = r"""
import io, json, os, sys, tempfile
from ansible.cli.inventory import InventoryCLI
from ansible.plugins.loader import init_plugin_loader, inventory_loader, vars_loader
import ansible.inventory.manager, ansible.parsing.dataloader, ansible.vars.manager

def answer(arguments, folder):
    os.chdir(folder)
    try:
        InventoryCLI(["ansible-inventory", "--list", "--export", *arguments]).run()
    except SystemExit as ended:
        return ended.code or 0
    except BaseException as error:
        print(error, file=sys.stderr)
        return 1

for line in sys.stdin:
    arguments, folder = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            status = answer(arguments, folder)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        print(json.dumps([os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode()]), flush=True)
"""


class Ansible:
    """One running server."""

    def __init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env={**kept, **settings.SETTINGS, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self, sources: Sequence[str], folder: Path, limit: str = "") -> tuple[dict[str, Any] | None, str]:
        """What does it print, or None where it fails, and what does it complain of?"""
        assert self._process.stdin
        assert self._process.stdout
        arguments = [f"--inventory={source}" for source in sources] + ([f"--limit={limit}"] if limit else [])
        self._process.stdin.write(json.dumps([arguments, str(folder)]) + "\n")
        self._process.stdin.flush()
        status, output, complaint = json.loads(self._process.stdout.readline())
        return (json.loads(output) if status == 0 else None), complaint

    def stop(self) -> None:
        """End the server."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
