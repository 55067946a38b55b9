"""Where do a real host's rules go, with the verdicts that its kernel confirmed? Into data of the tests without root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from whyrefused.firewall import Hook, Packet, Trace

DATA = Path(__file__).resolve().parents[1] / "unit/data/firewall"
DATE = re.compile(r"( v[0-9.]+(?: \(nf_tables\))?|^# Completed) on [A-Z][^\n]*", re.MULTILINE)


Texts = tuple[str | None, Mapping[str, str]]


def keep(name: str, texts: Texts, judged: Iterable[tuple[Packet, Hook, Trace]], renames: Mapping[str, str]) -> None:
    """Write what the commands printed, and a case for each connection.

    `renames` are patterns of addresses that differ from lab to lab, and what stands for them.
    """
    folder = DATA / name
    folder.mkdir(exist_ok=True)
    listed, saves = texts
    if listed is not None:
        (folder / "nft.json").write_text(_settled(json.dumps(json.loads(listed)), renames) + "\n")
    for command, text in saves.items():
        if text.strip():
            (folder / command.replace(" ", "-")).write_text(_settled(text, renames))
    asked = list(judged)
    packet = asked[0][0]
    usual = {"addresses": sorted(packet.addresses or ()), "routes": [list(route) for route in packet.routes]}
    rows = [usual, *(_case(*each) for each in asked)]
    lines = [yaml.safe_dump(row, default_flow_style=True, sort_keys=False, width=10000).strip() for row in rows]
    text = f"usual: {lines[0]}\ncases:\n" + "".join(f"- {line}\n" for line in lines[1:])
    (folder / "recorded.yml").write_text(_settled(text, renames))


def _settled(text: str, renames: Mapping[str, str]) -> str:
    for pattern, name in renames.items():
        text = re.sub(rf"(?<![\w:.]){pattern}", name, text)
    return DATE.sub(r"\1", text)


def _case(packet: Packet, hook: Hook, trace: Trace) -> dict[str, Any]:
    told = {
        "from": packet.source, "to": packet.destination, "port": packet.port, "protocol": packet.protocol,
        "interface": packet.interface, "hook": hook, "verdict": trace.verdict, "how": trace.how,
        "author": trace.author, "redirected": trace.redirected, "quiet": trace.quiet, "why": trace.why,
    }  # fmt: skip
    if trace.verdict != "cannot-tell":
        del told["quiet"]
    return {key: value for key, value in told.items() if value not in ("", None)}
