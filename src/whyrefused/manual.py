"""Writes the pages of the manual that are made from the code: `python -m whyrefused.manual`.

docs/causes.md from the docstrings of `causes/`, docs/commands.md and docs/sudoers from `probes/`, and what
`whyrefused.inventory.manual` makes from the grammar of `expect`. A test fails while one of them is stale.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from whyrefused import causes, probes, script
from whyrefused.inventory import manual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.probes._rights import Run

CAUSES = """\
<!-- Made by `make docs` from src/whyrefused/causes/; edit there. -->
# The causes of a refused connection

Every failure is held against all eleven. Each answers *proven*, *excluded* or *unknown*, with the host's own line; a
failure of which nothing is proven is reported as `undetermined`, with what is left. The id never changes.
"""

COMMANDS = """\
<!-- Made by `make docs` from src/whyrefused/probes/; edit there. -->
# Every command that runs on a host, and every file that is read

A visit is one connection, one exec of `sh` and one script, made of those of the fragments below that the selected items
need. All of them only read; nothing is written, installed or changed. `tests/lab/test_readonly.py` compares the tables
with what the kernel of a real host was asked. Each fragment has a limit of its own in seconds and bytes, kept by
`timeout` and `head` on the host. The whole script runs at nice 10 and in the idle class of the disk, and ends within
five seconds of the end of its connection.

**Rights.** *login*: as the user who logs in. *any*: as root where the inventory says `ansible_become` and sudo permits
any command without a password, else as the login. *listed*: so too where sudo permits just this command, word for word;
[sudoers](sudoers) permits all of them and nothing else. What sudo permits is asked once (`sudo -n -k -l`); it is never
asked for what it would refuse, and never for a shell. A fact that stays unreadable is an *error* that names the reason.

**What writes.** The login itself, as any does: wtmp, lastlog, the journal of sshd, and that of sudo where it is used.
`proxy` starts the login's own shell as a login does, and with it what its owner has written into `~/.profile`.
`browses`, only where declared, starts a real browser whose files stand in memory and go with it
([decision 0012](decisions/0012-browser-leaves-nothing.md)).
"""

FRAGMENTS = """\
## The fragments, word for word

`$S` and `$R` stand for `sudo -n -u USER --`, or `$S` for nothing; `root` for either (above). The words `NAME`, `UNIT`
and `HOST PORT` stand for what the inventory declares, quoted for the shell.
"""

SUDOERS = """\
# Made by `make docs` from src/whyrefused/probes/; edit there.
#
# What a login named `whyrefused` needs to see what root sees: whose sockets those are, the firewall's rules, and
# whether a service has a network of its own. As /etc/sudoers.d/whyrefused, mode 0440, checked by `visudo -c`; the
# inventory says `ansible_user: whyrefused` and `ansible_become: true`.
#
# Each command is permitted word for word: no argument can be added, none can be left out, and none of them writes a
# file or starts a program. Who gets hold of the login sees by it: all sockets with their processes, all rules and sets,
# the numbers of all processes. Listing rules makes a kernel load their module that has none; the tool asks no such
# kernel. `""` stands for no arguments: without it any would be permitted, and `iptables-save -M FILE` runs FILE. Where
# a program stands elsewhere (`command -v ss`), change its path.
#
# Of the journal it reads what its groups may: add the login to `systemd-journal`. What this file does not give, and
# `NOPASSWD: ALL` or a login as root does: dialling and browsing `as` another user, the environment and files that only
# root reads, and the headers of packets in a second look. Those items end as *error*, or their finding as
# `undetermined`, with the reason.
"""

PLACES = ("/usr/bin", "/usr/sbin")
"""Where distributions have these programs."""


class Owner(Protocol):
    """What says which commands it runs: a probe, or the script around them."""

    RUNS: tuple[Run, ...]
    READS: Mapping[str, str]


SAMPLES: Mapping[str, tuple[str, ...]] = {
    "units": ("UNIT",),
    "trouble": ("PORT/tcp", "UNIT"),
    "names": ("NAME",),
    "lookups": ("NAME",),
    "proxy": ("UNIT",),
    "dials": ("4", "HOST PORT", "HOST PORT WHO -"),
    "browses": ("KEY URL WHO PROXY PROFILE",),
    "burst": ("CLIENT/SERVER/PORT/CONTROL",),
    "watch": ("CLIENT/SERVER/PORT",),
    "processes": ("UNIT",),
    "serving": ("haproxy 443", "nginx 80"),
    "configured": ("FILE#KEY", "unit:UNIT#VARIABLE"),
}
"""What stands in the page for the arguments of a probe that takes some."""


def of_causes() -> str:
    """What is the manual page of the causes?"""
    parts = [CAUSES]
    for cause in causes.registry().values():
        hidden = ", ".join(f"[{code}](#{code})" for code in cause.hidden_by)
        parts.append(
            f'## <a id="{cause.code}"></a>{cause.title}\n\n`{cause.code}`, on the {cause.side} side.\n\n{cause.text}\n'
            "\n| variant | |\n|---|---|\n"
            + "".join(f"| `{slug}` | {words} |\n" for slug, words in cause.variants.items())
            + (f"\nA packet that meets one of these first never comes this far: {hidden}.\n" if hidden else "")
        )
    return "\n".join(parts)


def of_commands() -> str:
    """What is the manual page of the commands?"""
    owners: Mapping[str, Owner] = {"every visit": cast("Owner", script), **probes.registry()}
    rows = sorted((run.command, run.rights, run.why, name) for name, one in owners.items() for run in one.RUNS)
    read = sorted((file, why, name) for name, one in owners.items() for file, why in one.READS.items())
    parts = [
        COMMANDS,
        "## Commands\n\n| begins with | what for | rights | asked by |\n|---|---|---|---|\n"
        + "".join(f"| `{command}` | {why} | {rights} | {name} |\n" for command, rights, why, name in rows),
        "## Files\n\nAnd what every program of libc reads: the loader's, `/etc/nsswitch.conf`, `/etc/passwd`,"
        " `/etc/group`, `/etc/host.conf`.\n\n| file | what for | asked by |\n|---|---|---|\n"
        + "".join(f"| `{file}` | {why} | {name} |\n" for file, why, name in read),
        FRAGMENTS,
    ]
    for name, probe in probes.registry().items():
        text = probe.fragment(SAMPLES.get(name, ()))
        question = inspect.cleandoc(probe.__doc__ or "")
        limit = f"At most {probe.SECONDS} s and {probe.BYTES:,} bytes."
        parts.append(f"### {name}\n\n{question}\n\n{limit}\n\n```sh\n{text.strip()}\n```\n")
    return "\n".join(parts)


def of_sudoers() -> str:
    """Which file lets sudo permit the listed commands, and nothing else?"""
    runs = (run for probe in probes.registry().values() for run in probe.RUNS if run.rights == "listed")
    reasons = {run.command: run.why for run in reversed(list(runs))}
    # sudoers(5): `""` permits no arguments.
    words = {command: command if " " in command else f'{command} ""' for command in reasons}
    told = "".join(f"#   {command.ljust(max(map(len, reasons)))}  {reasons[command]}\n" for command in sorted(reasons))
    paths = ", \\\n    ".join(f"{place}/{words[command]}" for command in sorted(reasons) for place in PLACES)
    return (
        f"{SUDOERS}#\n{told}\nCmnd_Alias WHYREFUSED = \\\n    {paths}\n\n"
        "Defaults!WHYREFUSED env_reset, !setenv\nwhyrefused ALL=(root) NOPASSWD: WHYREFUSED\n"
    )


def pages() -> Mapping[str, str]:
    """Which files are made from the code, and what must stand in each? By path in the repository."""
    return {
        "docs/causes.md": of_causes(),
        "docs/commands.md": of_commands(),
        "docs/sudoers": of_sudoers(),
        **manual.outputs(),
    }


def main() -> None:
    """Write all generated files of the repository that this module stands in."""
    root = Path(__file__).parents[2]
    for name, text in pages().items():
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
