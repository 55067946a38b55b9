"""Writes the pages of the manual that are made from the code: `python -m whyrefused.manual`.

docs/causes.md from the docstrings of `causes/`, docs/commands.md from the fragments of `probes/`, and what
`whyrefused.inventory.manual` makes from the grammar of `expect`. A test fails while one of them is stale.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from whyrefused import causes, probes
from whyrefused.inventory import manual

if TYPE_CHECKING:
    from collections.abc import Mapping

CAUSES = """\
<!-- Made by `make docs` from src/whyrefused/causes/; edit there. -->
# The causes of a refused connection

Every failure is held against all eleven. Each answers *proven*, *excluded* or *unknown*, with the host's own line; a
failure of which nothing is proven is reported as `undetermined`, with what is left. The id never changes.
"""

COMMANDS = """\
<!-- Made by `make docs` from src/whyrefused/probes/; edit there. -->
# Every command that runs on a host

A visit is one connection, one exec of `sh` and one script, made of those of the fragments below that the selected items
need. All of them only read; nothing is written, installed or changed. Each has a limit of its own in seconds and bytes,
kept by `timeout` and `head` on the host. The whole script runs at nice 10. `$S` stands for nothing, or for
`sudo -n -u USER --` where the inventory says `ansible_become`. The words `NAME`, `UNIT` and `HOST PORT` stand for what
the inventory declares, quoted for the shell.
"""

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
    parts = [COMMANDS]
    for name, probe in probes.registry().items():
        text = probe.fragment(SAMPLES.get(name, ()))
        question = inspect.cleandoc(probe.__doc__ or "")
        limit = f"At most {probe.SECONDS} s and {probe.BYTES:,} bytes."
        parts.append(f"## {name}\n\n{question}\n\n{limit}\n\n```sh\n{text.strip()}\n```\n")
    return "\n".join(parts)


def pages() -> Mapping[str, str]:
    """Which files are made from the code, and what must stand in each? By path in the repository."""
    return {"docs/causes.md": of_causes(), "docs/commands.md": of_commands(), **manual.outputs()}


def main() -> None:
    """Write all generated files of the repository that this module stands in."""
    root = Path(__file__).parents[2]
    for name, text in pages().items():
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
