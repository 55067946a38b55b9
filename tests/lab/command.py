"""What does `python tests/lab COMMAND` do, and with which exit status does it end?"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from . import demo, image, paths, place, teardown
from .fleet import Lab
from .process import LabError
from .requirements import missing, unavailable


def main() -> int:
    """Do what was typed; 2 when no lab can run here or it went wrong, with the reason."""
    arguments = _parser().parse_args()
    if arguments.command == "missing":
        say(" ".join(missing()))
        return 0
    if reason := unavailable():
        return _failed(reason)
    try:
        return int(arguments.do(arguments))
    except LabError as error:
        return _failed(str(error))


def say(text: str) -> None:
    """Tell whoever typed the command."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _failed(reason: str) -> int:
    sys.stderr.write(f"lab: {reason}\n")
    return 2


def _up(arguments: argparse.Namespace) -> int:
    if not (paths.images() / image.identity(image.codename())).exists():
        say("lab: building the image, once, about a minute")
    lab = demo.up(broken=not arguments.healthy)
    say(f"lab: {', '.join(f'{host.name} {host.address}' for host in lab.hosts.values())} are up")
    for host, fault in () if arguments.healthy else demo.wrong(lab):
        say(f"lab: on {host}: {fault}")
    say("lab: log in with `python tests/lab ssh web1`; a root shell without SSH: `python tests/lab exec web1`")
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    status = demo.audit(Lab.found(arguments.lab), arguments.keep)
    if status not in (0, 1) or not demo.HTML.exists() or not demo.FINDINGS.exists():
        return _failed(f"the audit ended with exit status {status} and no report")
    say(f"lab: the report is {demo.HTML}, the findings are {demo.FINDINGS}")
    return 0


def _hosts(arguments: argparse.Namespace) -> int:
    for host in Lab.found(arguments.lab).hosts.values():
        say(f"{host.name} {host.address} {host.address6}")
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    into = Lab.found(arguments.lab)[arguments.host].inside
    words = ("-c", " ".join(arguments.words)) if arguments.words else ("-l",)
    environment = {**place.ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")}
    return subprocess.run((*into, "/bin/bash", *words), env=environment, check=False).returncode


def _ssh(arguments: argparse.Namespace) -> int:
    lab = Lab.found(arguments.lab)
    argv = (*lab.inside, "ssh", "-F", str(lab.ssh_config), "-l", arguments.user, arguments.host, *arguments.words)
    return subprocess.run(argv, check=False).returncode


def _down(arguments: argparse.Namespace) -> int:
    gone = teardown.names() if arguments.all else {*teardown.orphans(), arguments.lab} & set(teardown.names())
    for name in sorted(gone):
        Lab(name).down()
        say(f"lab: {name} is down")
    return 0


def _build(_: argparse.Namespace) -> int:
    say(str(image.ready()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/lab", description="A fleet of real systemd hosts, to break.")
    parser.add_argument("--lab", default=demo.NAME, help="which lab (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot app1, web1 and db1, with several faults in them")
    up.add_argument("--healthy", action="store_true", help="without the faults")
    audit = commands.add_parser("audit", help="audit them over SSH and write the report")
    audit.add_argument("--keep", type=Path, metavar="FOLDER", help="leave there what judges them again elsewhere")
    commands.add_parser("hosts", help="name and addresses of each host")
    execute = commands.add_parser("exec", help="run a shell command on a host as root, or a shell")
    ssh = commands.add_parser("ssh", help="log in to a host from the controller")
    ssh.add_argument("--user", default="root", help="root, auditor or deployer")
    for command in (execute, ssh):
        command.add_argument("host")
        command.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    down = commands.add_parser("down", help="remove the lab, and those that a crashed run left")
    down.add_argument("--all", action="store_true", help="every lab on this machine, also those in use")
    commands.add_parser("build", help="build the image")
    commands.add_parser("missing", help="the Debian packages that are not installed")
    actions = {"up": _up, "audit": _audit, "hosts": _hosts, "exec": _exec, "ssh": _ssh, "down": _down, "build": _build}
    for name, action in actions.items():
        commands.choices[name].set_defaults(do=action)
    return parser
