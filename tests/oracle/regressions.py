"""Which disagreements were there once? A file each in `regressions/`, kept by `python tests/oracle keep FILE`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .compare import Prober
from .packets import Connection
from .rig import Rig
from .rulesets import Load, install

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent / "regressions"


def kept() -> Iterator[tuple[str, dict[str, Any]]]:
    """Which cases are kept, by name?"""
    for path in sorted(FOLDER.glob("*.yml")):
        yield path.stem, yaml.safe_load(path.read_text(encoding="utf-8"))


def loads(one: Mapping[str, Any]) -> tuple[Load, ...]:
    """Which texts for which commands make the rules of a case?"""
    return tuple(Load(command=tuple(each["command"].split()), text=each["text"]) for each in one["loads"])


def keep(path: Path) -> int:
    """Ask the kernel about each case of a file and keep it: its rules, what the host prints of them, the answer."""
    with Rig("keep") as rig:
        prober = Prober(rig)
        for one in yaml.safe_load(path.read_text(encoding="utf-8")):
            _keep(prober, one)
    return 0


def _keep(prober: Prober, one: dict[str, Any]) -> None:
    connection = Connection(**one["connection"])
    given = loads(one)
    taken = install(prober.rig, given)
    if [each.text.strip() for each in taken] != [each.text.strip() for each in given]:
        raise ValueError(f"{one['about']}: not all of its rules were taken")
    (found,) = prober.compare([connection])
    listed, saves = prober.rig.texts()
    document = json.loads(listed)
    document["nftables"] = [each for each in document["nftables"] if "metainfo" not in each]
    data = {
        **one,
        "answer": found.answer,
        "nft": json.dumps(document),
        "saves": {name: _undated(text) for name, text in saves.items() if text.strip()},
    }
    name = re.sub(r"[^a-z0-9]+", "-", one["about"].lower()).strip("-")[:100].strip("-")
    FOLDER.mkdir(exist_ok=True)
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1 << 30, allow_unicode=True)
    (FOLDER / f"{name}.yml").write_text(text, encoding="utf-8")
    told = "" if found.agrees else f", judged {found.trip.verdict} {found.trip.how}"
    sys.stdout.write(f"{name}: {found.answer}{told}\n")


def _undated(text: str) -> str:
    return "".join(
        f"{line.partition(' on ')[0]}\n" if line.startswith(("# Generated", "# Completed")) else f"{line}\n"
        for line in text.splitlines()
    )


class _Dumper(yaml.SafeDumper):
    """Writes texts of many lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
